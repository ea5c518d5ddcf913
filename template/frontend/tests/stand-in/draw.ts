import { make } from "./make";
import type { Item, Question, Widget } from "./wire";

export type Action = { type: string; payload?: Record<string, unknown>; handler?: string };
export type Answers = Record<string, { values: string[]; skipped: boolean }>;

/** What a person can do with widgets and forms. */
export interface ItemHands {
  act(action: Action, item: { id: string; widget: Widget }): void;
  answer(item: Item, status: "answered" | "skipped", answers: Answers): void;
}

/** Draws an item of a thread; null for what the real element hides. */
export function drawItem(item: Item, hands: ItemHands): HTMLElement | null {
  switch (item.type) {
    case "user_message":
      return article("You", "", item.content.map((part) => part.text).join(""));
    case "assistant_message":
      return article("Assistant", "", item.content.map((part) => part.text).join(""));
    case "widget":
      return article("Widget", "card", ...drawWidget(item.widget, (action) => hands.act(action, item)));
    case "structured_input":
      return article("Form", "card", drawForm(item, item.inputs, hands));
    case "workflow":
      return article("Workflow", "card", ...drawWorkflow(item.workflow));
    default:
      return null;
  }
}

function article(label: string, className: string, ...children: (Node | string)[]): HTMLElement {
  return make("article", { ariaLabel: label, className }, ...children);
}

type Component = {
  type: string;
  value?: string;
  label?: string;
  children?: Component[];
  onClickAction?: Action;
};

function drawWidget(widget: Widget, act: (action: Action) => void): Node[] {
  return (widget as Component).children?.map((child) => drawComponent(child, act)) ?? [];
}

function drawComponent(component: Component, act: (action: Action) => void): Node {
  const { type, value = "", label = "", children = [], onClickAction } = component;
  if (type === "Title") return make("h2", {}, value);
  if (type === "Button") {
    return make("button", { type: "button", onclick: () => onClickAction && act(onClickAction) }, label);
  }
  if (children.length) return make("div", {}, ...children.map((child) => drawComponent(child, act)));
  return make("p", {}, value || label);
}

function drawWorkflow({ summary, tasks }: Extract<Item, { type: "workflow" }>["workflow"]): Node[] {
  const steps = tasks.map((task) => make("li", {}, `✓ ${task.title ?? ""}`));
  return [...(summary?.title ? [make("h2", {}, summary.title)] : []), make("ul", {}, ...steps)];
}

function drawForm(
  item: Extract<Item, { type: "structured_input" }>,
  inputs: Question[],
  hands: ItemHands,
): Node {
  if (item.status !== "pending") {
    const lines = inputs.map(({ question, answer }) => `${question} ${answer?.values.join(", ") || "—"}`);
    return make("div", {}, ...lines.map((line) => make("p", {}, line)));
  }
  const send = (form: HTMLFormElement, status: "answered" | "skipped") => {
    const given = new FormData(form);
    const answer = ({ id }: Question) => {
      const values = status === "answered" ? given.getAll(id).map(String).filter(Boolean) : [];
      return [id, { values, skipped: values.length === 0 }];
    };
    hands.answer(item, status, Object.fromEntries(inputs.map(answer)));
  };
  const form: HTMLFormElement = make(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        send(form, "answered");
      },
    },
    ...inputs.map(drawQuestion),
    make("button", { type: "submit" }, "Submit"),
    make("button", { type: "button", className: "quiet", onclick: () => send(form, "skipped") }, "Skip"),
  );
  return form;
}

function drawQuestion({ id, question, options }: Question): Node {
  if (!options) return make("label", {}, question, make("input", { name: id }));
  const choice = ({ value }: { value: string }) =>
    make("label", { className: "choice" }, make("input", { type: "radio", name: id, value }), value);
  return make("fieldset", {}, make("legend", {}, question), ...options.map(choice));
}
