import type { Widgets } from "@openai/chatkit";
import {
  DEEPEST,
  type Item,
  type ItemOf,
  type TextPart,
  type Update,
  type Widget,
} from "@/kit/basic/protocol";

/** Returns the items with one more, or with a newer version of one. */
export function withItem(items: readonly Item[], item: Item): readonly Item[] {
  const index = items.findIndex(({ id }) => id === item.id);
  return index < 0 ? [...items, item] : items.with(index, item);
}

/** Returns items, each as it is in `known` if it is the same there. So nothing is drawn anew for it. */
export function withSame(items: readonly Item[], known: readonly Item[]): readonly Item[] {
  const byId = new Map(known.map((item) => [item.id, item]));
  return items.map((item) => {
    const same = byId.get(item.id);
    return same && JSON.stringify(same) === JSON.stringify(item) ? same : item;
  });
}

/** Returns the items, oldest first, in which one is updated. An unknown item changes nothing. */
export function updated(items: readonly Item[], id: string, update: Update): readonly Item[] {
  const index = items.findIndex((item) => item.id === id);
  const item = items[index];
  return item ? items.with(index, changed(item, update)) : items;
}

/** Returns the message that an item answers. */
export function questionBefore(
  items: readonly Item[],
  { id }: Pick<Item, "id">,
): ItemOf<"user_message"> | undefined {
  const index = items.findIndex((item) => item.id === id);
  return items.slice(0, index + 1).findLast((item) => item.type === "user_message");
}

/** Returns an item with an update. An update of another kind of item changes nothing. */
function changed(item: Item, update: Update): Item {
  switch (update.type) {
    case "assistant_message.content_part.added":
    case "assistant_message.content_part.done":
      return withPart(item, update.content_index, () => update.content);
    case "assistant_message.content_part.text_delta":
      return withPart(item, update.content_index, (part) => ({ ...part, text: part.text + update.delta }));
    case "assistant_message.content_part.annotation_added":
      return withPart(item, update.content_index, (part) => ({
        ...part,
        annotations: placed(part.annotations ?? [], update.annotation_index, update.annotation),
      }));
    case "widget.root.updated":
      return item.type === "widget" ? { ...item, widget: update.widget } : item;
    case "widget.component.updated":
      return withComponent(item, update.component_id, () => update.component);
    case "widget.streaming_text.value_delta":
      return withComponent(item, update.component_id, (component) => {
        const { value = "" } = component as { value?: string };
        return { ...component, value: value + update.delta, streaming: !update.done } as Component;
      });
    case "workflow.task.added":
    case "workflow.task.updated": {
      if (item.type !== "workflow") return item;
      const tasks = placed(item.workflow.tasks, update.task_index, update.task);
      return { ...item, workflow: { ...item.workflow, tasks } };
    }
    case "generated_image.updated":
      if (item.type !== "generated_image") return item;
      return { ...item, image: update.image, progress: update.progress ?? null };
    default: // a newer server may send more
      return item;
  }
}

function placed<T>(list: readonly T[], index: number, one: T): T[] {
  const copy = [...list];
  copy[Math.min(index, copy.length)] = one;
  return copy;
}

function withPart(item: Item, index: number, change: (part: TextPart) => TextPart): Item {
  if (item.type !== "assistant_message") return item;
  return { ...item, content: placed(item.content, index, change(item.content[index] ?? { text: "" })) };
}

type Component = Widgets.WidgetComponent;
type Node = { id?: string; children?: unknown };

function withComponent(item: Item, id: string, change: (component: Component) => Component): Item {
  if (item.type !== "widget") return item;
  return { ...item, widget: replacedIn(item.widget, id, change) as Widget };
}

/** Returns a part of a widget in which the component with the id is changed. */
function replacedIn(
  node: unknown,
  id: string,
  change: (component: Component) => Component,
  depth = 0,
): unknown {
  if (Array.isArray(node)) return node.map((one) => replacedIn(one, id, change, depth));
  if (typeof node !== "object" || node === null || depth > DEEPEST) return node;
  const component = node as Node;
  if (component.id === id) return change(node as Component);
  if (!component.children) return node;
  return { ...component, children: replacedIn(component.children, id, change, depth + 1) };
}
