import type { Attachment, ComposerOption, OpenAIChatKit } from "@openai/chatkit";

/** Makes an element: its properties, then what is in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes a button that is not the main one. */
export function quietButton(
  label: string,
  onclick: () => void,
  properties: Partial<HTMLButtonElement> = {},
): HTMLButtonElement {
  return make("button", { type: "button", className: "quiet", onclick, ...properties }, label);
}

export type Message = Parameters<OpenAIChatKit["sendUserMessage"]>[0];
export type Draft = Parameters<OpenAIChatKit["setComposerValue"]>[0];

/** What the composer needs of the others. */
export interface ComposerHands extends AttachmentHands {
  say(message: Message): void;
  stop(): void;
  chooseTool(toolId: string | null): void;
  /** Resolves to what was said; null when that cannot be had, which is told. */
  transcribe(speech: Blob): Promise<string | null>;
}

/** Where a person writes: the text, its files, and which model and tool it is for. */
export class Composer {
  readonly element: HTMLFormElement;
  private readonly tray: AttachmentTray;
  private readonly models: Picker;
  private readonly tools: Picker;
  private readonly dictation: Dictation;
  private readonly input = make("input", { autocomplete: "off" });
  private readonly send = make("button", { type: "submit" }, "Send");
  private readonly stop: HTMLButtonElement;
  private options: ComposerOption = {};

  constructor(private readonly hands: ComposerHands) {
    this.tray = new AttachmentTray(hands);
    this.models = new Picker("Model", null, () => {});
    this.tools = new Picker("Tool", "No tool", (id) => this.changeTool(id));
    this.dictation = new Dictation(async (speech) => {
      this.input.value += (await hands.transcribe(speech)) ?? "";
    });
    this.stop = make("button", { type: "button", hidden: true, onclick: () => hands.stop() }, "Stop");
    const { picker, list } = this.tray;
    this.element = make(
      "form",
      { className: "composer", onsubmit: this.submit },
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

  apply(options: ComposerOption = {}): void {
    this.options = options;
    this.tray.apply(options.attachments);
    this.models.offer(options.models);
    this.tools.offer(options.tools);
    this.dictation.button.hidden = !options.dictation?.enabled;
    this.showPlaceholder();
  }

  /** Begins or ends a turn: while the server answers there is Stop in the place of Send. */
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
    this.hands.say({ text, attachments, ...(tool && { toolChoice: { id: tool } }), ...(model && { model }) });
    if (tool && !this.options.tools?.find(({ id }) => id === tool)?.persistent) {
      this.tools.choose(null);
      this.changeTool(null);
    }
  };
}

type Options = NonNullable<ComposerOption["attachments"]>;

const MAX_COUNT = 10;
const MAX_BYTES = 100 * 1024 * 1024;

// The real element's frame has a policy for images of its own.
const LOADED_BY_THE_FRAME = /^(https|data|blob):/;

/** What the tray of files needs of the others. */
export interface AttachmentHands {
  upload(file: File): Promise<Attachment>;
  discard(attachment: Attachment): void;
  warn(message: string): void;
}

/** Draws files: images as pictures, others by their names. */
export function drawAttachments(
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
export class AttachmentTray {
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

  /** Uploads files that the person has chosen; what cannot be had is told. */
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

  /** Shows a file that is uploaded already. */
  put(attachment: Attachment): void {
    this.attachments.push(attachment);
    this.draw();
  }

  /** Hands the files over and forgets them. */
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
export class Dictation {
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

/** Something that can be chosen, as the options name it. */
export type Choice = { id: string; label: string; disabled?: boolean; default?: boolean };

/** A list to choose from, which is there only when there is something to choose. */
export class Picker {
  readonly element: HTMLSelectElement;
  private offered = "";

  /**
   * @param label What it is called.
   * @param none What is called to choose nothing, where that is possible.
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

  /** Offers choices; what is chosen stays so while the choices are the same. */
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
