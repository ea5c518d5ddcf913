"use client";

import { lazy } from "react";
import type { ErrorProps } from "@/kit/panel";

// Next loads this module with every page, so the panels come only where they are shown.
const LazyNotFound = lazy(async () => ({ default: (await import("@/kit/panel")).NotFoundPanel }));
const LazyError = lazy(async () => {
  try {
    return { default: (await import("@/kit/panel")).ErrorPanel };
  } catch {
    return { default: PlainError };
  }
});

/** Covers a page that does not exist. */
export function NotFoundPanel() {
  return <LazyNotFound />;
}

/** Covers a page that could not be displayed. */
export function ErrorPanel(props: ErrorProps) {
  return <LazyError {...props} />;
}

/** What is left to say when the page's server is away, too. */
function PlainError({ onRetry }: ErrorProps) {
  return (
    <main role="alert">
      <p>The page could not be displayed.</p>
      <button type="button" onClick={onRetry}>
        Retry
      </button>
    </main>
  );
}
