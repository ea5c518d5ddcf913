/**
 * ChatKit's protocol, as the server speaks it: openai-chatkit, `chatkit/types.py`.
 *
 * @openai/chatkit describes the element's options, events, methods and widgets. What it does not
 * describe is here.
 */
import type { Attachment, ChatKitIcon, UserMessageContent, Widgets } from "@openai/chatkit";

export type Page<T> = { data: T[]; has_more: boolean; after?: string | null };

export type Thread = {
  id: string;
  title?: string | null;
  created_at?: string;
  /** In a thread that is locked or closed nobody can write. */
  status?: { type: "active" | "locked" | "closed"; reason?: string | null };
  /** The hosts whose images may be loaded without asking the person. */
  allowed_image_domains?: string[] | null;
};

export type LoadedThread = Thread & { items: Page<Item> };

/** An item of a thread. Of what the server stores, it sends no hidden context. */
export type Item = { id: string; thread_id: string; created_at?: string } & (
  | UserMessage
  | AssistantMessage
  | {
      type: "client_tool_call";
      status: "pending" | "completed";
      name: string;
      arguments: Json;
      output?: unknown;
    }
  | { type: "widget"; widget: Widget; copy_text?: string | null }
  | { type: "generated_image"; image?: { id: string; url: string } | null; progress?: number | null }
  | StructuredInput
  | { type: "workflow"; workflow: Workflow }
  | { type: "task"; task: Task }
  | { type: "end_of_turn" }
);

export type ItemOf<T extends Item["type"]> = Extract<Item, { type: T }>;

type Json = Record<string, unknown>;

type UserMessage = {
  type: "user_message";
  content: UserMessageContent[];
  attachments?: Attachment[];
  quoted_text?: string | null;
};

type AssistantMessage = { type: "assistant_message"; content: TextPart[] };

/** A part of an answer, in Markdown. */
export type TextPart = { type?: "output_text"; text: string; annotations?: Annotation[] };

/** A reference to a source, after the character at `index`. */
export type Annotation = { type: "annotation"; source: Source; index?: number | null };

type Described = {
  title: string;
  description?: string | null;
  timestamp?: string | null;
  group?: string | null;
};
export type UrlSource = Described & { type: "url"; url: string; attribution?: string | null };
export type FileSource = Described & { type: "file"; filename: string };
export type EntitySource = Described & {
  type: "entity";
  id: string;
  icon?: ChatKitIcon | null;
  label?: string | null;
  inline_label?: string | null;
  interactive?: boolean;
  data?: Record<string, string>;
};
export type Source = UrlSource | FileSource | EntitySource;

export type StructuredInput = {
  type: "structured_input";
  status: "pending" | "answered" | "skipped";
  inputs: Question[];
};
export type Question = {
  id: string;
  question: string;
  answer?: { values: string[]; skipped?: boolean } | null;
} & (
  | { type: "multiple_choice"; options: { value: string }[]; multiple?: boolean }
  | { type: "freeform"; description?: string | null }
);
export type Answers = Record<string, { values: string[]; skipped: boolean }>;

export type Workflow = {
  type: "custom" | "reasoning";
  tasks: Task[];
  summary?: { title: string; icon?: ChatKitIcon | null } | { duration: number } | null;
  expanded?: boolean;
};
export type Task = { status_indicator?: "none" | "loading" | "complete"; title?: string | null } & (
  | { type: "custom"; icon?: ChatKitIcon | null; content?: string | null }
  | { type: "web_search"; title_query?: string | null; queries?: string[]; sources?: UrlSource[] }
  | { type: "thought"; content: string }
  | { type: "file"; sources?: FileSource[] }
  | { type: "image" }
);

/** How deep the parts of a widget are shown and changed. No sensible widget is deeper. */
export const DEEPEST = 64;

export type Widget = Widgets.Card | Widgets.ListView | Widgets.BasicRoot;

/** What a click in a widget asks for. */
export type Action = {
  type: string;
  payload?: Json;
  /** Who does it; the server by default. */
  handler?: "server" | "client";
  /** What shows that it is being done: the part that was clicked, the whole widget, or nothing. */
  loadingBehavior?: "auto" | "self" | "container" | "none";
  /** Whether the server answers with a stream, as by default, or with the new widget. */
  streaming?: boolean;
};

type Parts = "assistant_message.content_part";

/** A change to an item that is being streamed. */
export type Update =
  | { type: `${Parts}.added` | `${Parts}.done`; content_index: number; content: TextPart }
  | { type: `${Parts}.text_delta`; content_index: number; delta: string }
  | {
      type: `${Parts}.annotation_added`;
      content_index: number;
      annotation_index: number;
      annotation: Annotation;
    }
  | { type: "widget.streaming_text.value_delta"; component_id: string; delta: string; done: boolean }
  | { type: "widget.component.updated"; component_id: string; component: Widgets.WidgetComponent }
  | { type: "widget.root.updated"; widget: Widget }
  | { type: "workflow.task.added" | "workflow.task.updated"; task_index: number; task: Task }
  | { type: "generated_image.updated"; image: { id: string; url: string }; progress?: number | null };

export type Progress = { text: string; icon?: ChatKitIcon | null };
/** A message to the person, in Markdown. */
export type Notice = { level: "info" | "warning" | "danger"; title?: string | null; message: string };

export type StreamEvent =
  | { type: "thread.created" | "thread.updated"; thread: Thread }
  | { type: "thread.item.added" | "thread.item.done" | "thread.item.replaced"; item: Item }
  | { type: "thread.item.updated"; item_id: string; update: Update }
  | { type: "thread.item.removed"; item_id: string }
  | { type: "stream_options"; stream_options: { allow_cancel: boolean } }
  | ({ type: "progress_update" } & Progress)
  | { type: "client_effect"; name: string; data?: Json }
  | ({ type: "notice" } & Notice)
  | { type: "error"; message?: string | null; allow_retry?: boolean };

export type Feedback = "positive" | "negative";
