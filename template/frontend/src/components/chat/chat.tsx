import type { PageProps, ServerProps } from "@/kit/chat";
import { adviceForPanels } from "@/kit/pitfalls";
import { answersGoOn, chosenChat, domainKey } from "@/kit/settings";
import { ChatClient } from "./chat-client";

/** What the browser needs of the server's settings, for a page that uses `ChatClient` itself. */
export function chatSettings(): ServerProps {
  return {
    chat: chosenChat(),
    domainKey: domainKey(),
    answersGoOn: answersGoOn(),
    advice: adviceForPanels(),
  };
}

/** The chat: loads, and within ten seconds is there or says why not. It fills whatever holds it. */
export function Chat(page: Pick<PageProps, "assistant" | "config">) {
  return <ChatClient {...page} {...chatSettings()} />;
}
