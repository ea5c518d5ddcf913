import type { ChatKitOptions, StartScreenPrompt } from "@openai/chatkit";
import { drawItem, type Hands, make } from "./draw";
import { LOOK } from "./look";
import type { Item, Thread } from "./wire";

const NAME = "Stand-in for OpenAI's ChatKit element";

/** What a person can do with the frame. */
export interface FrameHands extends Hands {
  say(prompt: StartScreenPrompt["prompt"]): void;
  open(threadId: string | null): void;
  openHistory(): void;
  stop(): void;
}

/** All that the stand-in shows: header, history, start screen, conversation, composer. */
export class Frame {
  private readonly title = make("h2");
  private readonly history = make("nav", { ariaLabel: "History", hidden: true });
  private readonly start = make("section", { className: "start", ariaLabel: "Start" });
  private readonly log = make("section", { className: "log", role: "log", ariaLabel: "Conversation" });
  private readonly status = make("p", { className: "status", role: "status", hidden: true });
  private readonly alert = make("p", { className: "alert", role: "alert", hidden: true });
  private readonly input = make("input", { autocomplete: "off" });
  private readonly send = make("button", { type: "submit" }, "Send");
  private readonly stop: HTMLButtonElement;
  private readonly drawn = new Map<string, HTMLElement>();

  constructor(
    private readonly host: HTMLElement,
    private readonly hands: FrameHands,
  ) {
    this.stop = make("button", { type: "button", hidden: true, onclick: () => hands.stop() }, "Stop");
    const quiet = (label: string, onclick: () => void) =>
      make("button", { type: "button", className: "quiet", onclick }, label);
    const newChat = quiet("New chat", () => hands.open(null));
    const history = quiet("Open history", () => hands.openHistory());
    const frame = make(
      "div",
      { className: "frame" },
      make("p", { className: "sign" }, NAME),
      make("header", {}, this.title, newChat, history),
      this.history,
      this.start,
      this.log,
      this.status,
      this.alert,
      make("form", { className: "composer", onsubmit: this.submit }, this.input, this.send, this.stop),
    );
    host.attachShadow({ mode: "open" }).append(make("style", {}, LOOK), frame);
    this.clear(true);
  }

  apply({ theme, startScreen, composer }: ChatKitOptions): void {
    const { colorScheme, color } = typeof theme === "object" ? theme : { colorScheme: theme };
    this.host.dataset.scheme = colorScheme ?? "light";
    if (color?.accent) this.host.style.setProperty("--accent", color.accent.primary);
    this.input.placeholder = this.input.ariaLabel = composer?.placeholder ?? "Message the AI";
    this.start.replaceChildren(
      make("h2", {}, startScreen?.greeting ?? "What can I help with today?"),
      list(startScreen?.prompts ?? [], ({ label, prompt }) => [label, () => this.hands.say(prompt)]),
    );
  }

  /** Takes all items away: for another thread, or for the start screen. */
  clear(isStart: boolean): void {
    this.drawn.clear();
    this.log.replaceChildren();
    this.start.hidden = !isStart;
    this.log.hidden = isStart;
  }

  name(title: string): void {
    this.title.textContent = title;
  }

  put(item: Item): void {
    const element = drawItem(item, this.hands);
    const before = this.drawn.get(item.id);
    this.drawn.set(item.id, element);
    if (before) before.replaceWith(element);
    else this.log.append(element);
    this.log.scrollTop = this.log.scrollHeight;
  }

  remove(id: string): void {
    this.drawn.get(id)?.remove();
    this.drawn.delete(id);
  }

  /** Begins or ends a turn: while the server answers there is Stop in the place of Send. */
  turn(isRunning: boolean): void {
    this.send.hidden = isRunning;
    this.stop.hidden = !isRunning;
    this.log.ariaBusy = String(isRunning);
    if (isRunning) this.alert.hidden = true;
    this.progress(isRunning ? "…" : "");
  }

  allowStop(isAllowed: boolean): void {
    this.stop.hidden = !isAllowed;
  }

  progress(text: string): void {
    this.status.textContent = text;
    this.status.hidden = text === "";
  }

  warn(message: string): void {
    this.alert.textContent = message;
    this.alert.hidden = false;
  }

  get historyIsOpen(): boolean {
    return !this.history.hidden;
  }

  showHistory(threads: Thread[]): void {
    const entries = list(threads, ({ id, title }) => [title ?? "Untitled", () => this.hands.open(id)]);
    this.history.replaceChildren(threads.length ? entries : "No conversations yet");
    this.history.hidden = false;
  }

  hideHistory(): void {
    this.history.hidden = true;
  }

  focus(): void {
    this.input.focus();
  }

  write(text: string): void {
    this.input.value = text;
  }

  private readonly submit = (event: Event) => {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || this.send.hidden) return;
    this.input.value = "";
    this.hands.say(text);
  };
}

function list<T>(entries: T[], button: (entry: T) => [label: string, onclick: () => void]): Node {
  const items = entries.map(button).map(([label, onclick]) => {
    return make("li", {}, make("button", { type: "button", onclick }, label));
  });
  return make("ul", {}, ...items);
}
