import type {
  Attachment,
  ChatKitEvents,
  ChatKitOptions,
  CustomApiConfig,
  OpenAIChatKit,
  StartScreenPrompt,
  Widgets,
} from "@openai/chatkit";
import { questionBefore, updated, withItem, withSame } from "@/kit/basic/conversation";
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
  list: ThreadList;
  /** What the person has said of answers, by the ids of their items. */
  feedback: Readonly<Record<string, Feedback>>;
  /** The widgets whose actions are being done. */
  busyItems: readonly string[];
  draft: drafts.Draft;
};

/** The person's conversations, newest first. */
export type ThreadList = {
  threads: readonly Thread[];
  /** Whether more of them are on their way. */
  isLoading: boolean;
  /** Whether they did not come. */
  hasFailed: boolean;
  hasMore: boolean;
};

type Emit = <K extends keyof ChatKitEvents>(type: K, detail: ChatKitEvents[K]["detail"]) => void;
type Params = Record<string, unknown>;
type Again = () => Promise<unknown>;

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

/** How the ids of messages begin that the server has not taken yet. */
const UNSENT = "unsent-";

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
    list: { threads: [], isLoading: false, hasFailed: false, hasMore: false },
    feedback: {},
    busyItems: [],
    draft: drafts.EMPTY,
  };
  #options: ChatKitOptions | null = null;
  /** Stands for what is shown. Another one replaces it with each conversation that is opened. */
  #view = {};
  /** The conversation that the page has heard of last. It may not be loaded, or may not load. */
  #shown: string | null = null;
  /** Done when that conversation is loaded, or cannot be. */
  #loading: Promise<void> | null = null;
  /** How many turns have begun. What is loaded before one is old after it. */
  #turns = 0;
  #running: AbortController | null = null;
  /** Does again what has failed. */
  #again: Again | null = null;
  #keys = 0;
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
    if (options.initialThread) void this.#open(options.initialThread, INITIAL);
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
    await this.listThreads();
  }

  async hideHistory(): Promise<void> {
    if (!this.state.isHistoryOpen) return;
    this.#set({ isHistoryOpen: false });
    this.emit("chatkit.history.close", undefined);
  }

  async fetchUpdates(): Promise<void> {
    if (this.state.thread && !this.#running) await this.#load(this.state.thread.id, CHOSEN);
  }

  /** Loads the list of conversations from its beginning. */
  async listThreads(): Promise<void> {
    await this.#list([]);
  }

  /** Loads the conversations that follow those in the list. */
  async listMore(): Promise<void> {
    await this.#list(this.state.list.threads);
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
    const { toolId, ...rest } = drafts.afterSending(draft, composer);
    this.write(rest);
    if (toolId !== draft.toolId) this.chooseTool(toolId);
    const isTaken = await this.#send(drafts.messageOf(draft, composer), () => this.submit());
    if (isTaken) for (const { preview } of draft.files) preview && URL.revokeObjectURL(preview);
    else this.write(drafts.joined(draft, this.state.draft));
  }

  /** Sends a prompt of the start screen, with the chosen tool and model. What is being written stays. */
  async begin(prompt: StartScreenPrompt["prompt"]): Promise<void> {
    if (this.#running) return;
    const { draft } = this.state;
    const content = typeof prompt === "string" ? [{ type: "input_text" as const, text: prompt }] : prompt;
    const { composer } = this.#options ?? {};
    const { toolChoice, model } = drafts.messageOf(draft, composer);
    const { toolId } = drafts.afterSending(draft, composer);
    if (toolId !== draft.toolId) this.chooseTool(toolId);
    await this.#send({ content, ...(toolChoice && { toolChoice }), ...(model && { model }) });
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
    const { items } = this.state;
    const question = questionBefore(items, item);
    if (!question) return;
    const { id, thread_id } = question;
    // The server removes what follows, and sends no events about it.
    const kept = items.slice(0, items.indexOf(question) + 1);
    await this.#run("threads.retry_after_item", { thread_id, item_id: id }, { shown: kept });
  }

  /** Does again what has failed. */
  async tryAgain(): Promise<void> {
    await this.#again?.();
  }

  /** Tells the server whether an answer is good. */
  async judge({ id, thread_id }: Item, kind: Feedback): Promise<void> {
    const isTaken = await this.#ask("items.feedback", { thread_id, item_ids: [id], kind });
    if (isTaken) this.#set({ feedback: { ...this.state.feedback, [id]: kind } });
  }

  /** Does what a click in the preview of an entity asks for. No item has that widget. */
  async actInPreview(action: Action, widget: Widgets.BasicRoot): Promise<void> {
    if (action.handler === "client") await this.#actHere(action, { id: "", widget });
    else await this.sendCustomAction(action);
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
    await this.listThreads();
  }

  /** Deletes a conversation. */
  async deleteThread({ id }: Thread): Promise<void> {
    const deleted = await this.#ask("threads.delete", { thread_id: id });
    if (deleted && this.state.thread?.id === id) this.#leave(null);
    await this.listThreads();
  }

  /** Removes the error. */
  dismissError(): void {
    this.#set({ error: null });
  }

  /** Removes a notice. */
  dismissNotice(notice: Notice): void {
    this.#set({ notices: this.state.notices.filter((one) => one !== notice) });
  }

  /** Says that a link of the form `chatkit-link://name` was clicked. */
  deeplink(name: string, data: Record<string, string>): void {
    this.emit("chatkit.deeplink", { name, data });
  }

  /** Shows a conversation; null for a new one. What is running goes on if it is shown already. */
  async #open(threadId: string | null, wording: Wording): Promise<void> {
    await this.hideHistory();
    if (threadId !== null && threadId === this.#shown) {
      if (this.#loading) return this.#loading;
      if (this.state.thread) return this.fetchUpdates();
    }
    this.#leave(threadId);
    if (!threadId) return;
    const loading = this.#load(threadId, wording);
    this.#loading = loading;
    await loading;
    if (this.#loading === loading) this.#loading = null;
  }

  /** Shows nothing of the conversation that is open until now. */
  #leave(threadId: string | null): void {
    this.#view = {};
    this.#loading = null;
    const running = this.#running;
    this.#running = null;
    running?.abort();
    this.#set({ ...NOTHING_OPEN, isRunning: false, isLoading: threadId !== null });
    if (running) this.emit("chatkit.response.end", undefined);
    this.#tell(threadId);
  }

  #tell(threadId: string | null): void {
    this.#shown = threadId;
    this.emit("chatkit.thread.change", { threadId });
  }

  /** Loads a conversation as it is by now, and shows it when all of it is there. */
  async #load(threadId: string, wording: Wording): Promise<void> {
    const [view, turns] = [this.#view, this.#turns];
    this.emit("chatkit.thread.load.start", { threadId });
    const loaded = await this.#loaded(threadId, wording);
    // Meanwhile the person may have opened another one, or asked something.
    if (this.#view !== view) return;
    if (!loaded || this.#turns !== turns) return this.#set({ isLoading: false });
    const items = withSame(loaded.items, this.state.items);
    this.#set({ thread: loaded.thread, items, isLoading: false });
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

  async #list(known: readonly Thread[]): Promise<void> {
    const asked: ThreadList = { ...this.state.list, isLoading: true, hasFailed: false };
    this.#set({ list: asked });
    const after = known.at(-1)?.id;
    const page = await this.#wire()
      .ask<Page<Thread>>("threads.list", { limit: LIMIT, order: "desc", ...(after && { after }) })
      .catch((error: Error) => {
        this.emit("chatkit.error", { error });
        return null;
      });
    if (this.state.list !== asked) return; // it was asked for once more
    this.#set({
      list: page
        ? { threads: [...known, ...page.data], isLoading: false, hasFailed: false, hasMore: page.has_more }
        : { ...asked, isLoading: false, hasFailed: true },
    });
  }

  /**
   * Sends a message. Returns whether the server has taken it.
   *
   * @param again Sends it again if the server has not.
   */
  async #send(message: drafts.Message, again: Again = () => this.#send(message)): Promise<boolean> {
    if (message.newThread) await this.setThreadId(null);
    await this.hideHistory();
    // Meanwhile the person may open another one. The message is for what they have before them.
    while (this.#loading) await this.#loading;
    if (this.#shown && !this.state.thread) return false;
    const { attachments = [], reply, toolChoice, model } = message;
    const content = message.content ?? [{ type: "input_text" as const, text: message.text ?? "" }];
    const thread_id = this.state.thread?.id;
    const input = {
      content,
      quoted_text: reply ?? null,
      attachments: attachments.map(({ id }) => id),
      inference_options: { tool_choice: toolChoice ?? null, model: model ?? null },
    };
    const question: Item = {
      id: this.#key(UNSENT),
      thread_id: thread_id ?? "",
      type: "user_message",
      content,
      attachments,
      quoted_text: reply ?? null,
    };
    return this.#run(
      thread_id ? "threads.add_user_message" : "threads.create",
      thread_id ? { thread_id, input } : { input },
      { shown: [...this.state.items, question], again },
    );
  }

  /**
   * Runs a turn with the client tools that it calls, until it is over, the person presses Stop, or
   * something fails.
   *
   * @param shown The items to show until the server has taken the request.
   * @param again Sends the request again if the server has not.
   * @returns False if the server has not taken the request. If the person has left the conversation
   * before it could answer, nobody knows, and the turn may go on.
   */
  async #run(
    type: string,
    params: Params,
    request: { shown?: readonly Item[]; again?: Again } = {},
  ): Promise<boolean> {
    if (this.#running) {
      this.#warn(this.words().busy);
      return false;
    }
    const running = new AbortController();
    this.#running = running;
    this.#turns += 1;
    const { items: before } = this.state;
    const { shown = before, again = () => this.#run(type, params, request) } = request;
    this.#set({ isRunning: true, error: null, notices: [], items: shown });
    this.emit("chatkit.response.start", undefined);
    const isTaken = await this.#stream(type, params, running, again);
    const isShown = () => this.#running === running;
    if (!isTaken && isShown()) this.#set({ items: before });
    const goesOn = () => isTaken && isShown() && !running.signal.aborted;
    for (let call = this.#clientToolCall(); call && goesOn(); ) {
      const output = await this.#runClientTool(call, running.signal);
      if (!output || !goesOn()) break;
      const sendOutput = () => this.#run("threads.add_client_tool_output", output);
      if (!(await this.#stream("threads.add_client_tool_output", output, running, sendOutput))) break;
      const next = this.#clientToolCall();
      call = next?.id === call.id ? null : next;
    }
    if (!isShown()) return true;
    this.#running = null;
    this.#set({ isRunning: false, progress: null });
    // Whoever hears of it may ask for the next answer.
    this.emit("chatkit.response.end", undefined);
    return isTaken;
  }

  /** Reads one answer. Returns whether the server has taken the request. */
  async #stream(type: string, params: Params, running: AbortController, again: Again): Promise<boolean> {
    let isTaken = false;
    const isShown = () => this.#running === running;
    // Until the first event nobody knows whether the server has the request, and Stop might come before it.
    this.#set({ canStop: false });
    try {
      for await (const event of this.#wire().stream(type, params, running.signal)) {
        isTaken ||= event.type !== "error";
        if (isShown()) this.#take(event, isTaken ? () => this.#retryLast() : again);
      }
    } catch (error) {
      const retry = isTaken ? () => this.#retryLast() : again;
      if (isShown() && !running.signal.aborted)
        this.#fail(error as Error, error instanceof Refusal ? null : retry);
    }
    return isTaken;
  }

  async #retryLast(): Promise<void> {
    const last = this.state.items.at(-1);
    if (last) await this.retry(last);
  }

  /**
   * @param again What "Try again" does after an error that allows it.
   */
  #take(event: StreamEvent, again: Again | null): void {
    const { items } = this.state;
    switch (event.type) {
      case "thread.created":
        this.#name(event.thread);
        this.#tell(event.thread.id);
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
        this.#fail(new Error(event.message ?? this.words().failed), event.allow_retry ? again : null);
        break;
    }
  }

  #put(item: Item): void {
    const isQuestion = item.type === "user_message";
    const { items: all } = this.state;
    const items = isQuestion ? all.filter(({ id }) => !id.startsWith(UNSENT)) : all;
    this.#set({ items: withItem(items, item), ...(!isQuestion && { progress: null }) });
  }

  #name(thread: Thread & { items?: unknown }): void {
    const { items: _, ...named } = thread;
    this.#set({ thread: named });
  }

  /** The call of a client tool for which the assistant waits. */
  #clientToolCall(): ItemOf<"client_tool_call"> | null {
    const last = this.state.items.at(-1);
    return last?.type === "client_tool_call" && last.status === "pending" ? last : null;
  }

  /** Runs a client tool. Returns what to send; null if it fails, or the person presses Stop. */
  async #runClientTool(call: ItemOf<"client_tool_call">, signal: AbortSignal): Promise<Params | null> {
    this.#set({ canStop: true });
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      const work = this.#options?.onClientTool?.({ name: call.name, params: call.arguments });
      const result = await Promise.race([work, stopped]);
      return signal.aborted ? null : { thread_id: call.thread_id, result: result ?? null };
    } catch (error) {
      if (!signal.aborted) this.#fail(error as Error);
      return null;
    }
  }

  async #act(action: Action, item: ItemOf<"widget">): Promise<void> {
    if (action.handler === "client") return this.#actHere(action, item);
    if (action.streaming !== false) return this.sendCustomAction(action, item.id);
    const params = this.#actionParams(action, item.id);
    const answer =
      params && (await this.#ask<{ updated_item?: Item | null }>("threads.sync_custom_action", params));
    // Meanwhile the person may have opened another conversation.
    if (answer?.updated_item && item.thread_id === this.state.thread?.id) this.#put(answer.updated_item);
  }

  async #actHere(
    { type, payload }: Action,
    { id, widget }: Pick<ItemOf<"widget">, "id" | "widget">,
  ): Promise<void> {
    await this.#options?.widgets?.onAction?.({ type, ...(payload && { payload }) }, { id, widget });
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
    const added = { key: this.#key("file-"), name: file.name, preview, attachment: null, file };
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
    return { key: this.#key("file-"), name: attachment.name, preview, attachment };
  }

  /** Returns a name that nothing else in this page has. */
  #key(prefix: string): string {
    this.#keys += 1;
    return `${prefix}${this.#keys}`;
  }

  /** Asks the server something. Returns null after an error, which is shown. */
  async #ask<T = object>(type: string, params: object, wording?: Wording): Promise<T | null> {
    const view = this.#view;
    try {
      return await this.#wire().ask<T>(type, params);
    } catch (error) {
      const { name, words } = wording ?? { name: (error as Error).name, words: "" };
      const said = new Error(words + this.#words(error as Error));
      const failed = Object.assign(said, { name, cause: error });
      // An error of a conversation that was left is none of the one that is shown.
      if (this.#view === view) this.#fail(failed);
      else this.emit("chatkit.error", { error: failed });
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

  /**
   * @param again Does again what has failed. The person may not ask for it if this is missing.
   */
  #fail(error: Error, again: Again | null = null): void {
    this.#again = again;
    this.#set({ error: { message: this.#words(error), mayRetry: again !== null } });
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
