import type { Attachment, FileUploadStrategy, UserMessageContent, Widgets } from "@openai/chatkit";

/** An item that the server sends, with the fields that the stand-in shows. */
export type Item = { id: string; thread_id: string } & (
  | { type: "user_message"; content: UserMessageContent[]; attachments?: Attachment[] }
  | { type: "assistant_message"; content: { text: string }[] }
  | { type: "widget"; widget: Widget }
  | { type: "client_tool_call"; status: string; name: string; arguments: Record<string, unknown> }
  | { type: "structured_input"; status: string; inputs: Question[] }
  | { type: "workflow"; workflow: { summary?: { title?: string } | null; tasks: Task[] } }
  | { type: "end_of_turn" }
);

export type Widget = Widgets.Card | Widgets.ListView | Widgets.BasicRoot;
export type Task = { title?: string | null };
export type Question = {
  id: string;
  question: string;
  options?: { value: string }[];
  answer?: { values: string[] } | null;
};
export type Thread = { id: string; title?: string | null };
export type Page<T> = { data: T[]; has_more: boolean; after?: string | null };

export type Update =
  | { type: "assistant_message.content_part.added"; content_index: number; content: { text: string } }
  | { type: "assistant_message.content_part.text_delta"; content_index: number; delta: string }
  | { type: "assistant_message.content_part.done"; content_index: number; content: { text: string } }
  | { type: "widget.root.updated"; widget: Widget }
  | { type: "workflow.task.added" | "workflow.task.updated"; task_index: number; task: Task };

export type StreamEvent =
  | { type: "thread.created" | "thread.updated"; thread: Thread }
  | { type: "thread.item.added" | "thread.item.done" | "thread.item.replaced"; item: Item }
  | { type: "thread.item.updated"; item_id: string; update: Update }
  | { type: "thread.item.removed"; item_id: string }
  | { type: "stream_options"; stream_options: { allow_cancel: boolean } }
  | { type: "progress_update"; text: string }
  | { type: "client_effect"; name: string; data: Record<string, unknown> }
  | { type: "notice"; level: string; title?: string | null; message: string }
  | { type: "error"; message?: string | null };

const POSTED_AGAIN = 5;

/** Sends the requests of ChatKit's element. All go to one address, and differ in their type. */
export class Wire {
  /**
   * @param fetch Sends all requests, including uploads.
   * @param log Called with the type of each request.
   */
  constructor(
    private readonly url: string,
    readonly fetch: typeof globalThis.fetch,
    private readonly log: (type: string) => void,
  ) {}

  /**
   * Sends a request that is answered with JSON.
   *
   * @throws {Error} The server refused the request. The error has the server's message.
   */
  async ask<T>(type: string, params: object): Promise<T> {
    const response = await this.post(type, params);
    if (!response.ok) throw await refusal(response);
    return response.json();
  }

  /**
   * Sends a request that is answered with a stream, and yields the events as they arrive.
   *
   * Like the real element, it posts a request again if the server fails. So a server must not
   * answer 5xx.
   *
   * @throws {Error} The server refused the request, or failed six times.
   */
  async *stream(type: string, params: object, signal: AbortSignal): AsyncGenerator<StreamEvent> {
    for (let again = 0; ; again++) {
      const response = await this.post(type, params, signal);
      if (isEventStream(response)) return yield* eventsOf(response);
      if ((response.status >= 400 && response.status < 500) || again === POSTED_AGAIN) {
        throw await refusal(response);
      }
    }
  }

  private post(type: string, params: object, signal: AbortSignal | null = null): Promise<Response> {
    this.log(type);
    return this.fetch(this.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type, params }),
      signal,
    });
  }
}

function isEventStream(response: Response): boolean {
  return response.ok && (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
}

/** The error for a refused request, with the server's message. */
export async function refusal(response: Response): Promise<Error> {
  const answer: { message?: string } | null = await response.json().catch(() => null);
  return new Error(answer?.message ?? `The server answered ${response.status}.`);
}

/**
 * Every blank line ends an event. As in the real element, an event without data breaks the stream.
 */
async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = "";
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    const lines = (rest + read.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
      if (line.startsWith("data:")) data += line.slice("data:".length);
      if (line !== "") continue;
      yield JSON.parse(data);
      data = "";
    }
  }
}

type Announced = Attachment & {
  upload_descriptor: { url: string; method: string; headers?: Record<string, string> };
};

/**
 * Uploads a file in one request, or in two: then the answer to the first says where to send the
 * file.
 *
 * @throws {Error} The server refused the file. The error has the server's message.
 */
export async function upload(wire: Wire, strategy: FileUploadStrategy, file: File): Promise<Attachment> {
  if (strategy.type === "direct") {
    const response = await send(wire, strategy.uploadUrl, { method: "POST" }, file);
    return response.json();
  }
  const about = { name: file.name, size: file.size, mime_type: file.type };
  const announced = await wire.ask<Announced>("attachments.create", about);
  const { url, method, headers = {} } = announced.upload_descriptor;
  await send(wire, url, { method, headers }, file);
  return announced;
}

async function send(wire: Wire, url: string, request: RequestInit, file: File): Promise<Response> {
  const body = new FormData();
  body.append("file", file);
  const response = await wire.fetch(url, { ...request, body });
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The items of a thread, oldest first, built from the events of its streams. */
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
   * Updates an item while it is being streamed.
   *
   * @throws {Error} The server has never added the item.
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
