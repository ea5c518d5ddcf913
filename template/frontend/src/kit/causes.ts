import { page } from "@/kit/words/page";

/**
 * The pitfalls that can keep the chat from starting, by their slugs in pitfalls.json. The page
 * explains each of them in a panel.
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
  "tls-inspected",
] as const;

export type Slug = (typeof CAUSES)[number];

/**
 * A cause with its message for the person in front of the page. In development the message says
 * what was tried, where, and with what result.
 */
export type Cause = { slug: Slug; message: string };

// The causes that lie in the visitor's browser. The messages say what a visitor can do.
const FOR_VISITORS: Partial<Record<Slug, string>> = {
  "blank-screen": page.blankScreen,
  "dev-origin-blocked": page.devOriginBlocked,
  "script-blocked": page.scriptBlocked,
};

/** Whether the project runs in development. Then only its owner sees it and may know everything. */
export function isDevelopment(): boolean {
  return process.env.NODE_ENV === "development";
}

/**
 * The message about a failure for the person in front of the page, in English.
 *
 * @param inside The message for the owner, with hosts, settings and commands. Only development
 * shows it.
 */
export function disclosed(inside: string, slug: Slug | null): string {
  if (isDevelopment()) return inside;
  return (slug && FOR_VISITORS[slug]) ?? page.unavailable;
}

/** A cause that this browser has found. For `inside` see {@link disclosed}. */
export function seen(slug: Slug, inside: string): Cause {
  return { slug, message: disclosed(inside, slug) };
}

/** An address for the log and the owner, without the user name, the password and the query. */
export function withoutSecrets(address: URL | string): string {
  if (address instanceof URL) return address.origin + address.pathname;
  // The text is not a valid address, so the end of the password is unknown. Too much is left out
  // rather than too little.
  return address.replace(/^([a-z]+:\/\/)?.*@/is, "$1").replace(/[?#].*$/s, "");
}
