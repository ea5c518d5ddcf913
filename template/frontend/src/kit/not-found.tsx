"use client";

import { lazy } from "react";

// Next loads this module with every page, so the panel comes only where it is shown.
const Panel = lazy(async () => ({ default: (await import("@/kit/panel")).NotFoundPanel }));

/** Covers a page that does not exist. */
export function NotFoundPanel() {
  return <Panel />;
}
