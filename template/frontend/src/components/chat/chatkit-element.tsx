import type { OpenAIChatKit } from "@openai/chatkit";
import { ChatKit, useChatKit } from "@openai/chatkit-react";
import { useRef, useState } from "react";
import { chatkitConfig } from "@/chatkit.config";
import styles from "./chat.module.css";
import { runClientTool } from "./client-tools";
import { runEffect } from "./effects";
import { useTheme } from "./theme";
import { rememberThread, threadOfAddress } from "./thread-address";
import { useFrameWatch } from "./use-frame-watch";
import { runWidgetAction } from "./widget-actions";

type Props = {
  domainKey: string;
  onReady: () => void;
  onError: (error: Error) => void;
  /** Called when ChatKit has taken its frame away, which it does where it may not be used. */
  onGone: () => void;
};

/** ChatKit's element, with the config and the handlers of this page. */
export function ChatKitElement({ domainKey, onReady, onError, onGone }: Props) {
  const element = useRef<OpenAIChatKit>(null);
  const [initialThread] = useState(threadOfAddress);
  const theme = useTheme(chatkitConfig.theme);
  const watchFrame = useFrameWatch(element, onGone);
  const chat = useChatKit({
    initialThread,
    ...chatkitConfig,
    theme,
    api: {
      url: "/api/chatkit",
      domainKey,
      uploadStrategy: { type: "direct", uploadUrl: "/api/attachments" },
    },
    onClientTool: runClientTool,
    widgets: { onAction: (action, item) => runWidgetAction(action, item, chat) },
    onEffect: runEffect,
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
