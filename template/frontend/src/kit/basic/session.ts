import type {
  Attachment,
  ChatKitEvents,
  ChatKitOptions,
  CustomApiConfig,
  OpenAIChatKit,
} from "@openai/chatkit";
import { questionBefore, updated, withItem } from "@/kit/basic/conversation";
import * as drafts from "@/kit/basic/draft";
import type {
  Action,
  Answers,
  Feedback,
  Item,
  ItemOf,
  LoadedThread,
  Notice,
  Page,
  Progress,
  StreamEvent,
  Thread,
} from "@/kit/basic/protocol";
import { Refusal, Wire } from "@/kit/basic/wire";
import type { Words } from "@/kit/words";

/** What the basic chat shows. */
export type State = {
  /** The open conversation; null before the first message. */
  thread: Thread | null;
  /** Oldest first. */
  items: readonly Item[];
  /** Whether a conversation is being opened. */
  isLoading: boolean;
  /** Whether an answer is being written. */
  isRunning: boolean;
  canStop: boolean;
  progress: Progress | null;
  error: { message: string; mayRetry: boolean } | null;
  notices: readonly Notice[];
  isHistoryOpen: boolean;
  /** The conversations, newest first; null while they load. */
  threads: readonly Thread[] | null;
  /** What the person has said of answers, by the ids of their items. */
  feedback: Readonly<Record<string, Feedback>>;
  /** The widgets whose actions are being done. */
  busyItems: readonly string[];
  draft: drafts.Draft;
};

type Emit = <K extends keyof ChatKitEvents>(type: K, detail: ChatKitEvents[K]["detail"]) => void;
type Params = Record<string, unknown>;

/** The methods of ChatKit's element. */
export type Methods = Omit<OpenAIChatKit, keyof HTMLElement | "setOptions">;

const NOTHING_OPEN = {
  thread: null,
  items: [],
  isLoading: false,
  progress: null,
  error: null,
  notices: [],
} satisfies Partial<State>;

// The element asks for so many at once, too.
const LIMIT = 9999;

/** The id of a message that the server has not taken yet. */
const UNSENT = "unsent";

/** How ChatKit's element reports a conversation that it cannot load. */
type Wording = { name: string; words: string };
const INITIAL: Wording = { name: "InitialThreadLoadError", words: "Failed to load initial thread: " };
const CHOSEN: Wording = { name: "HistoryViewError", words: "Failed to load conversation: " };

/** A person's conversation with the server: what is shown of it, and all that can be done. */
export class Session implements Methods {
  /** What has the focus when somebody wants to write. The composer puts itself here. */
  composer: { focus: () => void } | null = null;
  #state: State = {
    ...NOTHING_OPEN,
    isRunning: false,
    canStop: true,
    isHistoryOpen: false,
    threads: null,
    feedback: {},
    busyItems: [],
    draft: drafts.EMPTY,
  };
  #options: ChatKitOptions | null = null;
  #running: AbortController | null = null;
  #files = 0;
  readonly #listeners = new Set<() => void>();

  /**
   * @param emit Called with what ChatKit's element would dispatch.
   * @param words Returns the texts in the person's language.
   */
  constructor(
    private readonly emit: Emit,
    private readonly words: () => Words,
  ) {}

  get state(): State {
    return this.#state;
  }

  /** Calls a function at each change of the state. Returns a function that ends it. */
  readonly subscribe = (onChange: () => void): (() => void) => {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  };

  /** Takes the options. With the first ones the chat starts. */
  configure(options: ChatKitOptions): void {
    const isFirst = this.#options === null;
    this.#options = options;
    if (!isFirst) return;
    this.emit("chatkit.ready", undefined);
    if (options.initialThread) this.#open(options.initialThread, INITIAL);
  }

  /** Ends what is running. The page is being left, or shows another chat. */
  close(): void {
    this.#running?.abort();
  }

  async focusComposer(): Promise<void> {
    this.composer?.focus();
  }

  async setThreadId(threadId: string | null): Promise<void> {
    await this.#open(threadId, CHOSEN);
  }

  async sendUserMessage(message: drafts.Message): Promise<void> {
    await this.#send(message);
  }

  async setComposerValue(given: Parameters<OpenAIChatKit["setComposerValue"]>[0]): Promise<void> {
    const { text, content, reply, attachments, files, selectedToolId, selectedModelId } = given;
    this.write({
      ...(content && drafts.textOf(content)),
      ...(text !== undefined && { text }),
      ...(reply !== undefined && { quote: reply }),
      ...(attachments && { files: attachments.map((attachment) => this.#file(attachment)) }),
      ...(selectedModelId && { modelId: selectedModelId }),
    });
    if (selectedToolId !== undefined) this.chooseTool(selectedToolId);
    if (files) await this.attach(files);
  }

  async sendCustomAction(action: Action, itemId?: string): Promise<void> {
    const params = this.#actionParams(action, itemId);
    if (params) await this.#run("threads.custom_action", params);
  }

  async showHistory(): Promise<void> {
    this.#set({ isHistoryOpen: true });
    this.emit("chatkit.history.open", undefined);
    await this.#list();
  }

  async hideHistory(): Promise<void> {
    if (!this.state.isHistoryOpen) return;
    this.#set({ isHistoryOpen: false });
    this.emit("chatkit.history.close", undefined);
  }

  async fetchUpdates(): Promise<void> {
    if (this.state.thread && !this.#running) await this.#load(this.state.thread.id, CHOSEN);
  }

  /** Changes the message that is being written. */
  write(change: Partial<drafts.Draft>): void {
    this.#set({ draft: { ...this.state.draft, ...change } });
  }

  /** Chooses a tool for the next message; null chooses none. */
  chooseTool(toolId: string | null): void {
    this.write({ toolId });
    this.emit("chatkit.tool.change", { toolId });
  }

  /** Sends the message that is being written. If the server does not take it, it is there again. */
  async submit(): Promise<void> {
    const { draft } = this.state;
    if (this.#running || !drafts.isReady(draft)) return;
    const { composer } = this.#options ?? {};
    const after = drafts.afterSending(draft, composer);
    this.write(after);
    const left = this.state.draft;
    if (after.toolId !== draft.toolId) this.emit("chatkit.tool.change", { toolId: after.toolId });
    const isTaken = await this.#send(drafts.messageOf(draft, composer));
    if (isTaken) for (const { preview } of draft.files) preview && URL.revokeObjectURL(preview);
    else if (this.state.draft === left) this.write(draft);
  }

  /** Uploads files, and adds them to the message that is being written. */
  async attach(files: readonly File[]): Promise<void> {
    await Promise.all(files.map((file) => this.#attach(file)));
  }

  /** Takes a file out of the message that is being written. */
  async detach(key: string): Promise<void> {
    const { files } = this.state.draft;
    const file = files.find((one) => one.key === key);
    this.write({ files: files.filter((one) => one !== file) });
    if (file?.preview) URL.revokeObjectURL(file.preview);
    if (file?.attachment) await this.#ask("attachments.delete", { attachment_id: file.attachment.id });
  }

  /** Returns the words of some speech; null after an error, which is shown. */
  async transcribe(speech: Blob): Promise<string | null> {
    const audio = { audio_base64: await base64(speech), mime_type: speech.type };
    return (await this.#ask<{ text: string }>("input.transcribe", audio))?.text ?? null;
  }

  /** Stops the answer that is being written. */
  stop(): void {
    this.#running?.abort();
  }

  /** Asks for a new answer to the message that an item answers. */
  async retry(item: Pick<Item, "id">): Promise<void> {
    const question = questionBefore(this.state.items, item);
    if (!question || this.#running) return;
    // The server removes what follows, and sends no events about it.
    const index = this.state.items.indexOf(question);
    this.#set({ items: this.state.items.slice(0, index + 1) });
    const { id, thread_id } = question;
    await this.#run("threads.retry_after_item", { thread_id, item_id: id });
  }

  /** Asks for a new answer to the last message. */
  async retryLast(): Promise<void> {
    const last = this.state.items.at(-1);
    if (last) await this.retry(last);
  }

  /** Tells the server whether an answer is good. */
  async judge({ id, thread_id }: Item, kind: Feedback): Promise<void> {
    const isTaken = await this.#ask("items.feedback", { thread_id, item_ids: [id], kind });
    if (isTaken) this.#set({ feedback: { ...this.state.feedback, [id]: kind } });
  }

  /** Does what a click in a widget asks for. */
  async act(action: Action, item: ItemOf<"widget">): Promise<void> {
    const { busyItems } = this.state;
    if (action.loadingBehavior === "none") return this.#act(action, item);
    this.#set({ busyItems: [...busyItems, item.id] });
    try {
      await this.#act(action, item);
    } finally {
      const index = this.state.busyItems.indexOf(item.id);
      this.#set({ busyItems: this.state.busyItems.filter((_, other) => other !== index) });
    }
  }

  /** Answers the questions of a form, or skips them. */
  async answer(
    { id, thread_id }: ItemOf<"structured_input">,
    status: "answered" | "skipped",
    answers: Answers,
  ): Promise<void> {
    await this.#run("threads.add_structured_input", { thread_id, item_id: id, input: { status, answers } });
  }

  /** Gives a conversation another title. */
  async rename({ id }: Thread, title: string): Promise<void> {
    const renamed = await this.#ask<Thread>("threads.update", { thread_id: id, title });
    if (renamed && this.state.thread?.id === id) this.#set({ thread: { ...this.state.thread, title } });
    await this.#list();
  }

  /** Deletes a conversation. */
  async deleteThread({ id }: Thread): Promise<void> {
    const deleted = await this.#ask("threads.delete", { thread_id: id });
    if (deleted && this.state.thread?.id === id) await this.#leave(null);
    await this.#list();
  }

  /** Removes the error and the notices. */
  dismiss(): void {
    this.#set({ error: null, notices: [] });
  }

  /** Says that a link of the form `chatkit-link://name` was clicked. */
  deeplink(name: string, data: Record<string, string>): void {
    this.emit("chatkit.deeplink", { name, data });
  }

  async #open(threadId: string | null, wording: Wording): Promise<void> {
    await this.hideHistory();
    await this.#leave(threadId);
    if (threadId) await this.#load(threadId, wording);
  }

  /** Shows nothing of the conversation that is open until now. */
  async #leave(threadId: string | null): Promise<void> {
    this.#running?.abort();
    this.#running = null;
    this.#set({ ...NOTHING_OPEN, isRunning: false, isLoading: threadId !== null });
    this.emit("chatkit.thread.change", { threadId });
  }

  /** Loads a conversation as it is by now, and shows it when all of it is there. */
  async #load(threadId: string, wording: Wording): Promise<void> {
    this.emit("chatkit.thread.load.start", { threadId });
    const before = this.state.thread;
    const loaded = await this.#loaded(threadId, wording);
    // Meanwhile the person may have opened another one, or asked something.
    if (this.state.thread !== before || this.#running) return;
    if (!loaded) return this.#set({ isLoading: false });
    this.#set({ ...loaded, isLoading: false });
    this.emit("chatkit.thread.load.end", { threadId });
  }

  async #loaded(threadId: string, wording: Wording): Promise<Pick<State, "thread" | "items"> | null> {
    const found = await this.#ask<LoadedThread>("threads.get_by_id", { thread_id: threadId }, wording);
    if (!found) return null;
    const { items: first, ...thread } = found;
    const items = [...first.data];
    for (let page: Page<Item> | null = first; page?.has_more; ) {
      const rest: Params = { thread_id: threadId, after: page.after, order: "asc", limit: LIMIT };
      page = await this.#ask<Page<Item>>("items.list", rest, wording);
      if (!page) return null;
      items.push(...page.data);
    }
    return { thread, items };
  }

  async #list(): Promise<void> {
    const page = await this.#ask<Page<Thread>>("threads.list", { limit: LIMIT, order: "desc" });
    this.#set({ threads: page?.data ?? this.state.threads ?? [] });
  }

  /** Sends a message. Returns whether the server has taken it. */
  async #send(message: drafts.Message): Promise<boolean> {
    if (message.newThread) await this.setThreadId(null);
    await this.hideHistory();
    const { attachments = [], reply, toolChoice, model } = message;
    const content = message.content ?? [{ type: "input_text" as const, text: message.text ?? "" }];
    const thread_id = this.state.thread?.id;
    const input = {
      content,
      quoted_text: reply ?? null,
      attachments: attachments.map(({ id }) => id),
      inference_options: { tool_choice: toolChoice ?? null, model: model ?? null },
    };
    const params = thread_id ? { thread_id, input } : { input };
    await this.#run(thread_id ? "threads.add_user_message" : "threads.create", params, {
      id: UNSENT,
      thread_id: thread_id ?? "",
      type: "user_message",
      content,
      attachments,
      quoted_text: reply ?? null,
    });
    const isTaken = this.state.items.every(({ id }) => id !== UNSENT);
    if (!isTaken) this.#set({ items: this.state.items.filter(({ id }) => id !== UNSENT) });
    return isTaken;
  }

  /**
   * Runs a turn, until its stream ends, the person presses Stop, or something fails.
   *
   * @param question The message to show until the server has taken it.
   */
  async #run(type: string, params: Params, question?: Item): Promise<void> {
    if (this.#running) return this.#warn(this.words().writing);
    const running = new AbortController();
    this.#running = running;
    const { items } = this.state;
    this.#set({
      isRunning: true,
      canStop: true,
      error: null,
      notices: [],
      items: [...items, ...(question ? [question] : [])],
    });
    this.emit("chatkit.response.start", undefined);
    try {
      for await (const event of this.#wire().stream(type, params, running.signal)) {
        if (this.#running === running) this.#take(event);
      }
    } catch (error) {
      if (!running.signal.aborted) this.#fail(error as Error, !(error instanceof Refusal));
    }
    const isOpen = this.#running === running;
    if (isOpen) {
      this.#running = null;
      this.#set({ isRunning: false, progress: null });
    }
    this.emit("chatkit.response.end", undefined);
    if (isOpen && !running.signal.aborted) await this.#runClientTool();
  }

  #take(event: StreamEvent): void {
    const { items } = this.state;
    switch (event.type) {
      case "thread.created":
        this.#name(event.thread);
        this.emit("chatkit.thread.change", { threadId: event.thread.id });
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
        this.#set({ items: updated(items, event.item_id, event.update) });
        break;
      case "thread.item.removed":
        this.#set({ items: items.filter(({ id }) => id !== event.item_id) });
        break;
      case "stream_options":
        this.#set({ canStop: event.stream_options.allow_cancel });
        break;
      case "progress_update":
        this.#set({ progress: event });
        break;
      case "client_effect":
        this.emit("chatkit.effect", { name: event.name, data: event.data ?? {} });
        break;
      case "notice":
        this.#set({ notices: [...this.state.notices, event] });
        break;
      case "error":
        this.#fail(new Error(event.message ?? this.words().failed), event.allow_retry ?? false);
        break;
    }
  }

  #put(item: Item): void {
    const isQuestion = item.type === "user_message";
    const items = isQuestion ? this.state.items.filter(({ id }) => id !== UNSENT) : this.state.items;
    this.#set({ items: withItem(items, item), ...(!isQuestion && { progress: null }) });
  }

  #name(thread: Thread & { items?: unknown }): void {
    const { items: _, ...named } = thread;
    this.#set({ thread: named });
  }

  async #runClientTool(): Promise<void> {
    const call = this.state.items.at(-1);
    if (call?.type !== "client_tool_call" || call.status !== "pending") return;
    const result = await this.#options?.onClientTool?.({ name: call.name, params: call.arguments });
    await this.#run("threads.add_client_tool_output", { thread_id: call.thread_id, result: result ?? null });
  }

  async #act(action: Action, item: ItemOf<"widget">): Promise<void> {
    const { type, payload } = action;
    const asked = { type, ...(payload && { payload }) };
    if (action.handler === "client") {
      await this.#options?.widgets?.onAction?.(asked, { id: item.id, widget: item.widget });
    } else if (action.streaming === false) {
      const params = this.#actionParams(action, item.id);
      const answer =
        params && (await this.#ask<{ updated_item?: Item | null }>("threads.sync_custom_action", params));
      if (answer?.updated_item) this.#put(answer.updated_item);
    } else {
      await this.sendCustomAction(action, item.id);
    }
  }

  #actionParams({ type, payload }: Action, itemId?: string): Params | null {
    const { thread } = this.state;
    if (!thread) {
      this.#fail(new Error("An action needs a conversation: no conversation is open."));
      return null;
    }
    return { thread_id: thread.id, item_id: itemId ?? null, action: { type, payload: payload ?? null } };
  }

  async #attach(file: File): Promise<void> {
    const { api, composer } = this.#options ?? {};
    const strategy = (api as CustomApiConfig | undefined)?.uploadStrategy;
    const allowed = composer?.attachments;
    if (!strategy || !allowed?.enabled) return;
    const refused = drafts.refusalOf(file, this.state.draft.files.length, allowed, this.words());
    if (refused) return this.#warn(refused);
    const preview = file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    const added: drafts.DraftFile = { key: this.#key(), name: file.name, preview, attachment: null };
    this.write({ files: [...this.state.draft.files, added] });
    const attachment = await this.#wire()
      .upload(strategy, file)
      .catch((error: Error) => this.#warn(`${file.name}: ${this.#words(error)}`));
    const isWanted = this.state.draft.files.includes(added);
    const change = (one: drafts.DraftFile) =>
      one === added ? (attachment ? [{ ...added, attachment }] : []) : [one];
    if (isWanted) this.write({ files: this.state.draft.files.flatMap(change) });
    else if (attachment) await this.#ask("attachments.delete", { attachment_id: attachment.id });
    if (!attachment && preview) URL.revokeObjectURL(preview);
  }

  #file(attachment: Attachment): drafts.DraftFile {
    const preview = attachment.type === "image" ? attachment.preview_url : null;
    return { key: this.#key(), name: attachment.name, preview, attachment };
  }

  #key(): string {
    this.#files += 1;
    return `file-${this.#files}`;
  }

  /** Asks the server something. Returns null after an error, which is shown. */
  async #ask<T = object>(type: string, params: object, wording?: Wording): Promise<T | null> {
    try {
      return await this.#wire().ask<T>(type, params);
    } catch (error) {
      const { name, words } = wording ?? { name: (error as Error).name, words: "" };
      const said = new Error(words + this.#words(error as Error));
      this.#fail(Object.assign(said, { name, cause: error }));
      return null;
    }
  }

  #wire(): Wire {
    const api = this.#options?.api as Partial<CustomApiConfig> | undefined;
    // `fetch` must not be called as a method of an object.
    const ask = api?.fetch ?? ((...request: Parameters<typeof fetch>) => fetch(...request));
    return new Wire(api?.url ?? "", ask, (type) =>
      this.emit("chatkit.log", { name: "request", data: { type } }),
    );
  }

  #words(error: Error): string {
    return error instanceof TypeError ? this.words().connectionLost : error.message;
  }

  #fail(error: Error, mayRetry = false): void {
    this.#set({ error: { message: this.#words(error), mayRetry: mayRetry && this.state.thread !== null } });
    this.emit("chatkit.error", { error });
  }

  #warn(message: string): void {
    this.#set({ error: { message, mayRetry: false } });
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const onChange of this.#listeners) onChange();
  }
}

function base64(speech: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(speech);
  });
}
