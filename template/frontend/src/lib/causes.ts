/**
 * Why there may be no chat, by the slugs of src/pitfalls.json: the page has words for each of these, and shows
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
