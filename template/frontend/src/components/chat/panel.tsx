import { Prose } from "@/components/prose";
import type { Cause } from "@/lib/causes";
import type { Pitfall } from "@/lib/pitfalls";
import styles from "./chat.module.css";

type Props = {
  cause: Cause;
  /** For the owner: there is none where visitors see the page. */
  advice: Pick<Pitfall, "title" | "cure"> | undefined;
  /** Without it the page has to be loaded again: our own scripts do not run. */
  onRetry?: () => void;
};

/** Says why there is no chat and what to do, and lets the person try again. */
export function Panel({ cause, advice, onRetry }: Props) {
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
          <button type="button" onClick={onRetry}>
            Retry
          </button>
        ) : (
          // biome-ignore lint/a11y/useValidAnchor: it loads this very page again, without any script
          <a href="">Load the page again</a>
        )}
        {advice && (
          <a href={`/pitfalls#${cause.slug}`} target="_blank" rel="noopener">
            More about this
          </a>
        )}
      </p>
    </section>
  );
}
