"use client";

import { chatkitConfig } from "@/chatkit.config";
import { ChatFrame, type PageProps, type ServerProps } from "@/kit/chat";
import { runClientTool } from "./client-tools";
import { runEffect } from "./effects";
import { events } from "./events";
import { pageContext } from "./page-context";
import { runWidgetAction } from "./widget-actions";

/** Gives the chat's methods and its state to any component of the page. */
export { useChat } from "@/kit/methods";

/** The chat in the browser. Its look and its tools are yours, everything else is the kit's. */
export function ChatClient(page: ServerProps & PageProps) {
  return (
    <ChatFrame
      pageContext={pageContext}
      runClientTool={runClientTool}
      runEffect={runEffect}
      runWidgetAction={runWidgetAction}
      ownerEvents={events}
      {...page}
      config={{ ...chatkitConfig, ...page.config }}
    />
  );
}
