"use client";

import { useEffect } from "react";

/** What people see in place of a page that could not be drawn. */
export default function ErrorPage({ error, reset }: { error: Error; reset: () => void }) {
  useEffect(() => console.error(error), [error]);
  return (
    <div role="alert" className="failure">
      <h1>This page could not be drawn</h1>
      <p>{error.message}</p>
      <button type="button" onClick={reset}>
        Retry
      </button>
    </div>
  );
}
