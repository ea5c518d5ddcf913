import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import styles from "@/kit/basic/chat.module.css";
import { useBasic, useChatState } from "@/kit/basic/context";
import { ItemView } from "@/kit/basic/items/items";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { IconButton } from "@/kit/basic/parts/parts";

/** The conversation, which a person scrolls. */
export function Log({ isHidden }: { isHidden: boolean }) {
  const { words } = useBasic();
  const items = useChatState((state) => state.items);
  const isRunning = useChatState((state) => state.isRunning);
  const log = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { earlier, showEarlier } = useEarlier(log, items.length);
  const { isAtEnd, follow, leave, toEnd } = useEnd(log, content);
  const asked = items.findLastIndex(({ type }) => type === "user_message");
  const last = items.length - 1;
  return (
    <div className={styles.holder} hidden={isHidden}>
      {/* Its words come in pieces: `Announcer` tells them in one. */}
      <div
        ref={log}
        role="log"
        aria-live="off"
        aria-label={words.conversation}
        aria-busy={isRunning}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse scrolls by the keyboard
        tabIndex={0}
        className={styles.log}
        onScroll={follow}
        onWheel={({ deltaY }) => deltaY < 0 && leave()}
        onKeyDown={({ key }) => UPWARDS.has(key) && leave()}
      >
        <div ref={content} className={styles.content}>
          {earlier > 0 && (
            <p className={styles.earlier}>
              <button type="button" onClick={showEarlier}>
                {words.showEarlier}
              </button>
            </p>
          )}
          {items.slice(earlier).map((item, place) => {
            const index = earlier + place;
            return (
              <ItemView
                key={item.id}
                item={item}
                isRunning={isRunning && index > asked}
                isGrowing={isRunning && index === last}
              />
            );
          })}
          {isRunning && <Working />}
        </div>
      </div>
      {!isAtEnd && (
        <div className={styles.toEnd}>
          <IconButton label={words.newestMessages} icon="chevron-down" onClick={toEnd} />
        </div>
      )}
    </div>
  );
}

type Box = RefObject<HTMLElement | null>;

/** A conversation can have thousands of items, so only so many are drawn at first. */
const STEP = 200;

/** Leaves the oldest items of a conversation out until the person asks for them. Returns how many. */
function useEarlier(log: Box, count: number) {
  const threadId = useChatState(({ thread }) => thread?.id);
  const newest = { threadId, earlier: Math.max(0, count - STEP) };
  const [left, setLeft] = useState(newest);
  if (left.threadId !== threadId) setLeft(newest);
  // Items may also go away, in another tab.
  const earlier = Math.min(left.earlier, newest.earlier);
  const below = useRef<number | null>(null);
  // What the person sees must stay where it is, and not every browser cares for that.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it waits for the items that are shown
  useLayoutEffect(() => {
    if (log.current && below.current !== null) {
      log.current.scrollTop = log.current.scrollHeight - below.current;
    }
    below.current = null;
  }, [earlier, log]);
  const showEarlier = () => {
    if (!log.current) return;
    below.current = log.current.scrollHeight - log.current.scrollTop;
    // The button goes, or is out of sight.
    log.current.focus({ preventScroll: true });
    setLeft({ threadId, earlier: Math.max(0, earlier - STEP) });
  };
  return { earlier, showEarlier };
}

const NEAR_PX = 80;

/** The keys by which a person scrolls up. */
const UPWARDS = new Set(["ArrowUp", "PageUp", "Home"]);

/**
 * Shows the end of a conversation that is opened, and after the person's own message. It stays in sight while
 * they are there.
 */
function useEnd(log: Box, content: Box) {
  const { options } = useBasic();
  const autoScroll = options.thread?.autoScroll ?? false;
  const threadId = useChatState(({ thread }) => thread?.id);
  const questions = useChatState(({ items }) => items.filter(({ type }) => type === "user_message").length);
  const follows = useRef(true);
  const top = useRef(0);
  const [isAtEnd, setAtEnd] = useState(true);
  const look = useCallback(() => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = log.current ?? {};
    const below = scrollHeight - scrollTop - clientHeight;
    // Only a person scrolls up, at first by a few pixels. The end also goes away when an answer grows.
    if (below < 2 || (scrollTop > top.current && below < NEAR_PX)) follows.current = true;
    else if (scrollTop < top.current) follows.current = false;
    top.current = scrollTop;
    setAtEnd(below < NEAR_PX);
  }, [log]);
  // Firefox scrolls a bit later than it is told to, and not at all if the page has scrolled by then.
  const leave = useCallback(() => {
    if (log.current?.scrollTop) follows.current = false;
  }, [log]);
  const toEnd = useCallback(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
    look();
  }, [log, look]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another conversation or question is what it waits for
  useLayoutEffect(toEnd, [threadId, questions, toEnd]);
  useEffect(() => {
    const observer = new ResizeObserver(() => (autoScroll && follows.current ? toEnd() : look()));
    for (const { current } of [log, content]) if (current) observer.observe(current);
    return () => observer.disconnect();
  }, [autoScroll, log, content, look, toEnd]);
  return { isAtEnd, follow: look, leave, toEnd };
}

/** What the assistant is doing, while it has not said a word. */
function Working() {
  const progress = useChatState((state) => state.progress);
  const isSpeaking = useChatState(({ items }) => items.at(-1)?.type === "assistant_message");
  if (isSpeaking && !progress) return null;
  return (
    <p role="status" className={styles.working}>
      {progress ? (
        // A new line, and not a changed one, so that it is read aloud.
        <span key={progress.text}>
          {progress.icon && <Icon name={chatkitIcon(progress.icon)} />}
          {progress.text}
        </span>
      ) : (
        <span className={styles.dots} aria-hidden="true" />
      )}
    </p>
  );
}
