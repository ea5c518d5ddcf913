import { backendAddress } from "@/lib/backend-address";
import { trustedProxies } from "@/lib/client-address";
import { isDevelopment } from "@/lib/disclosure";
import { oidcProvider } from "@/lib/oidc";
import { believedSecrets } from "@/lib/secret";

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
