import { type Cause, isDevelopment, type Slug } from "@/kit/causes";
import styles from "@/kit/kit.module.css";

/** What a panel tells the owner, in addition to the message of the cause. */
export type Advice = { title: string; cure: string };

type Props = {
  cause: Cause;
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
export function Panel({ cause, advice, takesFocus = false, onRetry, onBasic }: Props) {
  return (
    <section role="alert" className={styles.panel} data-cause={cause.slug}>
      <h2>The chat could not start{advice && `: ${advice.title}`}</h2>
      <p>
        <Prose text={cause.message} />
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
            Retry
          </button>
        ) : (
          // biome-ignore lint/a11y/useValidAnchor: the link reloads this page without any script
          <a href="">Load the page again</a>
        )}
        {onBasic && (
          <button type="button" onClick={onBasic}>
            Use the basic chat
          </button>
        )}
        {advice && <More slug={cause.slug} />}
      </p>
    </section>
  );
}

/** A link to what the owner can do about a pitfall. */
export function More({ slug }: { slug: Slug }) {
  return (
    <a href={`/pitfalls#${slug}`} target="_blank" rel="noopener">
      More about this
    </a>
  );
}

/** Covers a page that could not be displayed. */
export function ErrorPanel({ error, onRetry }: { error: Error & { digest?: string }; onRetry: () => void }) {
  return (
    <main className={styles.overlay}>
      <section role="alert" className={styles.panel}>
        <h1>This page could not be displayed</h1>
        <p>{isDevelopment() ? error.message : forVisitors(error.digest)}</p>
        <p className={styles.actions}>
          <button type="button" onClick={onRetry}>
            Retry
          </button>
          {isDevelopment() && <More slug="blank-screen" />}
        </p>
      </section>
    </main>
  );
}

/** The owner finds the error in the server's log by its digest. A browser's error has none. */
function forVisitors(digest?: string): string {
  return `Try again in a minute.${digest ? ` (error ${digest})` : ""}`;
}

const MARKED = /`([^`]+)`|(https:\/\/\S*[^\s.,:;)])/;

/** Shows a text of the pitfalls: `backticks` mark code, and addresses become links. */
export function Prose({ text }: { text: string }) {
  // `split` also returns what the two groups match, so the parts are: plain, code, link, plain, …
  return text.split(MARKED).map((part, index) => {
    const key = `${index}`;
    if (index % 3 === 1 && part) return <code key={key}>{part}</code>;
    if (index % 3 === 2 && part) {
      return (
        <a key={key} href={part}>
          {part}
        </a>
      );
    }
    return part;
  });
}
