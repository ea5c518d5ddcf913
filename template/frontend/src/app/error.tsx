"use client";

import { useEffect } from "react";
import styles from "@/components/chat/chat.module.css";
import { isDevelopment } from "@/lib/disclosure";

type Props = { error: Error & { digest?: string }; reset: () => void };

/** What people see in place of a page that could not be drawn. */
export default function ErrorPage({ error, reset }: Props) {
  useEffect(() => console.error(error), [error]);
  return (
    <main className={styles.overlay}>
      <section role="alert" className={styles.panel}>
        <h1>This page could not be drawn</h1>
        <p>{isDevelopment() ? error.message : forVisitors(error.digest)}</p>
        <p className={styles.actions}>
          <button type="button" onClick={reset}>
            Retry
          </button>
          {isDevelopment() && (
            <a href="/pitfalls#blank-screen" target="_blank" rel="noopener">
              More about this
            </a>
          )}
        </p>
      </section>
    </main>
  );
}

/** By the digest the owner finds the error in the log of the page's server; one of the browser has none. */
function forVisitors(digest?: string): string {
  return `Try again in a minute.${digest ? ` (error ${digest})` : ""}`;
}
