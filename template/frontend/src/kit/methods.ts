import type { UseChatKitOptions, UseChatKitReturn } from "@openai/chatkit-react";
import { useMemo, useSyncExternalStore } from "react";

/** What code can do with a chat. Each method waits until the chat is there. */
export type ChatMethods = Omit<UseChatKitReturn, "control" | "ref">;

/** How a chat is. */
export type ChatState = {
  isReady: boolean;
  /** The open conversation; null before its first message. */
  threadId: string | null;
  /** Whether an answer is being written. */
  isResponding: boolean;
};

type EventName = Exclude<Extract<keyof UseChatKitOptions, `on${string}`>, "onClientTool">;
type Happened<K extends EventName> = Parameters<NonNullable<UseChatKitOptions[K]>>;
/** An event without a detail has nothing to hand on. */
type Told<K extends EventName> =
  Happened<K> extends [infer Detail] ? (Detail extends object ? [Detail] : []) : [];
export type Handlers = Pick<UseChatKitOptions, EventName>;

/** What the page does when something happens in its chat. The names are those of `useChatKit`. */
export type ChatEvents = { [K in EventName]?: (...told: [...Told<K>, chat: ChatMethods]) => void };

const NAMES = [
  "focusComposer",
  "setThreadId",
  "sendUserMessage",
  "setComposerValue",
  "fetchUpdates",
  "sendCustomAction",
  "showHistory",
  "hideHistory",
] as const satisfies readonly (keyof ChatMethods)[];

const AWAY: ChatState = { isReady: false, threadId: null, isResponding: false };

type Method = (...given: never[]) => Promise<void>;

/** A chat of the page, for all that is beside it. */
class Handle {
  state = AWAY;
  readonly methods: ChatMethods;
  #element: object | null = null;
  #chat: ChatMethods | null = null;
  readonly #waiting = new Set<(chat: ChatMethods) => void>();
  readonly #listeners = new Set<() => void>();

  constructor() {
    const method = (name: keyof ChatMethods): Method => {
      return async (...given) => ((await this.#whenReady())[name] as Method)(...given);
    };
    this.methods = Object.fromEntries(NAMES.map((name) => [name, method(name)])) as unknown as ChatMethods;
  }

  /** Calls a function at each change of the state. Returns a function that ends it. */
  readonly subscribe = (onChange: () => void): (() => void) => {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  };

  set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change };
    for (const onChange of this.#listeners) onChange();
  }

  /** Says that a chat is there. `element` stands for it. */
  start(element: object, chat: ChatMethods): void {
    this.#element = element;
    this.#chat = chat;
    this.set({ isReady: true });
    for (const go of this.#waiting) go(chat);
    this.#waiting.clear();
  }

  /** Says that a chat is gone, unless another one has taken its place. */
  end(element: object): void {
    if (this.#element !== element) return;
    this.#element = null;
    this.#chat = null;
    this.set(AWAY);
  }

  #whenReady(): ChatMethods | Promise<ChatMethods> {
    return this.#chat ?? new Promise((resolve) => this.#waiting.add(resolve));
  }
}

const handles = new Map<string, Handle>();

/** Returns the handle of the page's chat with an assistant. It is there before the chat is. */
export function handleOf(assistant = ""): Handle {
  const known = handles.get(assistant) ?? new Handle();
  handles.set(assistant, known);
  return known;
}

/**
 * Returns the methods of the page's chat, and how it is. The component may be anywhere in the page.
 *
 * @param assistant The name that the chat has for its assistant, if a page has several chats.
 */
export function useChat(assistant?: string): ChatMethods & ChatState {
  const handle = handleOf(assistant);
  const state = useSyncExternalStore(
    handle.subscribe,
    () => handle.state,
    () => AWAY,
  );
  return useMemo(() => ({ ...handle.methods, ...state }), [handle, state]);
}

/** Returns handlers that call the kit's own first, and then the owner's. */
export function withEvents(own: Handlers, events: ChatEvents, chat: ChatMethods): Handlers {
  type Handler = (detail?: unknown) => void;
  const first = own as Partial<Record<EventName, Handler>>;
  const second = events as Partial<Record<EventName, (...told: unknown[]) => void>>;
  const names = Object.keys({ ...own, ...events }) as EventName[];
  const handlers = names.map((name): [EventName, Handler] => [
    name,
    (detail) => {
      first[name]?.(detail);
      second[name]?.(...(detail ? [detail] : []), chat);
    },
  ]);
  return Object.fromEntries(handlers);
}
