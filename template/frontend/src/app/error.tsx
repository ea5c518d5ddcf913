"use client";

import { useEffect } from "react";
import styles from "@/components/chat/chat.module.css";

/** What people see in place of a page that could not be drawn. */
export default function ErrorPage({ error, reset }: { error: Error; reset: () => void }) {
  useEffect(() => console.error(error), [error]);
  return (
    <main className={styles.overlay}>
      <section role="alert" className={styles.panel}>
        <h1>This page could not be drawn</h1>
        <p>{error.message}</p>
        <p className={styles.actions}>
          <button type="button" onClick={reset}>
            Retry
          </button>
          <a href="/pitfalls#blank-screen" target="_blank" rel="noopener">
            More about this
          </a>
        </p>
      </section>
    </main>
  );
}
