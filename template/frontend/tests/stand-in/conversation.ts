import type { Item, Update } from "./wire";

/** The items of a thread, oldest first, as the events of its streams have made them. */
export class Conversation {
  private items: Item[] = [];

  get last(): Item | undefined {
    return this.items.at(-1);
  }

  find(id: string): Item | undefined {
    return this.items.find((item) => item.id === id);
  }

  /** The message that an item answers. */
  questionOf({ id }: Item): Item | undefined {
    const index = this.items.findIndex((item) => item.id === id);
    return this.items.slice(0, index).findLast(({ type }) => type === "user_message");
  }

  /** The items that follow one. */
  after({ id }: Item): Item[] {
    return this.items.slice(this.items.findIndex((item) => item.id === id) + 1);
  }

  put(item: Item): void {
    const index = this.items.findIndex((known) => known.id === item.id);
    if (index < 0) this.items.push(item);
    else this.items[index] = item;
  }

  remove(id: string): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  /**
   * Changes an item while it is being written.
   *
   * @throws {Error} The item was never added: a mistake of the server.
   */
  update(id: string, update: Update): Item {
    const item = this.find(id);
    if (!item) throw new Error(`The server updated ${id}, which it had not added.`);
    switch (update.type) {
      case "assistant_message.content_part.added":
      case "assistant_message.content_part.done":
        if (item.type === "assistant_message") item.content[update.content_index] = { ...update.content };
        break;
      case "assistant_message.content_part.text_delta":
        if (item.type === "assistant_message")
          partOf(item.content, update.content_index).text += update.delta;
        break;
      case "widget.root.updated":
        if (item.type === "widget") item.widget = update.widget;
        break;
      case "workflow.task.added":
      case "workflow.task.updated":
        if (item.type === "workflow") item.workflow.tasks[update.task_index] = update.task;
        break;
    }
    return item;
  }
}

function partOf(content: { text: string }[], index: number): { text: string } {
  const part = content[index];
  if (!part) throw new Error(`The server sent a delta of part ${index}, which it had not added.`);
  return part;
}
