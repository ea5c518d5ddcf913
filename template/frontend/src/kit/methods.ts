import type { UseChatKitOptions, UseChatKitReturn } from "@openai/chatkit-react";
import { useEffect, useMemo, useSyncExternalStore } from "react";

const NAMES = [
  "focusComposer",
  "setThreadId",
  "sendUserMessage",
  "setComposerValue",
  "fetchUpdates",
  "sendCustomAction",
  "showHistory",
  "hideHistory",
] as const satisfies readonly (keyof UseChatKitReturn)[];

/** What code can do with a chat. Each method waits until the person can use the chat. */
export type ChatMethods = Pick<UseChatKitReturn, (typeof NAMES)[number]>;

/** How a chat is. */
export type ChatState = {
  /** Whether the person can use it. */
  isReady: boolean;
  /** The open conversation; null before its first message. */
  threadId: string | null;
  /** Whether an answer is being written. */
  isResponding: boolean;
};

const AWAY: ChatState = { isReady: false, threadId: null, isResponding: false };

/** A call that waits for a chat. */
type Waiting = { find: () => Chat | undefined; go: (chat: ChatMethods) => void };

/** Gives methods that wait for a chat. `forget` drops the calls that wait. */
function waitingFor(find: () => Chat | undefined): { methods: ChatMethods; forget: () => void } {
  const ready = async (): Promise<ChatMethods> => {
    const chat = find();
    if (chat?.ready) return chat.ready;
    return new Promise((go) => waiting.add({ find, go }));
  };
  type Method = (...given: never[]) => Promise<void>;
  const method = (name: keyof ChatMethods): Method => {
    return async (...given) => ((await ready())[name] as Method)(...given);
  };
  const methods = Object.fromEntries(NAMES.map((name) => [name, method(name)])) as unknown as ChatMethods;
  const forget = () => {
    for (const call of waiting) if (call.find === find) waiting.delete(call);
  };
  return { methods, forget };
}

const waiting = new Set<Waiting>();
/** The chats of the page, the oldest first. */
const chats = new Set<Chat>();
const listeners = new Set<() => void>();

/** A chat of the page, for all that is beside it. */
export class Chat {
  state = AWAY;
  /** The methods of its element, while the person can use it. */
  ready: ChatMethods | null = null;
  readonly methods: ChatMethods;
  readonly #forget: () => void;

  /**
   * @param assistant The name that the backend has for its assistant, if it has one.
   */
  constructor(readonly assistant: string | undefined) {
    const { methods, forget } = waitingFor(() => this);
    this.methods = methods;
    this.#forget = forget;
  }

  /** Says that the chat is on the page. Returns a function that says that it is gone. */
  enter(): () => void {
    chats.add(this);
    return () => {
      chats.delete(this);
      this.#forget();
      tellAll();
    };
  }

  set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change };
    tellAll();
  }

  /** Says that the person can use the chat. Returns a function that says that they no longer can. */
  start(methods: ChatMethods): () => void {
    this.ready = methods;
    this.set({ isReady: true });
    for (const call of waiting) {
      if (call.find() !== this) continue;
      waiting.delete(call);
      call.go(methods);
    }
    return () => {
      this.ready = null;
      this.set({ isReady: false });
    };
  }
}

function tellAll(): void {
  for (const onChange of listeners) onChange();
}

function subscribe(onChange: () => void): () => void {
  listeners.add(onChange);
  return () => listeners.delete(onChange);
}

function chatOf(assistant?: string): Chat | undefined {
  return [...chats].find((chat) => assistant === undefined || chat.assistant === assistant);
}

/**
 * Returns the methods of the page's chat, and how it is. The component may be anywhere in the page.
 *
 * What still waits for the chat when the component goes away is not done any more.
 *
 * @param assistant The name of the chat's assistant, if a page has chats with several.
 */
export function useChat(assistant?: string): ChatMethods & ChatState {
  const { methods, forget } = useMemo(() => waitingFor(() => chatOf(assistant)), [assistant]);
  useEffect(() => forget, [forget]);
  const state = useSyncExternalStore(
    subscribe,
    () => chatOf(assistant)?.state ?? AWAY,
    () => AWAY,
  );
  return useMemo(() => ({ ...methods, ...state }), [methods, state]);
}

type EventName = Exclude<Extract<keyof UseChatKitOptions, `on${string}`>, "onClientTool">;
type Happened<K extends EventName> = Parameters<NonNullable<UseChatKitOptions[K]>>;
/** An event without a detail has nothing to hand on. */
type Told<K extends EventName> =
  Happened<K> extends [infer Detail] ? (Detail extends object ? [Detail] : []) : [];

/** The handlers that `useChatKit` takes. */
export type Handlers = Pick<UseChatKitOptions, EventName>;

/** What the page does when something happens in its chat. The names are those of `useChatKit`. */
export type ChatEvents = { [K in EventName]?: (...told: [...Told<K>, chat: ChatMethods]) => unknown };

const WITHOUT_DETAIL = new Set<string>([
  "onReady",
  "onResponseStart",
  "onResponseEnd",
  "onHistoryOpen",
  "onHistoryClose",
] satisfies EventName[]);

/** Returns handlers that call the kit's own first, and then those of the page's owner. */
export function withEvents(own: Handlers, owners: ChatEvents[], chat: ChatMethods): Handlers {
  type Handler = (...told: unknown[]) => unknown;
  type Known = Partial<Record<string, Handler>>;
  const names = [own, ...owners].flatMap((handlers) => Object.keys(handlers));
  const handlers = [...new Set(names)].map((name) => {
    const handler: Handler = (detail) => {
      (own as Known)[name]?.(detail);
      const told = WITHOUT_DETAIL.has(name) ? [chat] : [detail, chat];
      for (const events of owners) {
        const done = (events as Known)[name]?.(...told);
        if (done instanceof Promise) done.catch(console.error);
      }
    };
    return [name, handler] as const;
  });
  return Object.fromEntries(handlers);
}
