import type { ChatKitOptions } from "@openai/chatkit";

/**
 * What ChatKit Studio exports. Its `api` is a placeholder; where the server is, and what the browser does for the
 * server, is in src/components/chat.
 */
export type StudioExport = Omit<ChatKitOptions, "api" | "onClientTool" | "widgets"> & { api?: unknown };
