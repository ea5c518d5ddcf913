import type { Attachment, ComposerOption } from "@openai/chatkit";
import { make, quietButton } from "./make";

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
