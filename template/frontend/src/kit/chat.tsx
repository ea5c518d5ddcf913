import type { ChatKitOptions, ColorScheme, OpenAIChatKit, ThemeOption, WidgetsOption } from "@openai/chatkit";
import { ChatKit, type UseChatKitReturn, useChatKit } from "@openai/chatkit-react";
import {
  lazy,
  type RefObject,
  Suspense,
  useCallback,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { preload } from "react-dom";
import { CAUSES, type Cause, type Slug, seen } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import { type Advice, Panel } from "@/kit/panel";
import {
  ASSISTANT,
  CHATKIT_ORIGIN,
  CHATKIT_SCRIPT,
  type ChatKind,
  DOMAIN_KEYS,
  PAGE_CONTEXT,
} from "@/kit/settings";
import { type Notice, Turns } from "@/kit/turns";

/**
 * The object that ChatKit Studio exports. Its `api` is only a placeholder, because the kit knows
 * the server's address. The handlers in {@link OwnerProps} do what the server asks of the browser.
 */
export type StudioExport = Omit<ChatKitOptions, "api" | "onClientTool" | "widgets"> & { api?: unknown };

type OnAction = NonNullable<WidgetsOption["onAction"]>;
type Chat = Omit<UseChatKitReturn, "control">;
type Composer = NonNullable<ChatKitOptions["composer"]>;

/** How the chat looks, and what the browser does for the server. */
export type OwnerProps = {
  config: StudioExport;
  /** What the assistant is told about the page with each request. */
  pageContext?: () => Record<string, string>;
  runClientTool: NonNullable<ChatKitOptions["onClientTool"]>;
  runEffect: (effect: { name: string; data?: Record<string, unknown> }) => void;
  runWidgetAction: (...asked: [...Parameters<OnAction>, chat: Chat]) => Promise<void>;
};

/** What a page says about its own chat. */
export type PageProps = {
  /** The name that the backend has for the assistant. Without it, the first one answers. */
  assistant?: string;
  /** How the chat looks, if not as `chatkit.config.ts` says. The page's server cannot send functions in it. */
  config?: StudioExport;
};

type Advices = Partial<Record<Slug, Advice>>;

/** What the page's server passes to the browser. */
export type ServerProps = { chat?: ChatKind; domainKey: string; answersGoOn?: boolean; advice: Advices };

type Props = ServerProps & OwnerProps & PageProps;

const GONE = seen("domain-key", "ChatKit started, but then removed itself from the page.");

const WITHOUT_OUR_SCRIPTS = seen("dev-origin-blocked", "The page loaded, but its scripts did not start.");

/** Holds ChatKit's element, and covers it while it loads or when something is wrong. */
export function ChatFrame(props: Props) {
  const [attempt, setAttempt] = useState(1);
  if (props.chat !== "basic") preload(CHATKIT_SCRIPT, { as: "script" });
  return <Attempt key={attempt} {...props} attempt={attempt} onRetry={() => setAttempt(attempt + 1)} />;
}

function Attempt({ advice, attempt, onRetry, ...rest }: Props & { attempt: number; onRetry: () => void }) {
  const [ready, setReady] = useState(false);
  const { cause, report } = useCause(attempt, ready, rest.chat !== "basic");
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

/** What the document shows if JavaScript is off, or if our scripts do not start in ten seconds. */
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

type ElementProps = OwnerProps & {
  chat?: ChatKind;
  assistant?: string;
  domainKey: string;
  answersGoOn?: boolean;
  onReady: () => void;
  onError: (error: Error) => void;
  /** Called when ChatKit has removed its frame. It does so on a domain where it may not be used. */
  onGone: () => void;
};

// A page with ChatKit's element loads nothing of it.
const BasicChat = lazy(async () => ({ default: (await import("@/kit/basic/chat")).BasicChat }));

function ChatKitElement({
  chat: kind,
  config,
  domainKey,
  answersGoOn,
  onReady,
  onError,
  onGone,
  ...handlers
}: ElementProps) {
  const element = useRef<OpenAIChatKit>(null);
  const ask = fetchWith(config.locale, handlers.pageContext, handlers.assistant);
  // An element may say of itself that it does its part.
  const goOn = () => answersGoOn || (element.current !== null && "answersGoOn" in element.current);
  const { turns, notice } = useTurns(goOn, ask, () => chat.fetchUpdates());
  const [initialThread] = useState(threadOfAddress);
  const theme = useTheme(config.theme);
  const watchFrame = useFrameWatch(element, onGone);
  const chat = useChatKit({
    initialThread,
    ...config,
    ...(config.composer && { composer: withAliases(config.composer) }),
    theme,
    api: {
      url: "/api/chatkit",
      domainKey,
      fetch: turns.fetch,
      uploadStrategy: { type: "direct", uploadUrl: "/api/attachments" },
    },
    onClientTool: handlers.runClientTool,
    widgets: { onAction: (action, item) => handlers.runWidgetAction(action, item, chat) },
    onEffect: handlers.runEffect,
    onThreadChange: ({ threadId }) => {
      rememberThread(threadId);
      turns.opened(threadId);
    },
    onThreadLoadEnd: () => turns.look(),
    onReady: () => {
      watchFrame();
      onReady();
    },
    onError: ({ error }) => {
      // The linked conversation does not exist or is somebody else's, so a new one starts.
      if (error.name === "InitialThreadLoadError") {
        rememberThread(null);
        chat.setThreadId(null).catch(console.error);
      }
      onError(error);
    },
  });
  return (
    <>
      {notice && (
        <p role="status" className={styles.notice}>
          {notice.message}
          {notice.isRunning && (
            <button type="button" onClick={() => turns.stop().catch(console.error)}>
              Stop the answer
            </button>
          )}
        </p>
      )}
      {kind === "basic" ? (
        <Suspense>
          <BasicChat ref={element} control={chat.control} className={styles.element} />
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

/** A `fetch` that tells the server the chat's language, its assistant, and what the owner says about the page. */
export function fetchWith(
  locale?: string,
  pageContext?: OwnerProps["pageContext"],
  assistant?: string,
): typeof fetch {
  return (address, options) => {
    const headers = new Headers(options?.headers ?? (address instanceof Request ? address.headers : {}));
    // Without a locale ChatKit speaks the browser's language, which the browser itself sends.
    if (locale) headers.set("accept-language", locale);
    if (assistant) headers.set(ASSISTANT, assistant);
    const context = new URLSearchParams(pageContext?.()).toString();
    if (context) headers.set(PAGE_CONTEXT, context);
    return fetch(address, { ...options, headers });
  };
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

/** Other names that systems have for types of files. The backend knows them too, in `kit/attachments/content.py`. */
export const TYPE_ALIASES: Record<string, string[]> = {
  "application/json": ["text/json"],
  "application/pdf": ["application/x-pdf"],
  "image/jpeg": ["image/jpg", "image/pjpeg"],
  "image/png": ["image/x-png"],
  "text/csv": [
    "application/csv",
    "application/vnd.ms-excel",
    "application/x-csv",
    "text/comma-separated-values",
    "text/x-csv",
  ],
  "text/markdown": ["text/x-markdown"],
};

/** Lets files through whose type the sender's system calls by another name, or does not know. */
export function withAliases(composer: Composer): Composer {
  const { attachments } = composer;
  if (!attachments?.accept) return composer;
  const accept = { ...attachments.accept };
  for (const [type, endings] of Object.entries(attachments.accept)) {
    for (const alias of [...(TYPE_ALIASES[type] ?? []), "application/octet-stream"]) {
      accept[alias] = [...new Set([...(accept[alias] ?? []), ...endings])];
    }
  }
  return { ...composer, attachments: { ...attachments, accept } };
}

const DARK = "(prefers-color-scheme: dark)";

/** The theme of the config. It follows the system's colour scheme unless the config sets one. */
function useTheme(theme: ChatKitOptions["theme"]): ThemeOption {
  const system = useSyncExternalStore<ColorScheme>(subscribe, systemScheme, () => "light");
  return { colorScheme: system, ...(typeof theme === "string" ? { colorScheme: theme } : theme) };
}

function subscribe(onChange: () => void): () => void {
  const query = matchMedia(DARK);
  query.addEventListener("change", onChange);
  return () => query.removeEventListener("change", onChange);
}

function systemScheme(): ColorScheme {
  return matchMedia(DARK).matches ? "dark" : "light";
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

const PATIENCE_MS = 10_000;

const TOO_LATE = seen(
  "blank-screen",
  `ChatKit did not start within ${PATIENCE_MS / 1000} seconds. Its script comes from ${CHATKIT_SCRIPT}.`,
);

/**
 * Loads ChatKit's script, and looks for a reason why the chat does not start: the script does not
 * load, the content security policy blocks it, the page's server or the backend fails, or the time
 * is up.
 *
 * @param isChatKit Whether the page shows ChatKit's element, and not the basic chat.
 * @returns The first cause that was found, or null, and a function that reports a cause.
 */
function useCause(attempt: number, ready: boolean, isChatKit: boolean) {
  const [cause, setCause] = useState<Cause | null>(null);
  const report = useCallback((found: Cause) => setCause((known) => known ?? found), []);

  useEffect(() => {
    if (isChatKit) return loadChatKitScript(attempt, report);
  }, [attempt, isChatKit, report]);

  useEffect(() => {
    const leaving = new AbortController();
    askStatus(leaving.signal).then((found) => found && !leaving.signal.aborted && report(found));
    return () => leaving.abort();
  }, [report]);

  useEffect(() => {
    if (ready || !isChatKit) return;
    const late = setTimeout(() => report(TOO_LATE), PATIENCE_MS);
    return () => clearTimeout(late);
  }, [ready, isChatKit, report]);

  useEffect(() => {
    // This also listens when ChatKit is ready, because ChatKit says so even if its frame stayed
    // empty.
    const onViolation = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
      if (!blockedURI.startsWith(CHATKIT_ORIGIN)) return;
      const inside = `The page's content security policy (${effectiveDirective}) blocks ${blockedURI}.`;
      report(seen("csp-blocks-chatkit", inside));
    };
    document.addEventListener("securitypolicyviolation", onViolation);
    return () => document.removeEventListener("securitypolicyviolation", onViolation);
  }, [report]);

  return { cause, report };
}

/**
 * Loads the script that defines `<openai-chatkit>`, unless it has run already or is loading.
 *
 * This does not use next/script, which remembers a failed address and never requests it again.
 *
 * @param attempt From the second attempt on, the address differs. Browsers join two requests for
 * the same address, so the second would also wait for the first, which may never be answered.
 * @param onFailure Called with the cause when the script does not load.
 * @returns A function that stops listening.
 */
function loadChatKitScript(attempt: number, onFailure: (cause: Cause) => void): () => void {
  if (customElements.get("openai-chatkit")) return () => {};
  const address = attempt === 1 ? CHATKIT_SCRIPT : `${CHATKIT_SCRIPT}?attempt=${attempt}`;
  const script = document.querySelector(`script[src="${address}"]`) ?? append(address);
  const fail = () => {
    script.remove();
    onFailure(seen("script-blocked", `ChatKit's script could not be loaded from ${CHATKIT_SCRIPT}.`));
  };
  script.addEventListener("error", fail);
  return () => script.removeEventListener("error", fail);
}

function append(address: string): HTMLScriptElement {
  const script = document.createElement("script");
  script.src = address;
  script.async = true;
  document.head.append(script);
  return script;
}

const STATUS = "/api/status";

/** Asks the page's server whether this person can chat. Returns null if so, otherwise the cause. */
async function askStatus(signal: AbortSignal): Promise<Cause | null> {
  try {
    const response = await fetch(STATUS, { signal });
    return response.ok ? null : causeIn(await response.json());
  } catch (error) {
    if (signal.aborted) return null;
    const inside = `The page's server does not answer at ${new URL(STATUS, window.location.href)} (${error}).`;
    return seen("blank-screen", inside);
  }
}

function causeIn({ slug, message }: { slug?: string; message?: string }): Cause {
  const known = CAUSES.find((one) => one === slug) ?? "blank-screen";
  return message ? { slug: known, message } : seen(known, "The page's server gives no reason.");
}

// The names of the errors after which ChatKit is unusable. It shows all other errors by itself.
const DOMAIN = new Set(["IntegrationError", "DomainVerificationRequestError"]);
const FATAL = "FatalAppError";

// What the error says when ChatKit refuses the options: "ChatKit.create(): ✖ Unrecognized key …".
const OPTIONS = /(ChatKit\.create|setOptions)\(\)/;

/** Whether ChatKit is unusable after this error. */
function isFatal({ name, message }: Error): boolean {
  return DOMAIN.has(name) || name === FATAL || OPTIONS.test(message);
}

/** The cause that the panel shows for an error of ChatKit. */
function causeOf({ name, message }: Error): Cause {
  const slug = slugOf(name, message);
  const where = `This page is at ${window.location.origin}. Register its domain at ${DOMAIN_KEYS}.`;
  return seen(slug, `ChatKit says: ${message}${slug === "domain-key" ? ` ${where}` : ""}`);
}

function slugOf(name: string, message: string): Slug {
  if (OPTIONS.test(message)) return "options-refused";
  return DOMAIN.has(name) ? "domain-key" : "blank-screen";
}
