import styles from "./chat.module.css";

/** Says why there is no chat, and lets the person try again. */
export function Problem({ message, onRetry }: { message: string; onRetry: () => void }) {
  return (
    <section role="alert" className={styles.problem}>
      <h2>The chat could not start</h2>
      <p>{message}</p>
      <button type="button" onClick={onRetry}>
        Retry
      </button>
    </section>
  );
}
