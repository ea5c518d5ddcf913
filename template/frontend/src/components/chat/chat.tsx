import { domainKey } from "@/lib/domain-key";
import { adviceForPanels } from "@/lib/pitfalls";
import { ChatFrame } from "./chat-frame";

/** The chat: loads, and within ten seconds is there or says why not. It fills whatever holds it. */
export function Chat() {
  return <ChatFrame domainKey={domainKey()} advice={adviceForPanels()} />;
}
