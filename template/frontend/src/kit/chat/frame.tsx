import { useEffect, useState } from "react";
import { preload } from "react-dom";
import { type Slug, seen } from "@/kit/causes";
import { ChatKitElement, type OwnerProps } from "@/kit/chat/element";
import { type Advice, Panel } from "@/kit/chat/panel";
import { CHATKIT_SCRIPT } from "@/kit/chat/script";
import { causeOf, isFatal, useCause } from "@/kit/chat/use-cause";
import styles from "./chat.module.css";

type Advices = Partial<Record<Slug, Advice>>;

/** What the page's server knows. */
export type ServerProps = { domainKey: string; advice: Advices };

type Props = ServerProps & OwnerProps;

const GONE = seen("domain-key", "ChatKit started, and took itself away again.");

const WITHOUT_OUR_SCRIPTS = seen("dev-origin-blocked", "The page came, but its scripts did not start.");

/** Holds ChatKit's element, and lies over it while it loads or when something is wrong. */
export function ChatFrame(props: Props) {
  const [attempt, setAttempt] = useState(1);
  preload(CHATKIT_SCRIPT, { as: "script" });
  return <Attempt key={attempt} {...props} attempt={attempt} onRetry={() => setAttempt(attempt + 1)} />;
}

function Attempt({ advice, attempt, onRetry, ...rest }: Props & { attempt: number; onRetry: () => void }) {
  const [ready, setReady] = useState(false);
  const { cause, report } = useCause(attempt, ready);
  const onError = (error: Error) => {
    console.error("ChatKit:", error);
    if (!ready || isFatal(error)) report(causeOf(error));
  };
  const isUsable = ready && !cause;
  return (
    <div className={styles.chat}>
      <div className={styles.holder} inert={!isUsable}>
        <ChatKitElement
          {...rest}
          onReady={() => setReady(true)}
          onError={onError}
          onGone={() => report(GONE)}
        />
      </div>
      {!isUsable && (
        <div className={styles.overlay}>
          {cause ? (
            <Panel cause={cause} advice={advice[cause.slug]} onRetry={onRetry} />
          ) : (
            <Loading advice={advice} />
          )}
        </div>
      )}
    </div>
  );
}

function Loading({ advice }: { advice: Advices }) {
  const [hydrated, setHydrated] = useState(false);
  useEffect(() => setHydrated(true), []);
  return (
    <>
      <p role="status" className={styles.loading}>
        The chat is loading…
      </p>
      {!hydrated && <WithoutScripts advice={advice} />}
    </>
  );
}

/** What the document says by itself: without any script, or when ours have not started after ten seconds. */
function WithoutScripts({ advice }: { advice: Advices }) {
  return (
    <>
      <noscript>
        <style>{`.${styles.loading}, .${styles.late} { display: none; }`}</style>
        <p>This chat needs JavaScript. Switch it on in this browser, then load the page again.</p>
      </noscript>
      <div className={styles.late}>
        <Panel cause={WITHOUT_OUR_SCRIPTS} advice={advice[WITHOUT_OUR_SCRIPTS.slug]} />
      </div>
    </>
  );
}
