import type { ThreadItemActionsOption } from "@openai/chatkit";
import { make, quietButton } from "./make";
import type { Item } from "./wire";

export type Feedback = "positive" | "negative";

/** What a person can do with an answer. */
export interface ActionHands {
  /** Resolves to whether the server has taken it. */
  judge(item: Item, kind: Feedback): Promise<boolean>;
  retry(item: Item): void;
}

/** Draws the buttons below an answer, if the options want any. */
export function drawActions(item: Item, options: ThreadItemActionsOption, hands: ActionHands): HTMLElement[] {
  if (item.type !== "assistant_message") return [];
  const judge = (kind: Feedback) => hands.judge(item, kind);
  const thumbs = [
    thumb("+", "Good response", () => judge("positive")),
    thumb("−", "Bad response", () => judge("negative")),
  ];
  const retry = quietButton("↻", () => hands.retry(item), { ariaLabel: "Retry" });
  const buttons = [...(options.feedback ? thumbs : []), ...(options.retry ? [retry] : [])];
  return buttons.length ? [make("div", { className: "actions" }, ...buttons)] : [];
}

function thumb(sign: string, ariaLabel: string, judge: () => Promise<boolean>): HTMLElement {
  const press = async () => {
    if (await judge()) button.ariaPressed = "true";
  };
  const button = quietButton(sign, press, { ariaLabel, ariaPressed: "false" });
  return button;
}
