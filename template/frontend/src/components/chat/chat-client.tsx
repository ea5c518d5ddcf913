"use client";

import { chatkitConfig } from "@/chatkit.config";
import { ChatFrame, type PageProps, type ServerProps } from "@/kit/chat";
import { runClientTool } from "./client-tools";
import { runEffect } from "./effects";
import { pageContext } from "./page-context";
import { runWidgetAction } from "./widget-actions";

/** The chat in the browser. Its look and its tools are yours, everything else is the kit's. */
export function ChatClient(page: ServerProps & PageProps) {
  return (
    <ChatFrame
      config={chatkitConfig}
      pageContext={pageContext}
      runClientTool={runClientTool}
      runEffect={runEffect}
      runWidgetAction={runWidgetAction}
      {...page}
    />
  );
}
