// next.config.ts imports this, and its loader does not know "@/…".

/**
 * A setting of the page's server, read anew whenever it is asked for: one build runs anywhere.
 *
 * @returns An empty text where it is not set.
 */
export function setting(name: string): string {
  // Not by `process.env[name]`: in place of what a bundler recognises, a name that it can compute included, it writes
  // the value that a `NEXT_PUBLIC_…` has at build.
  const value: unknown = Reflect.get(process.env, name);
  return typeof value === "string" ? value : "";
}

/**
 * The names besides localhost under which a browser may open the page in development.
 *
 * To others Next's development server gives no scripts, and we no answers: any website can be at home under a name that
 * leads to this machine for a moment (DNS rebinding).
 */
export function developmentHosts(): string[] {
  return ["127.0.0.1", ...listed("DEVELOPMENT_HOSTS")];
}

/** A setting that is a list, with commas between its entries. */
export function listed(name: string): string[] {
  return setting(name)
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** OpenAI serves the UI from here; it can be neither bundled nor pinned, and opens a frame of the same origin. */
export const CHATKIT_SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

export const CHATKIT_ORIGIN = new URL(CHATKIT_SCRIPT).origin;

/** OpenAI's placeholder: ChatKit takes it on localhost, and nowhere else. */
export const PLACEHOLDER_DOMAIN_KEY = "domain_pk_localhost_dev";

/** Where domains are registered and get their keys. */
export const DOMAIN_KEYS = "https://platform.openai.com/settings/organization/security/domain-allowlist";

/** The key of the domain that this page is opened under, read at request time: one build runs anywhere. */
export function domainKey(): string {
  return setting("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY").trim() || PLACEHOLDER_DOMAIN_KEY;
}

/**
 * Makes sure that a build for production does not end blank on its first visitor's screen.
 *
 * @throws {Error} There is no key but the placeholder, and nobody said that it will do.
 */
export function expectDomainKey(): void {
  if (domainKey() !== PLACEHOLDER_DOMAIN_KEY || setting("ALLOW_PLACEHOLDER_DOMAIN_KEY") === "1") return;
  throw new Error(
    "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY is only the placeholder. With it, ChatKit stays blank everywhere but on " +
      `localhost. Register your domain at ${DOMAIN_KEYS} and put its key into frontend/.env.local or into the ` +
      "environment. To build for localhost only, or to set the key when the server starts, run " +
      "ALLOW_PLACEHOLDER_DOMAIN_KEY=1 npm run build",
  );
}
