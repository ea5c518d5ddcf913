import type { ChatKitOptions, ColorScheme, OpenAIChatKit, ThemeOption, WidgetsOption } from "@openai/chatkit";
import { ChatKit, type UseChatKitReturn, useChatKit } from "@openai/chatkit-react";
import { type RefObject, useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { preload } from "react-dom";
import { CAUSES, type Cause, type Slug, seen } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import { type Advice, Panel } from "@/kit/panel";
import { CHATKIT_ORIGIN, CHATKIT_SCRIPT, DOMAIN_KEYS } from "@/kit/settings";

/**
 * What ChatKit Studio exports. Its `api` is a placeholder: the kit knows where the server is, and the handlers below do
 * what the server asks of the browser.
 */
export type StudioExport = Omit<ChatKitOptions, "api" | "onClientTool" | "widgets"> & { api?: unknown };

type OnAction = NonNullable<WidgetsOption["onAction"]>;
type Chat = Omit<UseChatKitReturn, "control">;

/** How the chat looks, and what the browser does for the server. */
export type OwnerProps = {
  config: StudioExport;
  runClientTool: NonNullable<ChatKitOptions["onClientTool"]>;
  runEffect: (effect: { name: string; data?: Record<string, unknown> }) => void;
  runWidgetAction: (...asked: [...Parameters<OnAction>, chat: Chat]) => Promise<void>;
};

type Advices = Partial<Record<Slug, Advice>>;

/** What the page's server knows. */
export type ServerProps = { domainKey: string; advice: Advices };

type Props = ServerProps & OwnerProps;

const GONE = seen("domain-key", "ChatKit started, but then removed itself from the page.");

const WITHOUT_OUR_SCRIPTS = seen("dev-origin-blocked", "The page loaded, but its scripts did not start.");

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

type ElementProps = OwnerProps & {
  domainKey: string;
  onReady: () => void;
  onError: (error: Error) => void;
  /** Called when ChatKit has taken its frame away, which it does where it may not be used. */
  onGone: () => void;
};

/** ChatKit's element, with the config and the handlers of this page. */
function ChatKitElement({ config, domainKey, onReady, onError, onGone, ...handlers }: ElementProps) {
  const element = useRef<OpenAIChatKit>(null);
  const [initialThread] = useState(threadOfAddress);
  const theme = useTheme(config.theme);
  const watchFrame = useFrameWatch(element, onGone);
  const chat = useChatKit({
    initialThread,
    ...config,
    theme,
    api: {
      url: "/api/chatkit",
      domainKey,
      uploadStrategy: { type: "direct", uploadUrl: "/api/attachments" },
    },
    onClientTool: handlers.runClientTool,
    widgets: { onAction: (action, item) => handlers.runWidgetAction(action, item, chat) },
    onEffect: handlers.runEffect,
    onThreadChange: ({ threadId }) => rememberThread(threadId),
    onReady: () => {
      watchFrame();
      onReady();
    },
    onError: ({ error }) => {
      // A link to a conversation that is not there, or not this person's, leads to a new one.
      if (error.name === "InitialThreadLoadError") {
        rememberThread(null);
        chat.setThreadId(null).catch(console.error);
      }
      onError(error);
    },
  });
  return <ChatKit ref={element} control={chat.control} className={styles.element} />;
}

/**
 * Notices when ChatKit takes its frame away: the element stays, and is empty.
 *
 * @returns What starts watching, once the frame is there.
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

const DARK = "(prefers-color-scheme: dark)";

/** The theme of the config, light or dark as the system is unless the config says which. */
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

/** The conversation that the page's address names, as in `/?thread=thr_…`: links and reloads lead back to it. */
function threadOfAddress(): string | null {
  if (typeof window === "undefined") return null;
  return new URL(window.location.href).searchParams.get(PARAMETER);
}

/** Puts the conversation that is open into the page's address, or takes it out. */
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
 * Starts ChatKit, and watches over it until it is ready: its script, the content security policy, the backend, the
 * clock.
 *
 * @returns The first cause for which there is no chat, or null while none is known; and what reports another one.
 */
function useCause(attempt: number, ready: boolean) {
  const [cause, setCause] = useState<Cause | null>(null);
  const report = useCallback((found: Cause) => setCause((known) => known ?? found), []);

  useEffect(() => loadChatKitScript(attempt, report), [attempt, report]);

  useEffect(() => {
    const leaving = new AbortController();
    askStatus(leaving.signal).then((found) => found && !leaving.signal.aborted && report(found));
    return () => leaving.abort();
  }, [report]);

  useEffect(() => {
    if (ready) return;
    const late = setTimeout(() => report(TOO_LATE), PATIENCE_MS);
    return () => clearTimeout(late);
  }, [ready, report]);

  useEffect(() => {
    // Also when ChatKit is ready: it says so of a frame that stayed empty.
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
 * Loads the script that defines `<openai-chatkit>`, unless it has done its work already or is on its way.
 *
 * By hand and not with next/script, which remembers a failed address and never asks for it again.
 *
 * @param attempt From the second on the address differs: browsers join two requests for the same, and would wait for
 * the one that does not come.
 * @param onFailure Called with the reason when the script does not come.
 * @returns What stops listening.
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

/** Asks the page's server whether this person can chat: null when all is well, else why not. */
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

// Errors after which ChatKit is of no use, by the names that it gives them. All others it shows by itself.
const DOMAIN = new Set(["IntegrationError", "DomainVerificationRequestError"]);
const FATAL = "FatalAppError";

// How it begins when it refuses the options: "ChatKit.create(): ✖ Unrecognized key …".
const OPTIONS = /(ChatKit\.create|setOptions)\(\)/;

/** Is ChatKit of no use after this error? */
function isFatal({ name, message }: Error): boolean {
  return DOMAIN.has(name) || name === FATAL || OPTIONS.test(message);
}

/** What an error of ChatKit means for the person. */
function causeOf({ name, message }: Error): Cause {
  const slug = slugOf(name, message);
  const where = `This page is at ${window.location.origin}. Register its domain at ${DOMAIN_KEYS}.`;
  return seen(slug, `ChatKit says: ${message}${slug === "domain-key" ? ` ${where}` : ""}`);
}

function slugOf(name: string, message: string): Slug {
  if (OPTIONS.test(message)) return "options-refused";
  return DOMAIN.has(name) ? "domain-key" : "blank-screen";
}
