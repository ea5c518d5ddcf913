import type { PageProps } from "@/kit/chat";
import { adviceForPanels } from "@/kit/pitfalls";
import { answersGoOn, chosenChat, domainKey } from "@/kit/settings";
import { ChatClient } from "./chat-client";

/** The chat: loads, and within ten seconds is there or says why not. It fills whatever holds it. */
export function Chat(page: PageProps) {
  return (
    <ChatClient
      {...page}
      chat={chosenChat()}
      domainKey={domainKey()}
      answersGoOn={answersGoOn()}
      advice={adviceForPanels()}
    />
  );
}
