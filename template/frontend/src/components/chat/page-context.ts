/**
 * What the assistant is told about the page, in `turn.context.page` of `backend/src/app/assistant.py`:
 * the names. The page's server drops all others.
 */
export const PAGE_NAMES = ["path"] as const;

type PageContext = { [name in (typeof PAGE_NAMES)[number]]?: string };

/**
 * The values, which are asked for with each request. A newspaper would say which article it shows.
 *
 * A person can change what the browser sends: whoever may not see an article must not get it from
 * the assistant by its id.
 */
export function pageContext(): PageContext {
  return { path: window.location.pathname };
}
