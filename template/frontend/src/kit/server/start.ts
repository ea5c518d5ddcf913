import { isDevelopment } from "@/kit/causes";
import { backendAddress } from "@/kit/server/backend";
import { trustedProxies, watchConnections } from "@/kit/server/connections";
import { oidcProvider } from "@/kit/server/oidc";
import { believedSecrets } from "@/kit/server/secret";

/**
 * Makes sure that no setting is wrong before anybody is answered. In development the page says most of it, to whoever
 * mends it.
 *
 * @throws {Failure} One is.
 */
export function expectSettings(): void {
  trustedProxies();
  if (isDevelopment()) return;
  believedSecrets();
  oidcProvider();
  backendAddress("/chatkit");
}

/** Gets the page's server ready, or ends it where a setting is wrong: Next would go on, and answer nobody. */
export function start(): void {
  try {
    expectSettings();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
  watchConnections();
}
