/**
 * Why there may be no chat, by the slugs of pitfalls.json: the page has words for each of these, and shows
 * them in a panel.
 */
export const CAUSES = [
  "backend-down",
  "blank-screen",
  "csp-blocks-chatkit",
  "database-down",
  "dev-origin-blocked",
  "domain-key",
  "env-file-lost",
  "migrations-not-run",
  "not-signed-in",
  "options-refused",
  "proxy-hides-the-cause",
  "script-blocked",
] as const;

export type Slug = (typeof CAUSES)[number];

/** One cause, in words for the person in front of the page: in development what was tried, where, and what came of it. */
export type Cause = { slug: Slug; message: string };

const UNAVAILABLE = "The chat is not available at the moment. Try again in a minute.";

// Where the browser of a visitor has a part in it, with what a visitor can do.
const FOR_VISITORS: Partial<Record<Slug, string>> = {
  "blank-screen": "The chat did not start. Check your connection, then try again in a minute.",
  "dev-origin-blocked":
    "The page could not start in this browser. Load it again, and allow scripts on this page if something blocks them.",
  "script-blocked":
    "This browser could not load the chat. Check your connection, and allow scripts on this page if something " +
    "blocks them, such as an ad blocker. Then try again.",
};

/** Is whoever sees the page its owner, who may know everything? */
export function isDevelopment(): boolean {
  return process.env.NODE_ENV === "development";
}

/**
 * What is said of a failure to whoever is in front of the page.
 *
 * @param inside What only the owner may know, such as hosts, settings and commands: it is said in development.
 */
export function disclosed(inside: string, slug: Slug | null): string {
  if (isDevelopment()) return inside;
  return (slug && FOR_VISITORS[slug]) ?? UNAVAILABLE;
}

/** Why there is no chat, as this browser sees it; of `inside` see {@link disclosed}. */
export function seen(slug: Slug, inside: string): Cause {
  return { slug, message: disclosed(inside, slug) };
}

/** An address without the name, the password and the query that may be in it, for the log and the owner. */
export function withoutSecrets(address: URL | string): string {
  if (address instanceof URL) return address.origin + address.pathname;
  // It is none, so that nobody knows where its password ends: rather too much is left out.
  return address.replace(/^([a-z]+:\/\/)?.*@/is, "$1").replace(/[?#].*$/s, "");
}
