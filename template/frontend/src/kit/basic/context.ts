import type { ChatKitOptions } from "@openai/chatkit";
import { createContext, useContext, useSyncExternalStore } from "react";
import type { Session, State } from "@/kit/basic/session";
import type { Words } from "@/kit/words";

/** What all parts of the basic chat need. */
export type Basic = {
  session: Session;
  options: ChatKitOptions;
  /** The language of the chat, as a BCP 47 tag such as `de` or `zh-CN`. */
  locale: string;
  words: Words;
};

export const BasicContext = createContext<Basic | null>(null);

/** Returns the chat that a component is in. */
export function useBasic(): Basic {
  const basic = useContext(BasicContext);
  if (!basic) throw new Error("This component is outside of the basic chat.");
  return basic;
}

/** Returns the state of the chat. The component is drawn anew when a part of it changes. */
export function useChatState<T>(select: (state: State) => T): T {
  const { session } = useBasic();
  const get = () => select(session.state);
  return useSyncExternalStore(session.subscribe, get, get);
}
