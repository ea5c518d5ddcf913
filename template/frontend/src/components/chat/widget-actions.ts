import type { WidgetsOption } from "@openai/chatkit";
import type { UseChatKitReturn } from "@openai/chatkit-react";
import { isDevelopment } from "@/kit/causes";

type OnAction = NonNullable<WidgetsOption["onAction"]>;
type Action = Parameters<OnAction>[0];
type WidgetItem = Parameters<OnAction>[1];
type Chat = Omit<UseChatKitReturn, "control">;
type WidgetAction = (payload: Record<string, unknown>, item: WidgetItem, chat: Chat) => unknown;

/**
 * What a click in a widget does here, in the browser: those of its actions that say `handler: "client"`. All others go
 * to the server. Add your own under the action's type; `chat.sendCustomAction` hands one on to the server afterwards.
 */
const widgetActions = new Map<string, WidgetAction>([["demo.ask", writeQuestion]]);

function writeQuestion({ question }: Record<string, unknown>, _: WidgetItem, chat: Chat): unknown {
  return chat.setComposerValue({ text: String(question) });
}

/** Does what a click in a widget asks of the browser. */
export async function runWidgetAction(
  { type, payload = {} }: Action,
  item: WidgetItem,
  chat: Chat,
): Promise<void> {
  const action = widgetActions.get(type);
  if (action) await action(payload, item, chat);
  else if (isDevelopment())
    console.warn(
      `This page has no widget action "${type}": src/components/chat/widget-actions.ts has those it has.`,
    );
}
