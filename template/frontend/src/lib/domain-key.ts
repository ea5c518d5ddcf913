/** OpenAI's placeholder: ChatKit takes it on localhost, and nowhere else. */
export const PLACEHOLDER_DOMAIN_KEY = "domain_pk_localhost_dev";

/** Where domains are registered and get their keys. */
export const DOMAIN_KEYS = "https://platform.openai.com/settings/organization/security/domain-allowlist";

/** The key of the domain that this page is opened under, read at request time: one build runs anywhere. */
export function domainKey(): string {
  // By a computed name: Next writes the value of a literal `process.env.NEXT_PUBLIC_…` into the build.
  const name = "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY";
  return process.env[name]?.trim() || PLACEHOLDER_DOMAIN_KEY;
}

/**
 * Makes sure that a build for production does not end blank on its first visitor's screen.
 *
 * @throws {Error} There is no key but the placeholder, and nobody said that it will do.
 */
export function expectDomainKey(): void {
  if (domainKey() !== PLACEHOLDER_DOMAIN_KEY || process.env.ALLOW_PLACEHOLDER_DOMAIN_KEY === "1") return;
  throw new Error(
    "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY is only the placeholder, with which ChatKit stays blank everywhere but on " +
      `localhost. Register your domain at ${DOMAIN_KEYS} and put its key into frontend/.env.local or into the ` +
      "environment. To build for localhost all the same, or to give the key when the server starts: " +
      "ALLOW_PLACEHOLDER_DOMAIN_KEY=1 npm run build",
  );
}
