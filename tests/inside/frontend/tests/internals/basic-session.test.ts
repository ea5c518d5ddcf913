import type { ChatKitOptions, Entity } from "@openai/chatkit";
import { describe, expect, test, vi } from "vitest";
import * as drafts from "@/kit/basic/draft";
import type { Item, StreamEvent, Thread } from "@/kit/basic/protocol";
import { Session } from "@/kit/basic/session";
import { en } from "@/kit/words/en";
import { PATIENCE } from "./page-request";

type Asked = { type: string; params: Record<string, unknown>; signal: AbortSignal | null };

/** A request that waits until the test answers it. */
class Request {
  readonly response: Promise<Response>;
  #resolve: (response: Response) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #stream: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor(readonly asked: Asked) {
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    asked.signal?.addEventListener("abort", () => {
      this.#reject(asked.signal?.reason);
      this.#stream?.error(asked.signal?.reason);
    });
  }

  json(said: unknown, status = 200): void {
    this.#resolve(Response.json(said, { status }));
  }

  /** Begins to answer with a stream, or goes on. */
  send(...events: StreamEvent[]): void {
    if (!this.#stream) {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller;
        },
      });
      this.#resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    }
    for (const event of events) {
      this.#stream?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
    }
  }

  end(): void {
    this.send();
    this.#stream?.close();
  }

  lose(lost: Error = new TypeError("network error")): void {
    this.#reject(lost);
    this.#stream?.error(lost);
  }
}

/** A session whose server is the test. */
function talk(options: Partial<ChatKitOptions> = {}) {
  const requests: Request[] = [];
  const told: { type: string; detail: unknown }[] = [];
  const ask = async (_: unknown, { body, signal }: RequestInit = {}) => {
    const request = new Request({ ...JSON.parse(String(body)), signal: signal ?? null });
    requests.push(request);
    return request.response;
  };
  const session = new Session(
    (type, detail) => {
      told.push({ type, detail });
      chat.hears(type);
    },
    () => en,
  );
  const api = { url: "/api/chatkit", domainKey: "", fetch: ask as typeof fetch };
  const chat = {
    /** Called with the type of each event. */
    hears: (_type: string) => {},
    session,
    told,
    requests,
    /** Waits for the next request of a type, which the test has not answered yet. */
    async asked(type: string): Promise<Request> {
      return soon(() => {
        const index = requests.findIndex(({ asked }) => asked.type === type);
        expect(index, `${type} is asked`).toBeGreaterThanOrEqual(0);
        return requests.splice(index, 1)[0] as Request;
      });
    },
  };
  session.configure({ ...options, api } as ChatKitOptions);
  return chat;
}

function soon<T>(look: () => T): Promise<T> {
  return vi.waitFor(look, PATIENCE);
}

type Talk = ReturnType<typeof talk>;

const begun: StreamEvent = { type: "stream_options", stream_options: { allow_cancel: true } };

function said(text: string, thread_id: string, type: "user_message" | "assistant_message" = "user_message") {
  const part = type === "user_message" ? "input_text" : "output_text";
  return { id: text, thread_id, type, content: [{ type: part, text }] } as Item;
}

function done(item: Item): StreamEvent {
  return { type: "thread.item.done", item };
}

function loaded(id: string, ...data: Item[]): Thread {
  return { id, title: id, items: { data, has_more: false } } as Thread;
}

function texts({ session }: Talk): string[] {
  return session.state.items.map((item) => {
    const { content } = item as { content?: { text: string }[] };
    return content?.map(({ text }) => text).join("") ?? item.type;
  });
}

async function open(chat: Talk, id: string, ...items: Item[]): Promise<void> {
  const opening = chat.session.setThreadId(id);
  (await chat.asked("threads.get_by_id")).json(loaded(id, ...items));
  await opening;
}

/** Opens a conversation with a question and its answer. */
async function openAnswered(chat: Talk): Promise<void> {
  await open(chat, "thr_a", said("Old", "thr_a"), said("Answered", "thr_a", "assistant_message"));
}

describe("conversations", () => {
  test("the one that was chosen last is shown, whichever comes last", async () => {
    const chat = talk();
    const first = chat.session.setThreadId("thr_a");
    const slow = await chat.asked("threads.get_by_id");
    await open(chat, "thr_b", said("In B", "thr_b"));
    slow.json(loaded("thr_a", said("In A", "thr_a")));
    await first;
    expect(chat.session.state.thread?.id).toBe("thr_b");
    expect(texts(chat)).toEqual(["In B"]);
  });

  test("an error of one that was left is none of the one that is shown", async () => {
    const chat = talk();
    const first = chat.session.setThreadId("thr_a");
    const slow = await chat.asked("threads.get_by_id");
    await open(chat, "thr_b", said("In B", "thr_b"));
    slow.json({ message: "Not there." }, 404);
    await first;
    expect(chat.session.state).toMatchObject({ error: null, isLoading: false });
  });

  test("choosing the one that is shown stops nothing", async () => {
    const chat = talk();
    await openAnswered(chat);
    const sending = chat.session.sendUserMessage({ text: "New" });
    const turn = await chat.asked("threads.add_user_message");
    turn.send(done(said("New", "thr_a")), begun);
    await chat.session.setThreadId("thr_a");
    turn.send(done(said("Whole", "thr_a", "assistant_message")));
    turn.end();
    await sending;
    expect(texts(chat)).toEqual(["Old", "Answered", "New", "Whole"]);
  });

  test("one that could not be loaded is asked for again when it is chosen again", async () => {
    const chat = talk();
    const opening = chat.session.setThreadId("thr_a");
    (await chat.asked("threads.get_by_id")).lose();
    await opening;
    expect(chat.session.state.error?.message).toContain(en.connectionLost);
    await openAnswered(chat);
    expect(texts(chat)).toEqual(["Old", "Answered"]);
  });

  test("a new one begins also after one that could not be loaded", async () => {
    const chat = talk();
    const opening = chat.session.setThreadId("thr_a");
    (await chat.asked("threads.get_by_id")).json({ message: "Not there." }, 404);
    await opening;
    await chat.session.setThreadId(null);
    expect(chat.told.at(-1)).toEqual({ type: "chatkit.thread.change", detail: { threadId: null } });
    expect(chat.session.state).toMatchObject({ error: null, isLoading: false });
  });

  test("a message for one that could not be loaded begins no other one", async () => {
    const chat = talk();
    const opening = chat.session.setThreadId("thr_a");
    const sending = chat.session.sendUserMessage({ text: "New" });
    (await chat.asked("threads.get_by_id")).lose();
    await Promise.all([opening, sending]);
    expect(chat.requests).toEqual([]);
  });

  test("what is loaded before an answer does not replace it", async () => {
    const chat = talk();
    await openAnswered(chat);
    const updating = chat.session.fetchUpdates();
    const old = await chat.asked("threads.get_by_id");
    const sending = chat.session.sendUserMessage({ text: "New" });
    const turn = await chat.asked("threads.add_user_message");
    turn.send(done(said("New", "thr_a")), begun, done(said("Whole", "thr_a", "assistant_message")));
    turn.end();
    await sending;
    old.json(loaded("thr_a", said("Old", "thr_a")));
    await updating;
    expect(texts(chat)).toEqual(["Old", "Answered", "New", "Whole"]);
  });

  test("a message that is sent while one is opened belongs to it", async () => {
    const chat = talk();
    const opening = chat.session.setThreadId("thr_a");
    const sending = chat.session.sendUserMessage({ text: "New" });
    (await chat.asked("threads.get_by_id")).json(loaded("thr_a"));
    const turn = await chat.asked("threads.add_user_message");
    expect(turn.asked.params.thread_id).toBe("thr_a");
    turn.end();
    await Promise.all([opening, sending]);
  });

  test("updates leave what is the same as it is", async () => {
    const chat = talk();
    await openAnswered(chat);
    const [question] = chat.session.state.items;
    const updating = chat.session.fetchUpdates();
    const items = [said("Old", "thr_a"), said("Other", "thr_a", "assistant_message")];
    (await chat.asked("threads.get_by_id")).json(loaded("thr_a", ...items));
    await updating;
    expect(chat.session.state.items[0]).toBe(question);
    expect(texts(chat)).toEqual(["Old", "Other"]);
  });

  test("a list that does not come says so, and comes when it is asked for again", async () => {
    const chat = talk();
    const showing = chat.session.showHistory();
    (await chat.asked("threads.list")).lose();
    await showing;
    expect(chat.session.state.list).toMatchObject({ threads: [], hasFailed: true });
    const again = chat.session.listThreads();
    (await chat.asked("threads.list")).json({ data: [{ id: "thr_a" }], has_more: true });
    await again;
    const more = chat.session.listMore();
    const next = await chat.asked("threads.list");
    expect(next.asked.params.after).toBe("thr_a");
    next.json({ data: [{ id: "thr_b" }], has_more: false });
    await more;
    const { threads, ...list } = chat.session.state.list;
    expect(threads.map(({ id }) => id)).toEqual(["thr_a", "thr_b"]);
    expect(list).toEqual({ isLoading: false, hasFailed: false, hasMore: false });
  });
});

describe("after a failure", () => {
  test("a message that was not taken is sent again, and no answer is lost", async () => {
    const chat = talk();
    await openAnswered(chat);
    const sending = chat.session.sendUserMessage({ text: "New" });
    (await chat.asked("threads.add_user_message")).lose();
    await sending;
    expect(texts(chat)).toEqual(["Old", "Answered"]);
    const again = chat.session.tryAgain();
    const turn = await chat.asked("threads.add_user_message");
    turn.send(done(said("New", "thr_a")), begun);
    turn.end();
    await again;
    expect(texts(chat)).toEqual(["Old", "Answered", "New"]);
    expect(chat.session.state.error).toBeNull();
  });

  test("an answer that broke off is asked for again", async () => {
    const chat = talk();
    await openAnswered(chat);
    const sending = chat.session.sendUserMessage({ text: "New" });
    const turn = await chat.asked("threads.add_user_message");
    turn.send(done(said("New", "thr_a")), begun, done(said("Half", "thr_a", "assistant_message")));
    await soon(() => expect(texts(chat)).toContain("Half"));
    turn.lose();
    await sending;
    void chat.session.tryAgain();
    expect((await chat.asked("threads.retry_after_item")).asked.params.item_id).toBe("New");
  });

  test("an action of a widget is done again, and the widget stays", async () => {
    const chat = talk();
    const widget = { id: "w", thread_id: "thr_a", type: "widget", widget: { type: "Card", children: [] } };
    await open(chat, "thr_a", said("Old", "thr_a"), widget as unknown as Item);
    const acting = chat.session.sendCustomAction({ type: "buy" }, "w");
    (await chat.asked("threads.custom_action")).lose();
    await acting;
    expect(texts(chat)).toEqual(["Old", "widget"]);
    void chat.session.tryAgain();
    expect((await chat.asked("threads.custom_action")).asked.params.item_id).toBe("w");
  });

  test("an answer that may not be replaced is there again", async () => {
    const chat = talk();
    await openAnswered(chat);
    const retrying = chat.session.retry({ id: "Answered" });
    const turn = await chat.asked("threads.retry_after_item");
    expect(texts(chat)).toEqual(["Old"]);
    turn.json({ message: "It is being answered." }, 409);
    await retrying;
    expect(texts(chat)).toEqual(["Old", "Answered"]);
    expect(chat.session.state.error).toEqual({ message: "It is being answered.", mayRetry: false });
  });

  test("a message that was refused is in the composer again, before what was written meanwhile", async () => {
    const chat = talk();
    chat.session.write({ text: "First" });
    const sending = chat.session.submit();
    const turn = await chat.asked("threads.create");
    chat.session.write({ text: "Second" });
    turn.json({ message: "Too fast." }, 429);
    await sending;
    expect(chat.session.state.draft.text).toBe("First\nSecond");
  });

  test("notices and errors are dismissed one by one", async () => {
    const chat = talk();
    const sending = chat.session.sendUserMessage({ text: "New" });
    const turn = await chat.asked("threads.create");
    const [one, other] = [
      { level: "info" as const, message: "One" },
      { level: "info" as const, message: "Two" },
    ];
    turn.send(begun, { type: "notice", ...one }, { type: "notice", ...other }, { type: "error" });
    turn.end();
    await sending;
    const [first] = chat.session.state.notices;
    if (first) chat.session.dismissNotice(first);
    expect(chat.session.state.notices).toMatchObject([other]);
    expect(chat.session.state.error?.message).toBe(en.failed);
    chat.session.dismissError();
    expect(chat.session.state).toMatchObject({ error: null, notices: [other] });
  });
});

test("a message whose conversation is left before it is taken may be answered, so it does not come back", async () => {
  const chat = talk();
  await openAnswered(chat);
  chat.session.write({ text: "New" });
  const sending = chat.session.submit();
  await chat.asked("threads.add_user_message");
  await open(chat, "thr_b", said("In B", "thr_b"));
  await sending;
  expect(chat.session.state.draft.text).toBe("");
  const ends = chat.told.map(({ type }) => type).filter((type) => /response|thread\.change/.test(type));
  expect(ends.slice(-3)).toEqual(["chatkit.response.start", "chatkit.response.end", "chatkit.thread.change"]);
});

test("whoever hears that an answer is over can ask for the next one", async () => {
  const chat = talk();
  await openAnswered(chat);
  const sending = chat.session.sendUserMessage({ text: "New" });
  const turn = await chat.asked("threads.add_user_message");
  chat.hears = (type) => {
    if (type === "chatkit.response.end") void chat.session.sendCustomAction({ type: "next" });
  };
  turn.send(done(said("New", "thr_a")), begun);
  turn.end();
  await chat.asked("threads.custom_action");
  await sending;
  expect(chat.session.state.error).toBeNull();
});

test("nobody can stop an answer of which it is unknown whether it was asked for", async () => {
  const chat = talk();
  const sending = chat.session.sendUserMessage({ text: "New" });
  const turn = await chat.asked("threads.create");
  expect(chat.session.state).toMatchObject({ isRunning: true, canStop: false });
  turn.send(begun);
  await soon(() => expect(chat.session.state.canStop).toBe(true));
  chat.session.stop();
  await sending;
  expect(chat.session.state).toMatchObject({ isRunning: false, error: null });
});

test("nobody hears of a request that Firefox aborts because the person leaves the page", async () => {
  const chat = talk();
  await openAnswered(chat);
  const opening = chat.session.setThreadId("thr_b");
  const request = await chat.asked("threads.get_by_id");
  vi.useFakeTimers();
  try {
    request.lose(new DOMException("The operation was aborted.", "AbortError"));
    await vi.advanceTimersByTimeAsync(5_000); // A page that is slow to come is there by then.
    expect(chat.session.state.error).toBeNull();
    expect(chat.told.map(({ type }) => type)).not.toContain("chatkit.error");
    // Nothing is silent for ever: the person is still there.
    await vi.runAllTimersAsync();
    await opening;
    expect(chat.session.state.error?.message).toContain("The operation was aborted.");
  } finally {
    vi.useRealTimers();
  }
});

describe("client tools", () => {
  const call = {
    id: "tc",
    thread_id: "thr_a",
    type: "client_tool_call",
    status: "pending",
    name: "look",
    arguments: {},
  } as Item;

  async function called(onClientTool: NonNullable<ChatKitOptions["onClientTool"]>) {
    const chat = talk({ onClientTool });
    await open(chat, "thr_a");
    const sending = chat.session.sendUserMessage({ text: "New" });
    const turn = await chat.asked("threads.add_user_message");
    turn.send(done(said("New", "thr_a")), begun, done(call));
    turn.end();
    return { chat, sending };
  }

  test("the result is sent, and the answer goes on", async () => {
    const { chat, sending } = await called(async () => ({ seen: 1 }));
    const output = await chat.asked("threads.add_client_tool_output");
    expect(output.asked.params).toEqual({ thread_id: "thr_a", result: { seen: 1 } });
    expect(chat.session.state.isRunning).toBe(true);
    output.send(done(said("Seen", "thr_a", "assistant_message")));
    output.end();
    await sending;
    expect(texts(chat).at(-1)).toBe("Seen");
    expect(chat.session.state.isRunning).toBe(false);
  });

  test("no result goes to another conversation", async () => {
    let finish: (result: Record<string, unknown>) => void = () => {};
    const work = new Promise<Record<string, unknown>>((resolve) => {
      finish = resolve;
    });
    const onClientTool = vi.fn(() => work);
    const { chat, sending } = await called(onClientTool);
    await soon(() => expect(onClientTool).toHaveBeenCalled());
    await open(chat, "thr_b");
    finish({ seen: 1 });
    await sending;
    expect(chat.requests).toEqual([]);
    expect(chat.session.state).toMatchObject({ isRunning: false, items: [] });
  });

  test("Stop does not wait for one that hangs", async () => {
    const { chat, sending } = await called(() => new Promise(() => {}));
    await soon(() => expect(chat.session.state.canStop).toBe(true));
    chat.session.stop();
    await sending;
    expect(chat.session.state.isRunning).toBe(false);
    expect(chat.requests).toEqual([]);
  });

  test("one that throws is reported", async () => {
    const { chat, sending } = await called(async () => {
      throw new Error("It broke.");
    });
    await sending;
    expect(chat.session.state.error?.message).toBe("It broke.");
  });

  test("a server that does not take note of a result is not asked for ever", async () => {
    const { chat, sending } = await called(async () => ({}));
    (await chat.asked("threads.add_client_tool_output")).end();
    await sending;
    expect(chat.requests).toEqual([]);
  });
});

test("what a slow action returns does not appear in another conversation", async () => {
  const chat = talk();
  const widget = {
    id: "w",
    thread_id: "thr_a",
    type: "widget",
    widget: { type: "Card", children: [] },
  } as const;
  await open(chat, "thr_a", widget as unknown as Item);
  const acting = chat.session.act({ type: "buy", streaming: false }, widget as never);
  const action = await chat.asked("threads.sync_custom_action");
  await open(chat, "thr_b", said("In B", "thr_b"));
  action.json({ updated_item: widget });
  await acting;
  expect(texts(chat)).toEqual(["In B"]);
});

test("a prompt of the start screen is asked with the chosen model and tool, and leaves the draft", async () => {
  const models = [
    { id: "small", label: "Small" },
    { id: "large", label: "Large", default: true },
  ];
  const tools = [{ id: "search", label: "Search", icon: "search" as const }];
  const chat = talk({ composer: { models, tools } });
  chat.session.write({ text: "Unsent" });
  chat.session.chooseTool("search");
  const asking = chat.session.begin("Hello?");
  const turn = await chat.asked("threads.create");
  expect(turn.asked.params.input).toMatchObject({
    content: [{ text: "Hello?" }],
    inference_options: { tool_choice: { id: "search" }, model: "large" },
  });
  turn.end();
  await asking;
  expect(chat.session.state.draft).toMatchObject({ text: "Unsent", toolId: null });
});

describe("drafts", () => {
  test("an entity that is named twice is sent twice", () => {
    const tags: Entity[] = [{ id: "1", title: "Ada" }];
    const message = drafts.messageOf({ ...drafts.EMPTY, text: "@Ada or @Ada?", tags }, undefined);
    expect(message.content?.filter(({ type }) => type === "input_tag")).toHaveLength(2);
  });

  const accept = { "text/markdown": [".md"], "application/octet-stream": [".md"] };
  test.each([
    ["a type that the system does not know", new File(["#"], "a.md"), { accept }, null],
    ["an ending in capitals", new File(["#"], "A.MD", { type: "text/markdown" }), { accept }, null],
    ["a list in capitals", new File(["#"], "a.md"), { accept: { "*/*": [".MD"] } }, null],
    ["any file", new File(["#"], "a.bin", { type: "a/b" }), { accept: { "*/*": [] } }, null],
    ["another type", new File(["#"], "a.exe"), { accept }, "a.exe: files of this type are not taken."],
    ["a small limit", new File(["123"], "a.md"), { maxSize: 2 }, "a.md is larger than 1 KB."],
    [
      "a limit",
      new File([new Uint8Array(3 << 20)], "a.md"),
      { maxSize: 2 << 20 },
      "a.md is larger than 2 MB.",
    ],
  ])("%s", (_, file, options, refusal) => {
    expect(drafts.refusalOf(file, 0, { enabled: true, ...options }, en)).toBe(refusal);
  });
});
