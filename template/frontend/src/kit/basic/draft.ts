import type {
  Attachment,
  ComposerOption,
  Entity,
  ModelOption,
  OpenAIChatKit,
  UserMessageContent,
} from "@openai/chatkit";
import { fill, type Words } from "@/kit/words";

/** What `sendUserMessage` takes. */
export type Message = Parameters<OpenAIChatKit["sendUserMessage"]>[0];

/** What `setComposerValue` takes. */
export type ComposerValue = Parameters<OpenAIChatKit["setComposerValue"]>[0];

/** A file of the message that is being written. */
export type DraftFile = {
  /** Unique in this page, also before the server knows the file. */
  key: string;
  name: string;
  /** The address of a picture of it in this page, or null. */
  preview: string | null;
  /** The file as the server knows it, or the file itself while it is being uploaded. */
  attachment: Attachment | null;
  file?: File;
};

/** The message that is being written. An entity stands in the text as `@title`. */
export type Draft = {
  text: string;
  /** The entities that were chosen. Those are sent that still stand in the text. */
  tags: readonly Entity[];
  /** The words to which the message replies. */
  quote: string | null;
  files: readonly DraftFile[];
  toolId: string | null;
  /** Null for the model that the options begin with. */
  modelId: string | null;
};

export const EMPTY: Draft = { text: "", tags: [], quote: null, files: [], toolId: null, modelId: null };

/** Whether there is something to send, and all of it has been uploaded. */
export function isReady({ text, files }: Draft): boolean {
  if (files.some(({ attachment }) => attachment === null)) return false;
  return text.trim() !== "" || files.length > 0;
}

/** Returns what a draft says, ready to be sent. */
export function messageOf(draft: Draft, options: ComposerOption | undefined): Message {
  const model = draft.modelId ?? defaultModel(options?.models)?.id;
  return {
    content: contentOf(draft),
    attachments: uploaded(draft),
    ...(draft.quote && { reply: draft.quote }),
    ...(draft.toolId && { toolChoice: { id: draft.toolId } }),
    ...(model && { model }),
  };
}

/** Returns a draft as another chat takes it, which uploads what is not uploaded yet; null if it is empty. */
export function movable(draft: Draft): ComposerValue | null {
  if (draft.text.trim() === "" && draft.files.length === 0) return null;
  const attachments = uploaded(draft);
  const files = draft.files.flatMap(({ attachment, file }) => (!attachment && file) || []);
  return {
    content: contentOf(draft),
    ...(attachments.length > 0 && { attachments }),
    ...(files.length > 0 && { files }),
    ...(draft.quote && { reply: draft.quote }),
    ...(draft.toolId && { selectedToolId: draft.toolId }),
    ...(draft.modelId && { selectedModelId: draft.modelId }),
  };
}

function uploaded({ files }: Draft): Attachment[] {
  return files.flatMap(({ attachment }) => attachment ?? []);
}

/** Returns the model that is chosen before anybody chooses. */
export function defaultModel(models: ModelOption[] = []): ModelOption | undefined {
  return models.find((one) => one.default && !one.disabled) ?? models.find((one) => !one.disabled);
}

/** Returns what is left of a draft once it is sent. */
export function afterSending(draft: Draft, options: ComposerOption | undefined): Draft {
  const tool = options?.tools?.find(({ id }) => id === draft.toolId);
  return { ...EMPTY, toolId: tool?.persistent ? tool.id : null, modelId: draft.modelId };
}

/** Returns a draft that has come back, and what was written meanwhile. */
export function joined(back: Draft, written: Draft): Draft {
  return {
    text: [back.text, written.text].filter(Boolean).join("\n"),
    tags: [...back.tags, ...written.tags],
    quote: back.quote ?? written.quote,
    files: [...back.files, ...written.files],
    toolId: written.toolId ?? back.toolId,
    modelId: written.modelId,
  };
}

/** Returns a text in which entities stand as `@title`, and these entities. */
export function textOf(content: UserMessageContent[]): Pick<Draft, "text" | "tags"> {
  const text = content.map((part) => (part.type === "input_tag" ? `@${part.text}` : part.text)).join("");
  const tags = content.flatMap((part) => (part.type === "input_tag" ? entityIn(part) : []));
  return { text, tags };
}

/** Returns the entity that a part of a message names. */
export function entityIn(part: Extract<UserMessageContent, { type: "input_tag" }>): Entity {
  const { id, text, group, interactive, data } = part;
  return {
    id,
    title: text,
    ...(group && { group }),
    ...(interactive !== undefined && { interactive }),
    ...(data && { data: data as Record<string, string> }),
  };
}

function contentOf({ text, tags }: Draft): UserMessageContent[] {
  const named = new Map(tags.map((entity) => [`@${entity.title}`, entity]));
  if (named.size === 0) return [{ type: "input_text", text: text.trim() }];
  // Longer names first: one may begin with another.
  const names = [...named.keys()].sort((one, other) => other.length - one.length);
  const pattern = new RegExp(
    `(${names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`,
  );
  return text
    .trim()
    .split(pattern)
    .filter(Boolean)
    .map((part) => {
      const entity = named.get(part);
      if (!entity) return { type: "input_text", text: part };
      const { id, title, group, data = {}, interactive = false } = entity;
      return { type: "input_tag", id, text: title, data, interactive, ...(group !== undefined && { group }) };
    });
}

type AttachmentOptions = NonNullable<ComposerOption["attachments"]>;

const MAX_COUNT = 10;
const MAX_BYTES = 100 * 1024 * 1024;

/** Returns the type of a file. Systems do not know all of them. */
export function typeOf({ type }: File): string {
  return type || "application/octet-stream";
}

/**
 * Says why a file cannot be taken; null if it can.
 *
 * @param count How many files the message has already.
 */
export function refusalOf(
  file: File,
  count: number,
  { maxCount = MAX_COUNT, accept, maxSize }: AttachmentOptions,
  words: Words,
): string | null {
  const { name, size } = file;
  if (count >= maxCount) return fill(words.tooManyFiles, { count: maxCount });
  if (accept && !isAccepted(name, typeOf(file), accept)) return fill(words.fileNotTaken, { name });
  const limit = limitOf(maxSize, typeOf(file));
  return size > limit ? fill(words.fileTooLarge, { name, size: sizeIn(limit) }) : null;
}

function sizeIn(bytes: number): string {
  const megabytes = bytes / 1024 ** 2;
  return megabytes >= 1 ? `${Math.floor(megabytes)} MB` : `${Math.ceil(bytes / 1024)} KB`;
}

function isAccepted(name: string, type: string, accept: Record<string, string[]>): boolean {
  const ending = /\.[^.]+$/.exec(name)?.[0].toLowerCase();
  return Object.entries(accept).some(
    ([pattern, endings]) =>
      matches(type, pattern) &&
      (endings.length === 0 || endings.some((allowed) => allowed.toLowerCase() === ending)),
  );
}

function limitOf(maxSize: AttachmentOptions["maxSize"] = MAX_BYTES, type: string): number {
  if (typeof maxSize === "number") return maxSize;
  const exact = Object.keys(maxSize).find((pattern) => pattern === type);
  const pattern = exact ?? Object.keys(maxSize).find((one) => one.endsWith("/*") && matches(type, one));
  return (pattern && maxSize[pattern]) || maxSize["*"] || maxSize[""] || MAX_BYTES;
}

function matches(type: string, pattern: string): boolean {
  if (pattern === "*/*") return true;
  return pattern === type || (pattern.endsWith("/*") && type.startsWith(pattern.slice(0, -1)));
}
