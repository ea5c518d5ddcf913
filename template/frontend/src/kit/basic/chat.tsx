import type { ChatKitEvents, HeaderOption, OpenAIChatKit, StartScreenPrompt } from "@openai/chatkit";
import type { ChatKitControl } from "@openai/chatkit-react";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import styles from "@/kit/basic/chat.module.css";
import { DropArea } from "@/kit/basic/composer/attachments";
import { Composer } from "@/kit/basic/composer/composer";
import { type Basic, BasicContext, useBasic, useChatState } from "@/kit/basic/context";
import { History } from "@/kit/basic/history";
import { ItemView } from "@/kit/basic/items/items";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { Markdown } from "@/kit/basic/parts/markdown";
import { IconButton, unseen } from "@/kit/basic/parts/parts";
import type { Item } from "@/kit/basic/protocol";
import { type Methods, Session, type State } from "@/kit/basic/session";
import { addFonts, themeStyle } from "@/kit/basic/theme";
import { useWords, type Words } from "@/kit/words";

type Props = {
  /** What `useChatKit` gives for ChatKit's element. */
  control: ChatKitControl;
  /** Holds the element, which has the methods and events of ChatKit's. */
  ref: RefObject<OpenAIChatKit | null>;
  className?: string | undefined;
};

/** The chat of this project's own, which asks nobody but the page's server. */
export function BasicChat({ control, ref, className = "" }: Props) {
  const { options } = control;
  const { words, language, dir } = useWords(options.locale);
  const { session, attach } = useSession(control, words, ref);
  const basic = useMemo<Basic>(
    () => ({ session, options, words, locale: language }),
    [session, options, words, language],
  );
  const { style, scheme, density, fonts } = useMemo(() => themeStyle(options.theme), [options.theme]);
  useEffect(() => addFonts(fonts), [fonts]);
  return (
    <BasicContext value={basic}>
      <section
        ref={attach}
        data-chat="basic"
        data-scheme={scheme}
        data-density={density}
        aria-label={options.frameTitle ?? words.chat}
        lang={language}
        dir={dir}
        className={`${styles.basic} ${className}`}
        style={style}
      >
        <DropArea>
          <Header />
          <div className={styles.body}>
            <Body />
            <History />
          </div>
          <Announcer />
          <Alerts />
          <Composer />
        </DropArea>
      </section>
    </BasicContext>
  );
}

type Handlers = Record<string, ((detail: unknown) => void) | undefined>;

/** Makes the session, and gives its methods and events to the element that stands for ChatKit's. */
function useSession({ options, handlers, setInstance }: ChatKitControl, words: Words, ref: Props["ref"]) {
  const element = useRef<OpenAIChatKit | null>(null);
  const latest = useRef({ handlers, words });
  latest.current = { handlers, words };
  const [session] = useState(() => {
    const emit = <K extends keyof ChatKitEvents>(type: K, detail: ChatKitEvents[K]["detail"]) => {
      element.current?.dispatchEvent(new CustomEvent(type, { detail }));
      try {
        (latest.current.handlers as Handlers)[handlerOf(type)]?.(detail);
      } catch (error) {
        reportError(error); // as of a listener, which interrupts nobody either
      }
    };
    return new Session(emit, () => latest.current.words);
  });
  const attach = useCallback(
    (section: HTMLElement | null) => {
      element.current = section && Object.assign(section, methodsOf(session), { answersGoOn: true as const });
      setInstance(element.current);
      ref.current = element.current;
    },
    [session, setInstance, ref],
  );
  useEffect(() => session.configure(options), [session, options]);
  useEffect(() => () => session.close(), [session]);
  return { session, attach };
}

/** The property of `useChatKit` for an event: `onThreadChange` for `chatkit.thread.change`. */
function handlerOf(type: keyof ChatKitEvents): string {
  const words = type.split(".").slice(1);
  return `on${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}`;
}

function methodsOf(session: Session): Methods & Pick<OpenAIChatKit, "setOptions"> {
  return {
    setOptions: (options) => session.configure(options),
    focusComposer: () => session.focusComposer(),
    setThreadId: (threadId) => session.setThreadId(threadId),
    sendUserMessage: (message) => session.sendUserMessage(message),
    setComposerValue: (draft) => session.setComposerValue(draft),
    sendCustomAction: (action, itemId) => session.sendCustomAction(action, itemId),
    showHistory: () => session.showHistory(),
    hideHistory: () => session.hideHistory(),
    fetchUpdates: () => session.fetchUpdates(),
  };
}

function Header() {
  const { session, options, words } = useBasic();
  const thread = useChatState((state) => state.thread);
  const { enabled = true, title, leftAction, rightAction } = options.header ?? {};
  const isHistory = useChatState((state) => state.isHistoryOpen);
  const isStart = useChatState(isAtStart);
  if (!enabled) return null;
  const name = title?.enabled === false ? "" : (title?.text ?? thread?.title ?? "");
  const toggle = () => (isHistory ? session.hideHistory() : session.showHistory());
  return (
    <header className={styles.header}>
      <HeaderAction action={leftAction} />
      <div className={styles.title} dir="auto">
        {name ? <h1>{name}</h1> : !isStart && <h1 className={unseen}>{words.conversation}</h1>}
      </div>
      <IconButton label={words.newChat} icon="plus" onClick={() => session.setThreadId(null)} />
      {options.history?.enabled !== false && (
        <IconButton
          label={isHistory ? words.closeHistory : words.openHistory}
          icon={isHistory ? "close" : "history"}
          onClick={toggle}
        />
      )}
      <HeaderAction action={rightAction} />
    </header>
  );
}

function HeaderAction({ action }: { action: HeaderOption["leftAction"] }) {
  if (!action) return null;
  const { icon, onClick } = action;
  return <IconButton label={icon.replaceAll("-", " ")} icon={chatkitIcon(icon)} onClick={onClick} />;
}

function isAtStart({ thread, items, isLoading }: State): boolean {
  return !thread && items.length === 0 && !isLoading;
}

/** The start screen, or the conversation. */
function Body() {
  const { words } = useBasic();
  const isStart = useChatState(isAtStart);
  const isLoading = useChatState((state) => state.isLoading);
  return (
    <>
      {isStart && <Start />}
      {isLoading && <p className={styles.quiet}>{words.loading}</p>}
      <Log isHidden={isStart || isLoading} />
    </>
  );
}

function Start() {
  const { session, options, words } = useBasic();
  const { greeting = words.greeting, prompts = [] } = options.startScreen ?? {};
  const begin = (prompt: StartScreenPrompt["prompt"]) =>
    session.sendUserMessage(typeof prompt === "string" ? { text: prompt } : { content: prompt });
  return (
    <section aria-label={words.start} className={styles.start}>
      <h1>{greeting}</h1>
      {prompts.length > 0 && (
        <ul>
          {prompts.map(({ label, prompt, icon }) => (
            <li key={label}>
              <button type="button" onClick={() => begin(prompt)}>
                {icon && <Icon name={chatkitIcon(icon)} />}
                {label}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Log({ isHidden }: { isHidden: boolean }) {
  const { words } = useBasic();
  const items = useChatState((state) => state.items);
  const isRunning = useChatState((state) => state.isRunning);
  const { log, isAtEnd, follow, toEnd } = useEnd(items);
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
      >
        {items.map((item, index) => (
          <ItemView key={item.id} item={item} isLast={index === items.length - 1} />
        ))}
        {isRunning && <Working />}
      </div>
      {!isAtEnd && (
        <div className={styles.toEnd}>
          <IconButton label={words.newestMessages} icon="chevron-down" onClick={toEnd} />
        </div>
      )}
    </div>
  );
}

const NEAR_PX = 80;

/** Keeps the end of the conversation in sight while a person is there, and after their own message. */
function useEnd(items: readonly Item[]) {
  const { options } = useBasic();
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [isAtEnd, setAtEnd] = useState(true);
  const questions = items.filter(({ type }) => type === "user_message").length;
  const toEnd = useCallback(() => {
    follows.current = true;
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, []);
  const follow = () => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = log.current ?? {};
    follows.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    setAtEnd(follows.current);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new question is what it waits for
  useLayoutEffect(toEnd, [questions, toEnd]);
  const grows = options.thread?.autoScroll ? items : null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it follows what grows
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  }, [grows, toEnd]);
  return { log, isAtEnd, follow, toEnd };
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

/** Tells a screen reader that an answer is being written, and then the whole answer at once. */
function Announcer() {
  const { words } = useBasic();
  const isRunning = useChatState((state) => state.isRunning);
  const answer = useChatState(({ items }) => textOf(items.at(-1)));
  const wasRunning = useRef(false);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (isRunning) setSaid(words.writing);
    else if (wasRunning.current) setSaid(answer);
    wasRunning.current = isRunning;
  }, [isRunning, answer, words]);
  return (
    <p role="status" className={unseen}>
      {said}
    </p>
  );
}

function textOf(item: Item | undefined): string {
  return item?.type === "assistant_message" ? item.content.map(({ text }) => text).join("\n") : "";
}

/** The last error, and what the server has to say besides its answer. */
function Alerts() {
  const { session, words } = useBasic();
  const error = useChatState((state) => state.error);
  const notices = useChatState((state) => state.notices);
  return (
    <div className={styles.alerts}>
      {notices.map(({ level, title, message }) => (
        <div key={`${title}${message}`} role="status" className={styles.notice} data-level={level}>
          <Icon name={level === "info" ? "info" : "warning"} />
          <div>
            {title && <strong>{title}</strong>}
            <Markdown text={message} inline />
          </div>
          <IconButton label={words.dismiss} icon="close" onClick={() => session.dismiss()} />
        </div>
      ))}
      {error && (
        <div className={styles.notice} data-level="danger">
          <Icon name="warning" />
          <p role="alert">{error.message}</p>
          {error.mayRetry && (
            <button type="button" onClick={() => session.retryLast()}>
              {words.tryAgainNow}
            </button>
          )}
          <IconButton label={words.dismiss} icon="close" onClick={() => session.dismiss()} />
        </div>
      )}
    </div>
  );
}
