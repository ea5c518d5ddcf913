"use client";

import { type Cause, isDevelopment, type Slug } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import { Prose } from "@/kit/prose";
import { BASE_PATH } from "@/kit/settings";
import { type PageWords, type Spoken, translated, useWords } from "@/kit/words";
import { page } from "@/kit/words/page";

/**
 * Returns what the page says, in the person's language. In development it is English, as is the advice
 * for the owner.
 *
 * @param locale That of the chat; by default the browser's.
 */
export function usePageWords(locale?: string): Spoken<PageWords> {
  return useWords<PageWords>(page, isDevelopment() ? "en" : locale);
}

/** What a panel tells the owner, in addition to the message of the cause. */
export type Advice = { title: string; cure: string };

type Props = {
  cause: Cause;
  words: PageWords;
  /** Only the owner gets advice, so production has none. */
  advice: Advice | undefined;
  /** Whether Retry takes the focus, because the person has just pressed it. */
  takesFocus?: boolean;
  /** Missing when our scripts do not run. Then the person has to load the page again. */
  onRetry?: () => void;
  /** Shows the basic chat. Missing where that could not answer either. */
  onBasic?: () => void;
};

/** Says why there is no chat and what to do, and lets the person try again. */
export function Panel({ cause, words, advice, takesFocus = false, onRetry, onBasic }: Props) {
  return (
    <section role="alert" className={styles.panel} data-cause={cause.slug}>
      <h2>
        {words.couldNotStart}
        {advice && `: ${advice.title}`}
      </h2>
      <p>
        <Prose text={translated(cause.message, words)} />
      </p>
      {advice && (
        <p>
          <Prose text={advice.cure} />
        </p>
      )}
      <p className={styles.actions}>
        {onRetry ? (
          // biome-ignore lint/a11y/noAutofocus: it had the focus in the panel before
          <button type="button" autoFocus={takesFocus} onClick={onRetry}>
            {words.retry}
          </button>
        ) : (
          // biome-ignore lint/a11y/useValidAnchor: the link reloads this page without any script
          <a href="">{words.loadAgain}</a>
        )}
        {onBasic && (
          <button type="button" onClick={onBasic}>
            {words.useBasic}
          </button>
        )}
        {advice && <More slug={cause.slug} words={words} />}
      </p>
    </section>
  );
}

/** A link to what the owner can do about a pitfall. */
export function More({ slug, words }: { slug: Slug; words: PageWords }) {
  return (
    <a href={`${BASE_PATH}/pitfalls#${slug}`} target="_blank" rel="noopener">
      {words.moreAbout}
    </a>
  );
}

export type ErrorProps = { error: Error & { digest?: string }; onRetry: () => void };

/** Covers a page that could not be displayed. */
export function ErrorPanel({ error, onRetry }: ErrorProps) {
  const { words, language, dir } = usePageWords();
  return (
    <main className={styles.overlay} lang={language} dir={dir}>
      <section role="alert" className={styles.panel}>
        <h1>{words.pageFailed}</h1>
        <p>{isDevelopment() ? error.message : forVisitors(words, error.digest)}</p>
        <p className={styles.actions}>
          <button type="button" onClick={onRetry}>
            {words.retry}
          </button>
          <Home words={words} />
          {isDevelopment() && <More slug="blank-screen" words={words} />}
        </p>
      </section>
    </main>
  );
}

/** Covers a page that does not exist. */
export function NotFoundPanel() {
  const { words, language, dir } = usePageWords();
  return (
    <main className={styles.overlay} lang={language} dir={dir}>
      <section className={styles.panel}>
        <h1>{words.notFound}</h1>
        <p className={styles.actions}>
          <Home words={words} />
        </p>
      </section>
    </main>
  );
}

function Home({ words }: { words: PageWords }) {
  return <a href={`${BASE_PATH}/`}>{words.home}</a>;
}

/** The owner finds the error in the server's log by its digest. A browser's error has none. */
function forVisitors(words: PageWords, digest?: string): string {
  return `${words.tryAgain}${digest ? ` (error ${digest})` : ""}`;
}
