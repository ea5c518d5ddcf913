import type { HistoryOption } from "@openai/chatkit";
import { make, quietButton } from "./make";
import type { Thread } from "./wire";

/** What a person can do with the list of conversations. */
export interface HistoryHands {
  open(threadId: string | null): void;
  rename(thread: Thread, title: string): void;
  deleteThread(thread: Thread): void;
}

/** The list of conversations. */
export class History {
  readonly element = make("nav", { ariaLabel: "History", hidden: true });
  private options: HistoryOption = {};

  constructor(private readonly hands: HistoryHands) {}

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  apply(options: HistoryOption = {}): void {
    this.options = options;
  }

  show(threads: Thread[]): void {
    const entries = make("ul", {}, ...threads.map((thread) => make("li", {}, ...this.entry(thread))));
    this.element.replaceChildren(threads.length ? entries : "No conversations yet");
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
  }

  private entry(thread: Thread): Node[] {
    const title = thread.title ?? "Untitled";
    const nodes: Node[] = [quietButton(title, () => this.hands.open(thread.id))];
    if (this.options.showRename) {
      const rename: HTMLButtonElement = quietButton("✎", () => rename.replaceWith(this.form(thread)), {
        ariaLabel: `Rename ${title}`,
      });
      nodes.push(rename);
    }
    if (this.options.showDelete) {
      const ariaLabel = `Delete ${title}`;
      nodes.push(quietButton("✕", () => this.hands.deleteThread(thread), { ariaLabel }));
    }
    return nodes;
  }

  private form(thread: Thread): HTMLFormElement {
    const input = make("input", { ariaLabel: "New title", value: thread.title ?? "" });
    const onsubmit = (event: Event) => {
      event.preventDefault();
      this.hands.rename(thread, input.value);
    };
    return make("form", { onsubmit }, input, make("button", { type: "submit" }, "Save"));
  }
}
