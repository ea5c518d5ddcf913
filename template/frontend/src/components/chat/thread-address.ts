const PARAMETER = "thread";

/** The conversation that the page's address names, as in `/?thread=thr_…`: links and reloads lead back to it. */
export function threadOfAddress(): string | null {
  if (typeof window === "undefined") return null;
  return new URL(window.location.href).searchParams.get(PARAMETER);
}

/** Puts the conversation that is open into the page's address, or takes it out. */
export function rememberThread(threadId: string | null): void {
  const url = new URL(window.location.href);
  if (threadId) url.searchParams.set(PARAMETER, threadId);
  else url.searchParams.delete(PARAMETER);
  window.history.replaceState(null, "", url);
}
