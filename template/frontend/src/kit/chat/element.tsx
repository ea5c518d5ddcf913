import type { ChatKitOptions, ColorScheme, OpenAIChatKit, ThemeOption, WidgetsOption } from "@openai/chatkit";
import { ChatKit, type UseChatKitReturn, useChatKit } from "@openai/chatkit-react";
import { type RefObject, useEffect, useRef, useState, useSyncExternalStore } from "react";
import styles from "@/kit/kit.module.css";

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

type Props = OwnerProps & {
  domainKey: string;
  onReady: () => void;
  onError: (error: Error) => void;
  /** Called when ChatKit has taken its frame away, which it does where it may not be used. */
  onGone: () => void;
};

/** ChatKit's element, with the config and the handlers of this page. */
export function ChatKitElement({ config, domainKey, onReady, onError, onGone, ...handlers }: Props) {
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
