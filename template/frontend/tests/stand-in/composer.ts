import type { Attachment, ComposerOption, OpenAIChatKit } from "@openai/chatkit";
import { type AttachmentHands, AttachmentTray } from "./attachments";
import { Dictation } from "./dictation";
import { make } from "./make";
import { Picker } from "./picker";

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
