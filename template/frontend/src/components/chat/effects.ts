import { isDevelopment } from "@/kit/causes";
import type { ChatMethods } from "@/kit/chat";

type Data = Record<string, unknown>;
type Effect = (data: Data, chat: ChatMethods) => void;

/** What the server may make this page do by a `ClientEffectEvent`: add your own here, under the name that it uses. */
const effects = new Map<string, Effect>([["demo.effect", nameTheTab]]);

function nameTheTab({ title }: Data): void {
  document.title = String(title);
}

/** Does what the server asked for; it does not wait for an answer. */
export function runEffect({ name, data = {} }: { name: string; data?: Data }, chat: ChatMethods): void {
  const effect = effects.get(name);
  if (effect) effect(data, chat);
  else if (isDevelopment())
    console.warn(
      `This page knows no effect named "${name}": src/components/chat/effects.ts has those it knows.`,
    );
}
