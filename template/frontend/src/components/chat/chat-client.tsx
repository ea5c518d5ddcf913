"use client";

import { chatkitConfig } from "@/chatkit.config";
import { ChatFrame, type ServerProps } from "@/kit/chat";
import { runClientTool } from "./client-tools";
import { runEffect } from "./effects";
import { pageContext } from "./page-context";
import { runWidgetAction } from "./widget-actions";

/** The chat in the browser. Its look and its tools are yours, everything else is the kit's. */
export function ChatClient(page: ServerProps) {
  return (
    <ChatFrame
      {...page}
      config={chatkitConfig}
      pageContext={pageContext}
      runClientTool={runClientTool}
      runEffect={runEffect}
      runWidgetAction={runWidgetAction}
    />
  );
}
