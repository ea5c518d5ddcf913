import type { ChatKitEvents, HeaderOption, OpenAIChatKit } from "@openai/chatkit";
import type { ChatKitControl } from "@openai/chatkit-react";
import { type FocusEvent, type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";
import styles from "@/kit/basic/chat.module.css";
import { DropArea } from "@/kit/basic/composer/attachments";
import { Composer } from "@/kit/basic/composer/composer";
import { type Basic, BasicContext, useBasic, useChatState } from "@/kit/basic/context";
import { type ComposerValue, movable } from "@/kit/basic/draft";
import { History } from "@/kit/basic/history";
import { joined } from "@/kit/basic/items/items";
import { Log } from "@/kit/basic/log";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { plainText } from "@/kit/basic/parts/lexer";
import { Markdown } from "@/kit/basic/parts/markdown";
import { IconButton, unseen } from "@/kit/basic/parts/parts";
import type { Item, Notice } from "@/kit/basic/protocol";
import { type Methods, Session, type State } from "@/kit/basic/session";
import { addFonts, themeStyle } from "@/kit/basic/theme";
import { useWords, type Words } from "@/kit/words";
import { en } from "@/kit/words/en";

type Props = {
  /** What `useChatKit` gives for ChatKit's element. */
  control: ChatKitControl;
  /** Holds the element, which has the methods and events of ChatKit's. */
  ref: RefObject<OpenAIChatKit | null>;
  /** Called with the message that is being written when the chat goes away. */
  onLeave?: (draft: ComposerValue) => void;
  className?: string | undefined;
};

/** The chat of this project's own, which asks nobody but the page's server. */
export function BasicChat({ control, ref, onLeave, className = "" }: Props) {
  const { options } = control;
  const { words, language, dir } = useWords<Words>(en, options.locale);
  const { session, attach } = useSession(control, words, ref);
  useEffect(() => {
    return () => {
      const draft = movable(session.state.draft);
      if (draft) onLeave?.(draft);
    };
  }, [session, onLeave]);
  const basic = useMemo<Basic>(
    () => ({ session, options, words, locale: language }),
    [session, options, words, language],
  );
  const { style, scheme, density, fonts } = useMemo(() => themeStyle(options.theme), [options.theme]);
  useEffect(() => addFonts(fonts), [fonts]);
  const keepFocus = useKeptFocus(session);
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
        {...keepFocus}
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

/**
 * Gives the focus to something else when the button or field that has it goes away. Otherwise whoever has
 * no mouse would be at the beginning of the page.
 */
function useKeptFocus(session: Session) {
  const watch = useRef<MutationObserver>(null);
  const end = useCallback(() => watch.current?.disconnect(), []);
  useEffect(() => end, [end]);
  const onFocus = ({ currentTarget: chat, target }: FocusEvent<HTMLElement>) => {
    const around = target.closest<HTMLElement>("nav, [role='log']");
    end();
    watch.current = new MutationObserver(() => {
      if (isUsable(target)) return;
      end();
      const { activeElement } = document;
      const isLost = !activeElement || activeElement === document.body || activeElement === target;
      if (isLost) giveFocus(chat, around, session);
    });
    watch.current.observe(chat, {
      subtree: true,
      childList: true,
      attributeFilter: ["disabled", "hidden", "inert"],
    });
  };
  // A window that is left keeps the focus where it is. And React reports no focus that goes with an element.
  const onBlur = ({ target }: FocusEvent<HTMLElement>) => {
    if (document.activeElement !== target) end();
  };
  return { onFocus, onBlur };
}

function isUsable(element: Element): boolean {
  return element.isConnected && !element.matches(":disabled") && !element.closest("[hidden], [inert]");
}

/** Focuses what is around the element that is gone, or else where the person writes or reads on. */
function giveFocus(chat: HTMLElement, around: HTMLElement | null, session: Session): void {
  const { activeElement } = document;
  if (around && isUsable(around)) around.focus({ preventScroll: true });
  // The composer would open the keyboard of a phone, over what the person wants to see.
  else if (!matchMedia("(pointer: coarse)").matches) session.composer?.focus();
  // In a conversation that is closed, nobody can write.
  if (document.activeElement !== activeElement) return;
  chat.querySelector<HTMLElement>("[role='log']")?.focus({ preventScroll: true });
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
      {isLoading && (
        <p role="status" className={styles.quiet}>
          {words.loading}
        </p>
      )}
      <Log isHidden={isStart || isLoading} />
    </>
  );
}

function Start() {
  const { session, options, words } = useBasic();
  const { greeting = words.greeting, prompts = [] } = options.startScreen ?? {};
  return (
    <section aria-label={words.start} className={styles.start}>
      <h1>{greeting}</h1>
      {prompts.length > 0 && (
        <ul>
          {prompts.map(({ label, prompt, icon }) => (
            <li key={label}>
              <button type="button" onClick={() => session.begin(prompt)}>
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

/** How long a screen reader may take to notice what is to be said. */
const SAID_MS = 5000;

/** Tells a screen reader that an answer is being written, and then the whole answer at once. */
function Announcer() {
  const { session, words } = useBasic();
  const isRunning = useChatState((state) => state.isRunning);
  const wasRunning = useRef(false);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (isRunning) setSaid(words.writing);
    else if (wasRunning.current) setSaid(newestAnswer(session.state.items));
    wasRunning.current = isRunning;
  }, [isRunning, session, words]);
  useEffect(() => {
    if (!said) return;
    // Whoever reads on from the conversation must not meet the answer a second time.
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <p role="status" className={unseen}>
      {said}
    </p>
  );
}

/** The plain text of the answer to the last message, or "". */
function newestAnswer(items: readonly Item[]): string {
  const newest = items.findLast(({ type }) => type === "assistant_message" || type === "user_message");
  if (newest?.type !== "assistant_message") return "";
  try {
    return plainText(joined(newest.content).text);
  } catch {
    return ""; // what cannot be drawn, as the conversation says in its place
  }
}

/** The last error, and what the server has to say besides its answer. */
function Alerts() {
  const { session, words } = useBasic();
  const error = useChatState((state) => state.error);
  const notices = useChatState((state) => state.notices);
  const keys = keysOf(notices);
  return (
    <div className={styles.alerts}>
      {notices.map((notice, index) => (
        <div key={keys[index]} role="status" className={styles.notice} data-level={notice.level}>
          <Icon name={notice.level === "info" ? "info" : "warning"} />
          <div>
            {notice.title && <strong>{notice.title}</strong>}
            <Markdown text={notice.message} inline />
          </div>
          <IconButton label={words.dismiss} icon="close" onClick={() => session.dismissNotice(notice)} />
        </div>
      ))}
      {error && (
        <div className={styles.notice} data-level="danger">
          <Icon name="warning" />
          <p role="alert">{error.message}</p>
          {error.mayRetry && (
            <button type="button" onClick={() => session.tryAgain()}>
              {words.tryAgainNow}
            </button>
          )}
          <IconButton label={words.dismiss} icon="close" onClick={() => session.dismissError()} />
        </div>
      )}
    </div>
  );
}

/** Returns a key for each notice. Several may say the same. */
function keysOf(notices: readonly Notice[]): string[] {
  const counts = new Map<string, number>();
  return notices.map(({ title, message }) => {
    const said = `${title} ${message}`;
    const count = counts.get(said) ?? 0;
    counts.set(said, count + 1);
    return `${count} ${said}`;
  });
}
