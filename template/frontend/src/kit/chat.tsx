import type { ChatKitOptions, OpenAIChatKit, WidgetsOption } from "@openai/chatkit";
import { ChatKit, type UseChatKitReturn, useChatKit } from "@openai/chatkit-react";
import {
  lazy,
  type Ref,
  type RefObject,
  Suspense,
  useCallback,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import { preload } from "react-dom";
import type { ComposerValue } from "@/kit/basic/draft";
import { type Cause, isDevelopment, type Slug, seen } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import { Chat, type ChatEvents, type ChatMethods, type Handlers, withEvents } from "@/kit/methods";
import { fetchWith, noting, useTheme, withAliases } from "@/kit/options";
import { type Advice, More, Panel, usePageWords } from "@/kit/panel";
import { Prose } from "@/kit/prose";
import { BASE_PATH, CHATKIT_SCRIPT, type ChatKind } from "@/kit/settings";
import { causeOf, isFatal, isReplaced, loadChatKit, useStart } from "@/kit/start";
import { type Notice, Turns } from "@/kit/turns";
import type { PageWords, Spoken } from "@/kit/words";

/**
 * The object that ChatKit Studio exports, and every other option of ChatKit. Of its `api` only `fetch`
 * counts, because the kit knows the server's address. `onClientTool` and `widgets.onAction` go before
 * the handlers in {@link OwnerProps}.
 */
export type StudioExport = Omit<ChatKitOptions, "api"> & {
  api?: {
    /** Sends the requests of the chat, for example with a header of yours. */
    fetch?: typeof fetch;
    [name: string]: unknown;
  };
};

type OnClientTool = NonNullable<ChatKitOptions["onClientTool"]>;
type OnAction = NonNullable<WidgetsOption["onAction"]>;

export type { ChatEvents, ChatMethods } from "@/kit/methods";

/** How the chat looks, and what the browser does for the server. */
export type OwnerProps = {
  config: StudioExport;
  /** What the assistant is told about the page with each request. */
  pageContext?: () => Record<string, string>;
  runClientTool: (...asked: [...Parameters<OnClientTool>, chat: ChatMethods]) => ReturnType<OnClientTool>;
  runEffect: (effect: { name: string; data?: Record<string, unknown> }, chat: ChatMethods) => void;
  runWidgetAction: (
    ...asked: [...Parameters<OnAction>, chat: Omit<UseChatKitReturn, "control">]
  ) => Promise<void>;
  /** What all pages do when something happens in the chat. */
  ownerEvents?: ChatEvents;
};

/** What a page says about its own chat. */
export type PageProps = {
  /** The name that the backend has for the assistant. Without it, the first one answers. */
  assistant?: string;
  /** What is not as `chatkit.config.ts` says. The page's server cannot send functions in it. */
  config?: StudioExport;
  /** What this page does when something happens in the chat, besides what `events.ts` says. */
  events?: ChatEvents;
  /** Gets the chat's methods. `useChat` gives them to any component. */
  ref?: Ref<ChatMethods>;
};

type Advices = Partial<Record<Slug, Advice>>;

/** What the page's server passes to the browser. */
export type ServerProps = { chat?: ChatKind; domainKey: string; answersGoOn?: boolean; advice: Advices };

type Props = ServerProps & OwnerProps & PageProps;

const GONE = seen("domain-key", "ChatKit started, but then removed itself from the page.");

/** Why there can be no basic chat: the page's server is away, or has newer files by now. */
function notLoaded(error: unknown): Cause {
  return seen("blank-screen", `The basic chat could not be loaded from the page's server: ${error}`);
}

const WITHOUT_OUR_SCRIPTS = seen("dev-origin-blocked", "The page loaded, but its scripts did not start.");

/** Holds ChatKit's element, or the basic chat in its place, and covers it while there is none. */
export function ChatFrame({ ref, ...props }: Props) {
  const { assistant } = props;
  const beside = useMemo(() => new Chat(assistant), [assistant]);
  useEffect(() => beside.enter(), [beside]);
  useImperativeHandle(ref, () => beside.methods, [beside]);
  const [attempt, setAttempt] = useState(1);
  const spoken = usePageWords(props.config.locale);
  // Why the basic chat has taken the place of ChatKit.
  const [failure, setFailure] = useState<Cause | null>(null);
  const tryChatKit = useCallback(() => {
    setFailure(null);
    setAttempt((last) => last + 1);
  }, []);
  const kind = failure ? "basic" : (props.chat ?? "chatkit");
  if (kind === "chatkit") preload(CHATKIT_SCRIPT, { as: "script" });
  return (
    <div className={styles.chat}>
      {failure && <Instead failure={failure} spoken={spoken} onChatKit={tryChatKit} />}
      <Attempt
        key={`${kind} ${attempt}`}
        {...props}
        chat={kind}
        spoken={spoken}
        beside={beside}
        isRetry={attempt > 1}
        onRetry={() => setAttempt(attempt + 1)}
        onBasic={setFailure}
      />
    </div>
  );
}

type InsteadProps = { failure: Cause; spoken: Spoken<PageWords>; onChatKit: () => void };

/** Says that the basic chat is in the place of ChatKit, and tries again to load that one. */
function Instead({ failure, spoken, onChatKit }: InsteadProps) {
  const { words, language, dir } = spoken;
  const [isTrying, setTrying] = useState(false);
  useEffect(() => {
    if (!isTrying) return;
    return loadChatKit({ onMissing: () => setTrying(false), onLoaded: onChatKit });
  }, [isTrying, onChatKit]);
  return (
    <div className={styles.notice} lang={language} dir={dir}>
      <span role="status">
        <Prose
          text={isDevelopment() ? `This is the basic chat. ${failure.message}` : words.inPlaceOfChatKit}
        />
      </span>
      <button type="button" aria-disabled={isTrying} onClick={() => setTrying(true)}>
        {isTrying ? words.trying : words.retry}
      </button>
      {isDevelopment() && <More slug={failure.slug} words={words} />}
    </div>
  );
}

type AttemptProps = Omit<Props, "ref"> & {
  beside: Chat;
  spoken: Spoken<PageWords>;
  /** Whether the person has asked for it. Then what has the focus is in a panel that is gone by now. */
  isRetry: boolean;
  onRetry: () => void;
  /** Called when the basic chat has to take the place of ChatKit. */
  onBasic: (failure: Cause) => void;
};

function Attempt({ advice, isRetry, onRetry, onBasic, ...rest }: AttemptProps) {
  const [isReady, setReady] = useState(false);
  const { obstacle, failure, reportObstacle, reportFailure } = useStart(
    isReady,
    rest.chat === "chatkit",
    rest.config.api?.fetch,
  );
  const replaced = failure && isReplaced(failure) ? failure : null;
  useEffect(() => {
    if (replaced) onBasic(replaced);
  }, [replaced, onBasic]);
  const onError = (error: Error) => {
    console.error("ChatKit:", error);
    if (rest.chat === "chatkit" && (!isReady || isFatal(error))) reportFailure(causeOf(error));
  };
  const cause = obstacle ?? failure;
  const { words, language, dir } = rest.spoken;
  const isUsable = isReady && !cause;
  return (
    <div className={styles.attempt}>
      <div className={styles.holder} inert={!isUsable}>
        <ChatKitElement
          {...rest}
          isUsable={isUsable}
          takesFocus={isRetry && isUsable}
          onReady={() => setReady(true)}
          onError={onError}
          onAway={({ message }) => reportObstacle(seen("backend-down", message))}
          onGone={() => reportFailure(GONE)}
          onMissing={(error) => reportObstacle(notLoaded(error))}
        />
      </div>
      {!isUsable && (
        <div className={styles.overlay} lang={language} dir={dir}>
          {cause && !replaced ? (
            <Panel
              cause={cause}
              words={words}
              advice={advice[cause.slug]}
              takesFocus={isRetry}
              onRetry={onRetry}
              {...(failure && !obstacle && { onBasic: () => onBasic(failure) })}
            />
          ) : (
            <Loading advice={advice} words={words} />
          )}
        </div>
      )}
    </div>
  );
}

function Loading({ advice, words }: { advice: Advices; words: PageWords }) {
  const [hydrated, setHydrated] = useState(false);
  useEffect(() => setHydrated(true), []);
  return (
    <>
      <p role="status" className={styles.loading}>
        {words.chatLoading}
      </p>
      {!hydrated && <WithoutScripts advice={advice} words={words} />}
    </>
  );
}

/** What the document shows if JavaScript is off, or if our scripts do not start in ten seconds. */
function WithoutScripts({ advice, words }: { advice: Advices; words: PageWords }) {
  return (
    <>
      <noscript>
        <style>{`.${styles.loading}, .${styles.late} { display: none; }`}</style>
        <p>{words.needsJavaScript}</p>
      </noscript>
      <div className={styles.late}>
        <Panel cause={WITHOUT_OUR_SCRIPTS} words={words} advice={advice[WITHOUT_OUR_SCRIPTS.slug]} />
      </div>
    </>
  );
}

type ElementProps = OwnerProps & {
  /** What is beside the chat hears of it here. */
  beside: Chat;
  isUsable: boolean;
  events?: ChatEvents;
  spoken: Spoken<PageWords>;
  /** Whether the composer takes the focus, which is true once the chat can be used. */
  takesFocus: boolean;
  chat?: ChatKind;
  assistant?: string;
  domainKey: string;
  answersGoOn?: boolean;
  onReady: () => void;
  onError: (error: Error) => void;
  /** Called when the conversation of the page's address does not come, though it may be there. */
  onAway: (error: Error) => void;
  /** Called when ChatKit has removed its frame. It does so on a domain where it may not be used. */
  onGone: () => void;
  /** Called when the files of the basic chat do not come. */
  onMissing: (error: unknown) => void;
};

/** Loads the basic chat, of which a page with ChatKit's element loads nothing. */
async function loadBasic(onMissing: ElementProps["onMissing"]) {
  try {
    const { BasicChat } = await import("@/kit/basic/chat");
    return { default: BasicChat };
  } catch (error) {
    onMissing(error);
    // It stays empty, because what has just been reported covers it.
    return new Promise<never>(() => {});
  }
}

function ChatKitElement({
  beside,
  isUsable,
  chat: kind,
  spoken: { words, language, dir },
  config,
  domainKey,
  answersGoOn,
  takesFocus,
  onReady,
  onError,
  onAway,
  onGone,
  onMissing,
  events = {},
  ownerEvents = {},
  ...handlers
}: ElementProps) {
  const { methods } = beside;
  const [isReceiving, setReceiving] = useState(false);
  const element = useRef<OpenAIChatKit>(null);
  const loaded = useRef<number | null>(null);
  const tell = fetchWith(config.locale, handlers.pageContext, handlers.assistant, config.api?.fetch);
  const ask = noting(tell, (status) => {
    loaded.current = status;
  });
  // An element may say of itself that it does its part.
  const goOn = () => answersGoOn || (element.current !== null && "answersGoOn" in element.current);
  const { turns, notice } = useTurns(goOn, ask, () => chat.fetchUpdates());
  // React keeps what an attempt has come to, so each attempt has its own.
  const [BasicChat] = useState(() => lazy(() => loadBasic(onMissing)));
  const [initialThread] = useState(threadOfAddress);
  const theme = useTheme(config.theme);
  const watchFrame = useFrameWatch(element, onGone);
  const own: Handlers = {
    onThreadChange: ({ threadId }) => {
      rememberThread(threadId);
      turns.opened(threadId);
      beside.set({ threadId });
    },
    onThreadLoadEnd: () => turns.look(),
    onResponseStart: () => {
      turns.receiving(true);
      setReceiving(true);
    },
    onResponseEnd: () => {
      turns.receiving(false);
      setReceiving(false);
    },
    onReady: () => {
      watchFrame();
      onReady();
    },
    onError: ({ error }) => {
      const isLinked = error.name === "InitialThreadLoadError";
      // The linked conversation does not exist or is somebody else's, so a new one starts.
      if (isLinked && loaded.current === 404) {
        rememberThread(null);
        chat.setThreadId(null).catch(console.error);
      } else if (isLinked) {
        onAway(error);
      }
      onError(error);
    },
    onEffect: (effect) => handlers.runEffect(effect, methods),
  };
  const chat: UseChatKitReturn = useChatKit({
    initialThread,
    ...config,
    ...(config.composer && { composer: withAliases(config.composer) }),
    theme,
    api: {
      url: `${BASE_PATH}/api/chatkit`,
      domainKey,
      fetch: turns.fetch,
      uploadStrategy: { type: "direct", uploadUrl: `${BASE_PATH}/api/attachments` },
    },
    onClientTool: config.onClientTool ?? ((call) => handlers.runClientTool(call, methods)),
    widgets: {
      onAction: (action, item) => handlers.runWidgetAction(action, item, { ...methods, ref: element }),
      ...config.widgets,
    },
    ...withEvents(own, [ownerEvents, events], methods),
  });
  const latest = useRef(chat);
  latest.current = chat;
  useEffect(() => {
    if (isUsable) return beside.start(latest.current);
  }, [beside, isUsable]);
  const isResponding = isReceiving || notice?.isRunning === true;
  useEffect(() => beside.set({ isResponding }), [beside, isResponding]);
  // What the person is writing goes on in the chat that comes next. This one can be used until it is gone.
  const handOn = useCallback(
    (draft: ComposerValue) => {
      queueMicrotask(() => beside.methods.setComposerValue(draft).catch(console.error));
    },
    [beside],
  );
  const { focusComposer } = chat;
  useEffect(() => {
    if (takesFocus) focusComposer().catch(console.error);
  }, [takesFocus, focusComposer]);
  return (
    <>
      {notice && (
        <p role="status" className={styles.notice} {...(notice.isRunning && { lang: language, dir })}>
          {notice.isRunning ? words.answering : notice.message}
          {notice.isRunning && (
            <button type="button" onClick={() => turns.stop().catch(console.error)}>
              {words.stopAnswer}
            </button>
          )}
        </p>
      )}
      {kind === "basic" ? (
        <Suspense>
          <BasicChat ref={element} control={chat.control} onLeave={handOn} className={styles.element} />
        </Suspense>
      ) : (
        <ChatKit ref={element} control={chat.control} className={styles.element} />
      )}
    </>
  );
}

/** Follows the turns of the open conversation, and says what is to be shown of them. */
function useTurns(goOn: () => boolean, ask: typeof fetch, refresh: () => Promise<void>) {
  const [notice, setNotice] = useState<Notice | null>(null);
  const latest = useRef({ goOn, ask, refresh });
  latest.current = { goOn, ask, refresh };
  const [turns] = useState(
    () =>
      new Turns(
        () => latest.current.goOn(),
        (...request) => latest.current.ask(...request),
        setNotice,
        () => latest.current.refresh(),
      ),
  );
  useEffect(() => turns.start(), [turns]);
  return { turns, notice };
}

/**
 * Notices when ChatKit removes its frame. The element itself stays, but is empty.
 *
 * @returns A function that starts to watch. Call it when the frame is there.
 */
function useFrameWatch(element: RefObject<OpenAIChatKit | null>, onGone: () => void): () => void {
  const observer = useRef<MutationObserver>(null);
  useEffect(() => () => observer.current?.disconnect(), []);
  return () => {
    const root = element.current?.shadowRoot;
    if (!root || observer.current) return;
    observer.current = new MutationObserver(() => {
      if (!root.querySelector(":not(style)")) onGone();
    });
    observer.current.observe(root, { childList: true });
  };
}

const PARAMETER = "thread";

/** The conversation in the page's address, `/?thread=thr_…`. Links and reloads open it again. */
function threadOfAddress(): string | null {
  if (typeof window === "undefined") return null;
  return new URL(window.location.href).searchParams.get(PARAMETER);
}

/** Writes the open conversation into the page's address; null removes it. */
function rememberThread(threadId: string | null): void {
  const url = new URL(window.location.href);
  if (threadId) url.searchParams.set(PARAMETER, threadId);
  else url.searchParams.delete(PARAMETER);
  window.history.replaceState(null, "", url);
}
