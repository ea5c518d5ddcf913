import type {
  Attachment,
  ChatKitOptions,
  ComposerOption,
  EntitiesOption,
  Entity,
  HistoryOption,
  OpenAIChatKit,
  StartScreenPrompt,
  ThreadItemActionsOption,
  UserMessageContent,
} from "@openai/chatkit";
import type { Item, Question, Thread, Widget } from "./wire";

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes a secondary button. */
function quietButton(
  label: string,
  onclick: () => void,
  properties: Partial<HTMLButtonElement> = {},
): HTMLButtonElement {
  return make("button", { type: "button", className: "quiet", onclick, ...properties }, label);
}

const NAME = "Stand-in for OpenAI's ChatKit element";

/** Called for what a person does in the frame. */
export interface FrameHands extends ActionHands, ComposerHands, HistoryHands, ItemHands {
  start(prompt: StartScreenPrompt["prompt"]): void;
  openHistory(): void;
}

/** Everything that the stand-in shows: header, history, start screen, conversation and composer. */
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
  private entities: EntitiesOption = {};

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
    const { theme, startScreen, composer, history, disclaimer, frameTitle, threadItemActions, entities } =
      options;
    const { colorScheme, color } = typeof theme === "object" ? theme : { colorScheme: theme };
    this.host.dataset.scheme = colorScheme ?? "light";
    if (color?.accent) this.host.style.setProperty("--accent", color.accent.primary);
    this.frame.ariaLabel = frameTitle ?? "Chat";
    this.historyButton.hidden = history?.enabled === false;
    this.history.apply(history);
    this.entities = entities ?? {};
    this.composer.apply(composer, this.entities);
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

  /** Removes all items, to show another thread or the start screen. */
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

  /** Shows that a turn begins or ends. */
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
    const article = drawItem(item, this.hands, this.entities);
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

export type Action = {
  type: string;
  payload?: Record<string, unknown>;
  handler?: string;
  streaming?: boolean;
};
type Answers = Record<string, { values: string[]; skipped: boolean }>;

/** Called for what a person does in widgets and forms. */
interface ItemHands {
  act(action: Action, item: { id: string; widget: Widget }): void;
  answer(item: Item, status: "answered" | "skipped", answers: Answers): void;
}

/** Draws an item of a thread. Returns null for an item that the real element hides. */
function drawItem(item: Item, hands: ItemHands, entities: EntitiesOption): HTMLElement | null {
  switch (item.type) {
    case "user_message":
      return article("You", "", ...item.content.map((part) => drawPart(part, entities)));
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

/** Draws a part of a message. An entity that is named there has a preview, and can be clicked. */
function drawPart(part: UserMessageContent, { onClick, onRequestPreview }: EntitiesOption): Node | string {
  if (part.type === "input_text" || !part.interactive) return part.text;
  const entity = { id: part.id, title: part.text, data: part.data as Record<string, string> };
  const preview = make("div", { role: "tooltip", hidden: true });
  const show = async () => {
    const found = await onRequestPreview?.(entity);
    if (found?.preview) preview.replaceChildren(...drawWidget(found.preview, () => {}));
    preview.hidden = !found?.preview;
  };
  const hide = () => {
    preview.hidden = true;
  };
  const name = quietButton(part.text, () => onClick?.(entity), {
    onpointerenter: show,
    onpointerleave: hide,
  });
  return make("span", {}, name, preview);
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

type Feedback = "positive" | "negative";

/** Called for what a person does with an answer. */
interface ActionHands {
  /** Resolves to whether the server has accepted it. */
  judge(item: Item, kind: Feedback): Promise<boolean>;
  retry(item: Item): void;
}

/** Draws the buttons below an answer that the options ask for. */
function drawActions(item: Item, options: ThreadItemActionsOption, hands: ActionHands): HTMLElement[] {
  if (item.type !== "assistant_message") return [];
  const judge = (kind: Feedback) => hands.judge(item, kind);
  const thumbs = [
    thumb("+", "Good response", () => judge("positive")),
    thumb("−", "Bad response", () => judge("negative")),
  ];
  const retry = quietButton("↻", () => hands.retry(item), { ariaLabel: "Answer again" });
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

/** Called for what a person does in the list of conversations. */
interface HistoryHands {
  open(threadId: string | null): void;
  rename(thread: Thread, title: string): void;
  deleteThread(thread: Thread): void;
}

/** The list of conversations. */
class History {
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
      const confirm = quietButton("Delete", () => this.hands.deleteThread(thread));
      const ask: HTMLButtonElement = quietButton("✕", () => ask.replaceWith(confirm), {
        ariaLabel: `Delete ${title}`,
      });
      nodes.push(ask);
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

export type Message = Parameters<OpenAIChatKit["sendUserMessage"]>[0];
export type Draft = Parameters<OpenAIChatKit["setComposerValue"]>[0];

/** Called for what a person does in the composer. */
interface ComposerHands extends AttachmentHands {
  say(message: Message): void;
  stop(): void;
  chooseTool(toolId: string | null): void;
  /** Resolves to the text of the speech, or to null after an error, which it shows. */
  transcribe(speech: Blob): Promise<string | null>;
}

/** The form in which a person writes a message, adds files, and chooses a model and a tool. */
class Composer {
  readonly element: HTMLFormElement;
  private readonly tray: AttachmentTray;
  private readonly models: Picker;
  private readonly tools: Picker;
  private readonly dictation: Dictation;
  private readonly input = make("input", { autocomplete: "off" });
  private readonly send = make("button", { type: "submit" }, "Send");
  private readonly stop: HTMLButtonElement;
  private readonly tags = make("ul", { ariaLabel: "Tags", hidden: true });
  private options: ComposerOption = {};
  private entities: EntitiesOption = {};
  private named: Entity[] = [];

  constructor(private readonly hands: ComposerHands) {
    this.tray = new AttachmentTray(hands);
    this.models = new Picker("Model", null, () => {});
    this.tools = new Picker("Tool", "No tool", (id) => this.changeTool(id));
    this.dictation = new Dictation(async (speech) => {
      this.input.value += (await hands.transcribe(speech)) ?? "";
    });
    this.stop = make("button", { type: "button", hidden: true, onclick: () => hands.stop() }, "Stop");
    const { picker, list } = this.tray;
    this.input.oninput = () => this.offerTags();
    this.element = make(
      "form",
      { className: "composer", onsubmit: this.submit },
      this.tags,
      list,
      make(
        "div",
        {},
        this.input,
        picker,
        this.dictation.button,
        this.models.element,
        this.tools.element,
        this.send,
        this.stop,
      ),
    );
  }

  apply(options: ComposerOption = {}, entities: EntitiesOption = {}): void {
    this.options = options;
    this.entities = entities;
    this.tray.apply(options.attachments);
    this.models.offer(options.models);
    this.tools.offer(options.tools);
    this.dictation.button.hidden = !options.dictation?.enabled;
    this.showPlaceholder();
  }

  /** Shows Stop instead of Send while the server answers. */
  turn(isRunning: boolean): void {
    this.send.hidden = isRunning;
    this.stop.hidden = !isRunning;
  }

  allowStop(isAllowed: boolean): void {
    this.stop.hidden = !isAllowed;
  }

  focus(): void {
    this.input.focus();
  }

  async write({ text, content, attachments, files, selectedToolId, selectedModelId }: Draft): Promise<void> {
    this.input.value = text ?? content?.map((part) => part.text).join("") ?? this.input.value;
    if (selectedToolId !== undefined) {
      this.tools.choose(selectedToolId);
      this.changeTool(selectedToolId);
    }
    if (selectedModelId) this.models.choose(selectedModelId);
    for (const attachment of attachments ?? []) this.tray.put(attachment);
    await this.tray.add(files ?? []);
  }

  /** Offers what may be meant by the word after @ at the end. */
  private async offerTags(): Promise<void> {
    const word = /@(\w*)$/.exec(this.input.value)?.[1];
    const found = word === undefined ? [] : ((await this.entities.onTagSearch?.(word)) ?? []);
    const entries = found.map((entity) =>
      make(
        "li",
        {},
        quietButton(entity.title, () => this.nameTag(entity)),
      ),
    );
    this.tags.replaceChildren(...entries);
    this.tags.hidden = entries.length === 0;
  }

  private nameTag(entity: Entity): void {
    this.named.push(entity);
    this.input.value = this.input.value.replace(/@\w*$/, `@${entity.title} `);
    this.tags.hidden = true;
  }

  /** Takes the parts of a text in which entities are named; null if there are none. */
  private takeContent(text: string): UserMessageContent[] | null {
    const named = new Map(this.named.map((entity) => [`@${entity.title}`, entity]));
    this.named = [];
    if (!named.size) return null;
    const escaped = [...named.keys()].map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const parts = text.split(new RegExp(`(${escaped.join("|")})`)).filter(Boolean);
    return parts.map((text) => {
      const entity = named.get(text);
      if (!entity) return { type: "input_text", text };
      const { id, title, data = {}, interactive = false } = entity;
      return { type: "input_tag", id, text: title, data, interactive };
    });
  }

  private changeTool(id: string | null): void {
    this.showPlaceholder();
    this.hands.chooseTool(id);
  }

  private showPlaceholder(): void {
    const tool = this.options.tools?.find(({ id }) => id === this.tools.chosen);
    const placeholder = tool?.placeholderOverride ?? this.options.placeholder ?? "Message the AI";
    this.input.placeholder = this.input.ariaLabel = placeholder;
  }

  private readonly submit = (event: Event) => {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || this.send.hidden) return;
    this.input.value = "";
    const attachments: Attachment[] = this.tray.take();
    const [tool, model] = [this.tools.chosen, this.models.chosen];
    const content = this.takeContent(text);
    const said = content ? { content } : { text };
    this.hands.say({
      ...said,
      attachments,
      ...(tool && { toolChoice: { id: tool } }),
      ...(model && { model }),
    });
    if (tool && !this.options.tools?.find(({ id }) => id === tool)?.persistent) {
      this.tools.choose(null);
      this.changeTool(null);
    }
  };
}

type Options = NonNullable<ComposerOption["attachments"]>;

const MAX_COUNT = 10;
const MAX_BYTES = 100 * 1024 * 1024;

// The content security policy of the real element's frame allows images only with these schemes.
const LOADED_BY_THE_FRAME = /^(https|data|blob):/;

/** Called for what a person does with the files. */
interface AttachmentHands {
  upload(file: File): Promise<Attachment>;
  discard(attachment: Attachment): void;
  warn(message: string): void;
}

/** Draws images with a preview, and other files only with their names. */
function drawAttachments(
  attachments: Attachment[],
  remove: ((attachment: Attachment) => void) | null = null,
): HTMLElement {
  const entries = attachments.map((attachment) => {
    const entry = make("li", {}, picture(attachment), attachment.name);
    const ariaLabel = `Remove ${attachment.name}`;
    if (remove) entry.append(quietButton("✕", () => remove(attachment), { ariaLabel }));
    return entry;
  });
  return make("ul", { className: "attachments", ariaLabel: "Attachments" }, ...entries);
}

function picture(attachment: Attachment): Node | string {
  if (attachment.type !== "image") return "";
  const src = LOADED_BY_THE_FRAME.test(attachment.preview_url) ? attachment.preview_url : "";
  return make("img", { alt: attachment.name, ...(src && { src }) });
}

/** The files of the message that is being written. */
class AttachmentTray {
  readonly list = make("div");
  readonly picker = make("label", { className: "quiet", hidden: true }, "Attach files");
  private readonly input = make("input", { type: "file", multiple: true });
  private options: Options = { enabled: false };
  private attachments: Attachment[] = [];

  constructor(private readonly hands: AttachmentHands) {
    this.picker.append(this.input);
    this.input.onchange = async () => {
      await this.add([...(this.input.files ?? [])]);
      this.input.value = "";
    };
  }

  apply(options: Options | undefined): void {
    this.options = options ?? { enabled: false };
    this.picker.hidden = !this.options.enabled;
    this.input.accept = Object.entries(this.options.accept ?? {})
      .flatMap(([type, extensions]) => [type, ...extensions])
      .join(",");
  }

  /** Uploads files that the person has chosen, and shows the error of each that fails. */
  async add(files: File[]): Promise<void> {
    this.input.disabled = true;
    for (const file of files) {
      try {
        this.check(file);
        this.put(await this.hands.upload(file));
      } catch (error) {
        this.hands.warn(`${file.name}: ${(error as Error).message}`);
      }
    }
    this.input.disabled = false;
  }

  /** Adds a file that is uploaded already. */
  put(attachment: Attachment): void {
    this.attachments.push(attachment);
    this.draw();
  }

  /** Returns the files, and empties the tray. */
  take(): Attachment[] {
    const taken = this.attachments;
    this.attachments = [];
    this.draw();
    return taken;
  }

  private draw(): void {
    const remove = (attachment: Attachment) => {
      this.attachments = this.attachments.filter(({ id }) => id !== attachment.id);
      this.draw();
      this.hands.discard(attachment);
    };
    this.list.replaceChildren(
      ...(this.attachments.length ? [drawAttachments(this.attachments, remove)] : []),
    );
  }

  private check({ type, size }: File): void {
    const { maxCount = MAX_COUNT, maxSize = MAX_BYTES, accept } = this.options;
    if (this.attachments.length >= maxCount) throw new Error(`At most ${maxCount} files.`);
    if (accept && !accept[type]) throw new Error(`Files of the type ${type || "unknown"} are not taken.`);
    const limit = typeof maxSize === "number" ? maxSize : limitOf(maxSize, type);
    if (size > limit) throw new Error(`Larger than ${limit} bytes.`);
  }
}

function limitOf(limits: Record<string, number>, type: string): number {
  return limits[type] ?? limits[type.replace(/\/.*/, "/*")] ?? limits["*"] ?? limits[""] ?? MAX_BYTES;
}

/** A button that records speech until it is pressed again. */
class Dictation {
  readonly button = quietButton("Dictate", () => this.press(), { hidden: true });
  private recorder: MediaRecorder | null = null;

  constructor(private readonly hear: (speech: Blob) => void) {}

  private async press(): Promise<void> {
    if (this.recorder) return this.recorder.stop();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream);
    recorder.ondataavailable = ({ data }) => this.hear(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      this.show(null);
    };
    recorder.onstart = () => this.show(recorder);
    recorder.start();
  }

  private show(recorder: MediaRecorder | null): void {
    this.recorder = recorder;
    this.button.textContent = recorder ? "Stop dictating" : "Dictate";
  }
}

/** An entry of a list to choose from, as the options have it. */
type Choice = { id: string; label: string; disabled?: boolean; default?: boolean };

/** A list to choose from. It is hidden if it has no entries. */
class Picker {
  readonly element: HTMLSelectElement;
  private offered = "";

  /**
   * @param label The name of the list.
   * @param none The text of the entry that chooses nothing, or null if one entry must be chosen.
   */
  constructor(
    label: string,
    private readonly none: string | null,
    onchange: (id: string | null) => void,
  ) {
    this.element = make("select", {
      ariaLabel: label,
      hidden: true,
      onchange: () => onchange(this.chosen),
    });
  }

  /** Sets the entries. The choice stays if the entries are the same as before. */
  offer(choices: Choice[] = []): void {
    const offered = JSON.stringify(choices);
    if (offered === this.offered) return;
    this.offered = offered;
    this.element.hidden = choices.length === 0;
    const options = choices.map(({ id, label, disabled = false, default: selected = false }) =>
      make("option", { value: id, disabled, selected }, label),
    );
    const nothing = this.none === null ? [] : [make("option", { value: "" }, this.none)];
    this.element.replaceChildren(...nothing, ...options);
  }

  get chosen(): string | null {
    return this.element.value || null;
  }

  choose(id: string | null): void {
    this.element.value = id ?? "";
  }
}

/** The failures that a test can choose. */
export type Failures = Partial<Record<keyof typeof FAILURES, boolean>>;

/** What happens instead of a chat. */
export type Failure = {
  /**
   * Whether it is ready first. The real element is ready when its frame has loaded, even if it
   * fails then.
   */
  isReady?: true;
  error?: { name: string; message: string };
  /** Whether it removes its frame. The element itself stays, but is empty. */
  leaves?: true;
};

/** The failures of the real element, with its own messages where we know them. */
export const FAILURES = {
  refusesDomain: {
    isReady: true,
    error: {
      name: "IntegrationError",
      message:
        "Domain verification failed for https://chat.example.com. Please register your domain at " +
        "https://platform.openai.com/settings/organization/security/domain-allowlist.",
    },
    leaves: true,
  },
  refusesOptions: {
    isReady: true,
    error: { name: "FatalAppError", message: 'ChatKit.create():\n✖ Unrecognized key: "them"' },
  },
  failsBeforeReady: { error: { name: "FatalAppError", message: "The frame could not be loaded." } },
  neverReady: {},
  removesItself: { isReady: true, leaves: true },
} as const satisfies Record<string, Failure>;

declare global {
  interface Window {
    /** Set by a test before the script runs: `window.standIn = { refusesDomain: true }`. */
    standIn?: Failures;
  }
}

/** The failure that the test has chosen. */
export function chosenFailure(): Failure | null {
  const names = Object.keys(FAILURES) as (keyof typeof FAILURES)[];
  const chosen = names.find((name) => window.standIn?.[name]);
  return chosen ? FAILURES[chosen] : null;
}

/** An error with the name that the real element gives it. */
export function errorNamed(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

/** The plain styles of the stand-in, light or dark, with the accent colour from the options. */
const LOOK = `
:host { color-scheme: light; color: light-dark(#1b1b1f, #ececf1); background: light-dark(#fff, #17171a); }
:host([data-scheme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; font: inherit; }
[hidden] { display: none !important; }
.frame { display: flex; flex-direction: column; height: 100%; }
.sign { margin: 0; padding: .25rem 1rem; background: #fde68a; color: #422006; font-size: .8rem; text-align: center; }
header { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; justify-content: end; padding: .5rem 1rem; border-bottom: 1px solid #8884; }
header h1 { flex: 1; margin: 0; min-width: 8rem; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav { padding: 1rem; overflow: auto; flex: 1; }
nav li { display: flex; gap: .5rem; margin-bottom: .5rem; }
nav form { display: flex; flex: 1; }
ul { list-style: none; margin: 0; padding: 0; }
.start { margin: auto; padding: 1rem; text-align: center; }
.start h1 { font-size: 1.5rem; font-weight: 600; }
.start ul { display: flex; flex-wrap: wrap; gap: .5rem; justify-content: center; }
.log { flex: 1; overflow: auto; padding: 1rem; display: flex; flex-direction: column; gap: .75rem; }
.item { display: flex; flex-direction: column; gap: .25rem; width: 100%; max-width: 44rem; margin: 0 auto; }
article { white-space: pre-wrap; overflow-wrap: anywhere; }
.user_message { align-items: end; }
.user_message article { padding: .5rem 1rem; background: #8882; border-radius: 1rem; }
.card { padding: 1rem; border: 1px solid #8886; border-radius: .75rem; white-space: normal; }
.card h2 { margin: 0 0 .5rem; font-weight: 600; }
.actions { display: flex; gap: .25rem; }
.actions button { padding: .25rem .5rem; }
.actions [aria-pressed="true"] { outline: 2px solid; }
[aria-busy="true"] .actions { display: none; }
.attachments { display: flex; flex-wrap: wrap; gap: .5rem; }
.attachments li { display: flex; gap: .5rem; align-items: center; padding: .25rem .5rem; border: 1px solid #8886; border-radius: .5rem; }
.attachments img { width: 3rem; height: 3rem; object-fit: cover; }
legend { padding: 0; }
fieldset { margin: 0 0 .75rem; padding: 0; border: 0; }
label { display: block; margin-bottom: .75rem; }
.choice { display: inline-flex; gap: .25rem; align-items: center; margin: .25rem 1rem 0 0; }
.status { margin: 0; padding: .25rem 1rem; color: light-dark(#63636e, #a3a3ad); text-align: center; }
.alert { margin: .25rem 1rem; padding: .5rem 1rem; border: 1px solid #dc2626; border-radius: .5rem; }
.disclaimer { margin: 0 1rem .5rem; font-size: .8rem; text-align: center; }
.composer { padding: .75rem 1rem; width: 100%; max-width: 46rem; margin: 0 auto; }
.composer > div:last-child { display: flex; flex-wrap: wrap; gap: .5rem; }
.composer .attachments { margin-bottom: .5rem; }
.composer label { margin: 0; }
.composer label:focus-within { outline: 2px solid; }
input, select { padding: .5rem .75rem; border: 1px solid #8886; border-radius: .5rem; background: transparent; color: inherit; }
input:not([type=radio], [type=file]) { flex: 1 1 8rem; width: 100%; min-width: 0; }
input::placeholder { color: light-dark(#63636e, #a3a3ad); opacity: 1; }
[type=file] { position: absolute; width: 1px; height: 1px; opacity: 0; }
button, .composer label { padding: .5rem 1rem; border: 0; border-radius: .5rem; background: var(--accent, #444); color: #fff; cursor: pointer; }
form button + button, .card button + button { margin-left: .5rem; }
.composer button { margin: 0; }
button.quiet, .composer label { background: #8883; color: inherit; }
`;
