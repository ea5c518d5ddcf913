import type { ChatKitOptions, StartScreenPrompt, ThreadItemActionsOption } from "@openai/chatkit";
import { type ActionHands, drawActions } from "./actions";
import { drawAttachments } from "./attachments";
import { Composer, type ComposerHands } from "./composer";
import { drawItem, type ItemHands } from "./draw";
import { History, type HistoryHands } from "./history";
import { LOOK } from "./look";
import { make, quietButton } from "./make";
import type { Item } from "./wire";

const NAME = "Stand-in for OpenAI's ChatKit element";

/** What a person can do with the frame. */
export interface FrameHands extends ActionHands, ComposerHands, HistoryHands, ItemHands {
  start(prompt: StartScreenPrompt["prompt"]): void;
  openHistory(): void;
}

/** All that the stand-in shows: header, history, start screen, conversation, composer. */
export class Frame {
  readonly composer: Composer;
  readonly history: History;
  private readonly frame: HTMLElement;
  private readonly title = make("h1", { hidden: true });
  private readonly historyButton: HTMLElement;
  private readonly start = make("section", { className: "start", ariaLabel: "Start" });
  private readonly log = make("section", {
    className: "log",
    role: "log",
    ariaLabel: "Conversation",
    tabIndex: 0,
  });
  private readonly status = make("p", { className: "status", role: "status", hidden: true });
  private readonly alert = make("p", { className: "alert", role: "alert", hidden: true });
  private readonly disclaimer = make("p", { className: "disclaimer", hidden: true });
  private readonly drawn = new Map<string, HTMLElement>();
  private actions: ThreadItemActionsOption = {};

  constructor(
    private readonly host: HTMLElement,
    private readonly hands: FrameHands,
  ) {
    this.composer = new Composer(hands);
    this.history = new History(hands);
    this.historyButton = quietButton("Open history", () => hands.openHistory());
    const newChat = quietButton("New chat", () => hands.open(null));
    this.frame = make(
      "div",
      { className: "frame", role: "region" },
      make("p", { className: "sign" }, NAME),
      make("header", {}, this.title, newChat, this.historyButton),
      this.history.element,
      this.start,
      this.log,
      this.status,
      this.alert,
      this.composer.element,
      this.disclaimer,
    );
    host.attachShadow({ mode: "open" }).append(make("style", {}, LOOK), this.frame);
    this.clear(true);
  }

  apply(options: ChatKitOptions): void {
    const { theme, startScreen, composer, history, disclaimer, frameTitle, threadItemActions } = options;
    const { colorScheme, color } = typeof theme === "object" ? theme : { colorScheme: theme };
    this.host.dataset.scheme = colorScheme ?? "light";
    if (color?.accent) this.host.style.setProperty("--accent", color.accent.primary);
    this.frame.ariaLabel = frameTitle ?? "Chat";
    this.historyButton.hidden = history?.enabled === false;
    this.history.apply(history);
    this.composer.apply(composer);
    this.actions = threadItemActions ?? {};
    this.disclaimer.textContent = disclaimer?.text ?? "";
    this.disclaimer.hidden = !disclaimer;
    const prompts = (startScreen?.prompts ?? []).map(({ label, prompt }) => {
      return make(
        "li",
        {},
        quietButton(label, () => this.hands.start(prompt)),
      );
    });
    this.start.replaceChildren(
      make("h1", {}, startScreen?.greeting ?? "What can I help with today?"),
      make("ul", {}, ...prompts),
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
    this.title.hidden = title === "";
  }

  put(item: Item): void {
    const element = this.draw(item);
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

  /** Begins or ends a turn. */
  turn(isRunning: boolean): void {
    this.composer.turn(isRunning);
    this.log.ariaBusy = String(isRunning);
    if (isRunning) this.alert.hidden = true;
    this.progress(isRunning ? "…" : "");
  }

  progress(text: string): void {
    this.status.textContent = text;
    this.status.hidden = text === "";
  }

  warn(message: string): void {
    this.alert.textContent = message;
    this.alert.hidden = false;
  }

  private draw(item: Item): HTMLElement {
    const article = drawItem(item, this.hands);
    const files = item.type === "user_message" && item.attachments?.length ? item.attachments : null;
    return make(
      "div",
      { className: `item ${item.type}`, hidden: article === null },
      ...(files ? [drawAttachments(files)] : []),
      ...(article ? [article] : []),
      ...drawActions(item, this.actions, this.hands),
    );
  }
}
