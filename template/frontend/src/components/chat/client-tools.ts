import type { ChatMethods } from "@/kit/chat";

type Params = Record<string, unknown>;
type Result = Record<string, unknown>;
type ClientTool = (params: Params, chat: ChatMethods) => Result | Promise<Result>;

/** What the assistant may ask this browser to do: add your own here, under the name that the backend uses. */
const clientTools = new Map<string, ClientTool>([["get_browser_time", getBrowserTime]]);

function getBrowserTime(): Result {
  const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();
  return { local_time: new Date().toLocaleString(locale), time_zone: timeZone };
}

/**
 * Runs the tool that the assistant asked for.
 *
 * Raises nothing: a call without a result would leave the conversation waiting, so a failure is a result too.
 */
export async function runClientTool(
  call: { name: string; params: Params },
  chat: ChatMethods,
): Promise<Result> {
  const tool = clientTools.get(call.name);
  if (!tool) return { error: `This page has no client tool named "${call.name}".` };
  try {
    return await tool(call.params, chat);
  } catch (error) {
    return { error: String(error) };
  }
}
