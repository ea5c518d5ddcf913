/**
 * A STAND-IN for `<openai-chatkit>`, made for the tests of this project's page.
 *
 * OpenAI serves the real element only from its CDN. It can be neither bundled nor pinned, and tests
 * without network access cannot load it. This one has the same public methods, options and events
 * (TypeScript checks them against @openai/chatkit), and sends the server the same requests. It
 * looks nothing like the real one.
 */
import type {
  Attachment,
  ChatKitEvents,
  ChatKitOptions,
  CustomApiConfig,
  OpenAIChatKit,
} from "@openai/chatkit";
import {
  type Action,
  chosenFailure,
  type Draft,
  errorNamed,
  FAILURES,
  type Failure,
  Frame,
  type FrameHands,
  type Message,
} from "./frame";
import { Conversation, type Item, type Page, type StreamEvent, type Thread, upload, Wire } from "./wire";

const HISTORY_LIMIT = 9999;
// The real element loads a frame before it is ready, so the page must not expect it to be ready at
// once.
const START_MS = 50;

/** How the real element reports a conversation that it cannot load. */
type Wording = { name: string; words: string };
const INITIAL: Wording = { name: "InitialThreadLoadError", words: "Failed to load initial thread: " };
const CHOSEN: Wording = { name: "HistoryViewError", words: "Failed to load conversation: " };

class StandInChatKit extends HTMLElement implements Omit<OpenAIChatKit, keyof HTMLElement> {
  #options: ChatKitOptions | null = null;
  #wire: Wire | null = null;
  #thread: Thread | null = null;
  #conversation = new Conversation();
  #running: AbortController | null = null;
  #hands: FrameHands = {
    start: (prompt) =>
      this.sendUserMessage(typeof prompt === "string" ? { text: prompt } : { content: prompt }),
    say: (message) => this.sendUserMessage(message),
    open: (threadId) => this.setThreadId(threadId),
    openHistory: () => this.showHistory(),
    rename: (thread, title) => this.#rename(thread, title),
    deleteThread: (thread) => this.#delete(thread),
    stop: () => this.#running?.abort(),
    act: (action, item) => {
      if (action.handler === "client") this.#options?.widgets?.onAction?.(action, item);
      else if (action.streaming === false) this.#switch(action, item.id);
      else this.sendCustomAction(action, item.id);
    },
    answer: ({ id, thread_id }, status, answers) =>
      this.#run("threads.add_structured_input", { thread_id, item_id: id, input: { status, answers } }),
    judge: async ({ id, thread_id }, kind) =>
      (await this.#ask("items.feedback", { thread_id, item_ids: [id], kind })) !== null,
    retry: (item) => this.#retry(item),
    upload: (file) => this.#upload(file),
    discard: ({ id }) => this.#ask("attachments.delete", { attachment_id: id }),
    transcribe: (speech) => this.#transcribe(speech),
    chooseTool: (toolId) => this.#emit("chatkit.tool.change", { toolId }),
    warn: (message) => this.#frame.warn(message),
  };
  #frame = new Frame(this, this.#hands);

  disconnectedCallback(): void {
    this.#running?.abort();
  }

  setOptions(options: ChatKitOptions): void {
    const isFirst = this.#options === null;
    this.#options = options;
    const api = options.api as Partial<CustomApiConfig>;
    const failure: Failure | null = api.url && api.domainKey ? chosenFailure() : FAILURES.refusesOptions;
    if (isFirst) setTimeout(() => this.#begin(options, failure), START_MS);
    this.#wire = new Wire(api.url ?? "", api.fetch ?? ((...request) => fetch(...request)), (type) =>
      this.#emit("chatkit.log", { name: "request", data: { type } }),
    );
    this.#frame.apply(options);
  }

  async focusComposer(): Promise<void> {
    this.#frame.composer.focus();
  }

  async setComposerValue(draft: Draft): Promise<void> {
    await this.#frame.composer.write(draft);
  }

  async setThreadId(threadId: string | null): Promise<void> {
    await this.#open(threadId, CHOSEN);
  }

  async #open(threadId: string | null, wording: Wording): Promise<void> {
    this.#running?.abort();
    this.#turn(null);
    this.hideHistory();
    this.#show(null);
    this.#emit("chatkit.thread.change", { threadId });
    if (threadId) await this.#load(threadId, wording);
  }

  async sendUserMessage(message: Message): Promise<void> {
    if (message.newThread) await this.setThreadId(null);
    this.hideHistory();
    const input = {
      content: message.content ?? [{ type: "input_text", text: message.text ?? "" }],
      quoted_text: message.reply ?? null,
      attachments: message.attachments?.map(({ id }) => id) ?? [],
      inference_options: { tool_choice: message.toolChoice ?? null, model: message.model ?? null },
    };
    if (this.#thread) await this.#run("threads.add_user_message", { thread_id: this.#thread.id, input });
    else await this.#run("threads.create", { input });
  }

  async sendCustomAction(action: Action, itemId?: string): Promise<void> {
    const params = { thread_id: this.#thread?.id, item_id: itemId ?? null, action };
    await this.#run("threads.custom_action", params);
  }

  async showHistory(): Promise<void> {
    this.#emit("chatkit.history.open", undefined);
    await this.#list();
  }

  async hideHistory(): Promise<void> {
    if (!this.#frame.history.isOpen) return;
    this.#frame.history.hide();
    this.#emit("chatkit.history.close", undefined);
  }

  async fetchUpdates(): Promise<void> {
    if (this.#thread) await this.#load(this.#thread.id, CHOSEN);
  }

  #begin({ initialThread }: ChatKitOptions, failure: Failure | null): void {
    if (!failure || failure.isReady) this.#emit("chatkit.ready", undefined);
    if (failure?.error) this.#fail(errorNamed(failure.error.name, failure.error.message));
    if (failure?.leaves) this.shadowRoot?.querySelector(":not(style)")?.remove();
    if (!failure && initialThread) this.#open(initialThread, INITIAL);
  }

  async #list(): Promise<void> {
    const page = await this.#ask<Page<Thread>>("threads.list", { limit: HISTORY_LIMIT, order: "desc" });
    if (page) this.#frame.history.show(page.data);
  }

  async #rename({ id }: Thread, title: string): Promise<void> {
    const thread = await this.#ask<Thread>("threads.update", { thread_id: id, title });
    if (thread && this.#thread?.id === id) this.#name(thread);
    await this.#list();
  }

  async #delete({ id }: Thread): Promise<void> {
    const deleted = await this.#ask("threads.delete", { thread_id: id });
    if (deleted && this.#thread?.id === id) await this.setThreadId(null);
    await this.#list();
  }

  async #load(threadId: string, wording: Wording): Promise<void> {
    this.#emit("chatkit.thread.load.start", { threadId });
    const named: object = { thread_id: threadId };
    const thread = await this.#ask<Thread & { items: Page<Item> }>("threads.get_by_id", named, wording);
    if (!thread) return;
    this.#show(thread);
    let page: Page<Item> | null = thread.items;
    while (page) {
      for (const item of page.data) this.#put(item);
      const rest: object = { thread_id: threadId, after: page.after, order: "asc", limit: HISTORY_LIMIT };
      page = page.has_more ? await this.#ask<Page<Item>>("items.list", rest) : null;
    }
    this.#emit("chatkit.thread.load.end", { threadId });
  }

  async #upload(file: File): Promise<Attachment> {
    const api = this.#options?.api as CustomApiConfig | undefined;
    if (!this.#wire || !api?.uploadStrategy) throw new Error("Attachments need api.uploadStrategy.");
    return upload(this.#wire, api.uploadStrategy, file);
  }

  async #transcribe(speech: Blob): Promise<string | null> {
    const bytes = new Uint8Array(await speech.arrayBuffer());
    const audio = { audio_base64: btoa(String.fromCharCode(...bytes)), mime_type: speech.type };
    return (await this.#ask<{ text: string }>("input.transcribe", audio))?.text ?? null;
  }

  async #ask<T = object>(type: string, params: object, wording?: Wording): Promise<T | null> {
    try {
      return (await this.#wire?.ask<T>(type, params)) ?? null;
    } catch (error) {
      const { message } = error as Error;
      this.#fail(wording ? errorNamed(wording.name, wording.words + message) : (error as Error));
      return null;
    }
  }

  /** Asks for a new version of a widget, without a turn. */
  async #switch({ type, payload }: Action, itemId: string): Promise<void> {
    const params = { thread_id: this.#thread?.id, item_id: itemId, action: { type, payload } };
    const answer = await this.#ask<{ updated_item?: Item | null }>("threads.sync_custom_action", params);
    if (answer?.updated_item) this.#put(answer.updated_item);
  }

  /**
   * Asks for a new answer to a message. The server removes what follows, but sends no events about
   * it.
   */
  async #retry(item: Item): Promise<void> {
    const question = this.#conversation.questionOf(item);
    if (!question || this.#running) return;
    for (const { id } of this.#conversation.after(question)) this.#remove(id);
    await this.#run("threads.retry_after_item", { thread_id: item.thread_id, item_id: question.id });
  }

  /** Runs a turn, until its stream ends, the person presses Stop, or something fails. */
  async #run(type: string, params: object): Promise<void> {
    if (!this.#wire || this.#running) return;
    const running = new AbortController();
    this.#turn(running);
    this.#emit("chatkit.response.start", undefined);
    try {
      for await (const event of this.#wire.stream(type, params, running.signal)) this.#take(event);
    } catch (error) {
      if (!running.signal.aborted) this.#fail(error as Error);
    }
    if (this.#running === running) this.#turn(null);
    this.#emit("chatkit.response.end", undefined);
    if (!running.signal.aborted) await this.#runClientTool();
  }

  #turn(running: AbortController | null): void {
    this.#running = running;
    this.#frame.turn(running !== null);
  }

  #take(event: StreamEvent): void {
    switch (event.type) {
      case "thread.created":
        this.#show(event.thread);
        this.#emit("chatkit.thread.change", { threadId: event.thread.id });
        break;
      case "thread.updated":
        this.#name(event.thread);
        break;
      case "thread.item.added":
      case "thread.item.done":
      case "thread.item.replaced":
        this.#put(event.item);
        break;
      case "thread.item.updated":
        this.#put(this.#conversation.update(event.item_id, event.update));
        break;
      case "thread.item.removed":
        this.#remove(event.item_id);
        break;
      case "stream_options":
        this.#frame.composer.allowStop(event.stream_options.allow_cancel);
        break;
      case "progress_update":
        this.#frame.progress(event.text);
        break;
      case "client_effect":
        this.#emit("chatkit.effect", { name: event.name, data: event.data });
        break;
      case "notice":
        this.#frame.warn([event.title, event.message].filter(Boolean).join(": "));
        break;
      case "error":
        this.#fail(new Error(event.message ?? "An error occurred"));
        break;
    }
  }

  async #runClientTool(): Promise<void> {
    const call = this.#conversation.last;
    if (call?.type !== "client_tool_call" || call.status !== "pending") return;
    const result = await this.#options?.onClientTool?.({ name: call.name, params: call.arguments });
    await this.#run("threads.add_client_tool_output", { thread_id: call.thread_id, result });
  }

  #show(thread: Thread | null): void {
    this.#conversation = new Conversation();
    this.#frame.clear(thread === null);
    this.#name(thread);
  }

  #name(thread: Thread | null): void {
    this.#thread = thread;
    this.#frame.name(thread?.title ?? "");
  }

  #put(item: Item): void {
    this.#conversation.put(item);
    this.#frame.put(item);
  }

  #remove(id: string): void {
    this.#conversation.remove(id);
    this.#frame.remove(id);
  }

  #fail(error: Error): void {
    this.#frame.warn(error.message);
    this.#emit("chatkit.error", { error });
  }

  #emit<K extends keyof ChatKitEvents>(type: K, detail: ChatKitEvents[K]["detail"]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("openai-chatkit", StandInChatKit);
