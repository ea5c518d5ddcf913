/**
 * Answers that go on when their reader leaves: a reload, a sleeping phone and a lost connection stop
 * nothing any more.
 *
 * ChatKit's element stops an answer by closing its connection, and the backend cannot know why a
 * connection was closed. So here the page sees the element's requests, says Stop by itself, and
 * shows an answer that it does not receive as a stream.
 */
import { BASE_PATH, SAYS_STOP, STREAMED } from "@/kit/settings";

/** How the newest turn of a conversation is, as the backend says. */
type Turn = {
  outcome: "running" | "answered" | "stopped" | "failed" | "interrupted" | null;
  message: string | null;
};

/** What the page shows above the chat: that an answer is being written, or what became of it. */
export type Notice = { isRunning: true } | { isRunning: false; message: string };

const LOOK_MS = 1500;

/** The element closes a connection also when it opens another conversation, and says so just after. */
const SETTLE_MS = 150;

/** The backend is never silent for longer than 15 s. So after this time the connection is lost. */
const SILENCE_MS = 45_000;

/** How many of the newest items an answer has at most that goes on without a stream. */
const NEWEST = 20;

const CHANNEL = "chatkit-turns";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Follows the turns of the conversation that the page shows. */
export class Turns {
  #open: string | null = null;
  /** How often the page has opened a conversation or left one. */
  #opened = 0;
  /** Whether the element is receiving an answer. */
  #isReceiving = false;
  /** Whether the page is being left. Connections that close then are not closed by the person. */
  #isLeft = false;
  /** The loop that looks at the open conversation. Another loop replaces it. */
  #watch: object | null = null;
  /** The answers that the element is reading. */
  readonly #answers = new Set<Answer>();
  /** Done when all connections that the element has closed so far are dealt with. */
  #settled: Promise<unknown> = Promise.resolve();
  /** Where the tabs of a browser tell each other which conversation is being answered. */
  #channel: BroadcastChannel | null = null;

  /**
   * @param isOn Whether answers go on. If not, all requests pass as they are.
   * @param ask Sends requests to the page's server.
   * @param show Shows a notice, or none.
   * @param refresh Makes the element load what is new.
   */
  constructor(
    private readonly isOn: () => boolean,
    private readonly ask: typeof fetch,
    private readonly show: (notice: Notice | null) => void,
    private readonly refresh: () => Promise<void>,
  ) {}

  /** Begins to listen to the other tabs and to the page. Returns a function that ends it. */
  start(): () => void {
    const channel = new BroadcastChannel(CHANNEL);
    this.#channel = channel;
    this.#isLeft = false;
    channel.onmessage = ({ data }) => data === this.#open && this.#lookAgain();
    const leave = () => {
      this.#isLeft = true;
    };
    const comeBack = () => {
      this.#isLeft = false;
      if (document.visibilityState === "visible") this.#lookAround();
    };
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", comeBack);
    window.addEventListener("online", comeBack);
    document.addEventListener("visibilitychange", comeBack);
    return () => {
      this.#watch = null;
      this.#channel = null;
      channel.close();
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", comeBack);
      window.removeEventListener("online", comeBack);
      document.removeEventListener("visibilitychange", comeBack);
    };
  }

  /** Says which conversation the page shows. */
  opened(threadId: string | null): void {
    this.#opened += 1;
    if (threadId === this.#open) return;
    this.#open = threadId;
    this.#watch = null;
    this.show(null);
  }

  /** Says whether the element is receiving an answer. */
  receiving(isReceiving: boolean): void {
    this.#isReceiving = isReceiving;
  }

  /** Shows what other tabs and devices have written while nobody looked at this page. */
  #lookAround(): void {
    if (this.#open === null || this.#isReceiving) return;
    if (this.isOn()) void this.look(true);
    else this.refresh().catch(console.error);
  }

  /**
   * Looks whether the open conversation is being answered, and shows the answer as it grows.
   *
   * @param isNews Whether there is something new even if the answer is complete by now.
   */
  async look(isNews = false): Promise<void> {
    const threadId = this.#open;
    if (!this.isOn() || threadId === null || this.#watch || this.#isReading(threadId)) return;
    const watch = {};
    this.#watch = watch;
    const isCurrent = () => this.#watch === watch;
    for (let isNew = isNews; isCurrent(); await pause(LOOK_MS)) {
      const turn = await this.#turnOf(threadId).catch(() => OVER);
      if (!isCurrent()) return;
      const isRunning = turn?.outcome === "running";
      isNew ||= isRunning;
      if (isRunning) this.show({ isRunning });
      if (turn && isNew) await this.refresh().catch(console.error);
      if (!isCurrent()) return;
      if (turn && !isRunning) {
        this.#watch = null;
        this.show(turn.message ? { isRunning: false, message: turn.message } : null);
      }
    }
  }

  /** Stops the answer of the open conversation, whoever has asked for it. */
  async stop(): Promise<void> {
    if (this.#open === null) return;
    await this.#stop(this.#open);
    await this.#lookAgain();
  }

  /**
   * Sends a request of the element. The answer of a turn goes on until Stop is said.
   *
   * What is no turn passes as it is. So does a turn that we do not recognize: then a closed
   * connection stops it, as if answers did not go on.
   */
  readonly fetch: typeof fetch = async (address, options) => {
    const asked = this.isOn() ? turnIn(options?.body) : null;
    if (!asked) return this.ask(address, options);
    this.#watch = null;
    this.show(null);
    // Otherwise the conversation might still be answered, or a late Stop might stop this answer.
    await this.#settled;
    options?.signal?.throwIfAborted();
    const headers = new Headers(options?.headers);
    headers.set(SAYS_STOP, "1");
    const answer = new Answer(asked.threadId, (signal) => this.ask(address, { ...options, headers, signal }));
    this.#answers.add(answer);
    return this.#stream(answer, options?.signal).catch((error) => {
      this.#answers.delete(answer);
      void this.look();
      throw error;
    });
  };

  async #stream(answer: Answer, signal?: AbortSignal | null): Promise<Response> {
    const leave = () => {
      if (this.#answers.delete(answer)) this.#settled = Promise.all([this.#settled, this.#leave(answer)]);
    };
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => {
        leave();
        reject(signal.reason);
      });
    });
    const response = await Promise.race([answer.response, aborted]);
    if (!/^text\/event-stream\b/.test(response.headers.get("content-type") ?? "")) {
      // It is refused, perhaps because the conversation is being answered already.
      this.#answers.delete(answer);
      void this.look();
      return response;
    }
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        aborted.catch((reason) => controller.error(reason));
      },
      pull: async (controller) => {
        const chunk = await answer.read().catch((error) => this.#readOn(answer, controller, error));
        if (answer.isNew && answer.threadId) this.#channel?.postMessage(answer.threadId);
        if (answer.threadId) answer.isNew = false;
        if (chunk) return controller.enqueue(chunk);
        this.#answers.delete(answer);
        controller.close();
      },
      cancel: leave,
    });
    return new Response(stream, { status: response.status, headers: response.headers });
  }

  /** The element has closed a connection: by Stop, or because it shows something else. */
  async #leave(answer: Answer): Promise<void> {
    // Nobody presses Stop in a page that they leave or do not see.
    const mayBeStop = !this.#isLeft && document.visibilityState === "visible";
    const opened = this.#opened;
    if (mayBeStop) await settle();
    // An answer whose conversation has just begun opens it.
    const isOpen = this.#opened === opened || (this.#open !== null && this.#open === answer.threadId);
    if (mayBeStop && isOpen && this.#channel) {
      const threadId = answer.threadId ?? (await answer.named());
      if (threadId) {
        await this.#stop(threadId).catch(console.error);
        // More is stored than the element has received.
        void pause(SETTLE_MS).then(() => (this.#open === threadId ? this.#lookAgain() : undefined));
      }
    }
    answer.close();
  }

  /** Goes on with an answer whose connection is lost, until it is over. */
  async #readOn(
    answer: Answer,
    controller: ReadableStreamDefaultController<Uint8Array>,
    error: unknown,
  ): Promise<null> {
    const { threadId } = answer;
    answer.close();
    if (!threadId) {
      this.#answers.delete(answer);
      throw error;
    }
    const encoder = new TextEncoder();
    const send = (event: object) => controller.enqueue(encoder.encode(`data: ${JSON.stringify(event)}\n\n`));
    for (; this.#answers.has(answer); await pause(LOOK_MS)) {
      try {
        const turn = await this.#turnOf(threadId);
        const items = turn && (await this.#newest(threadId));
        for (const item of items ?? []) send({ type: "thread.item.done", item });
        if (!items || turn?.outcome === "running") continue;
        if (turn?.message) send(errorEvent(turn.message));
      } catch (refusal) {
        send(errorEvent((refusal as Error).message));
      }
      break;
    }
    return null;
  }

  #isReading(threadId: string): boolean {
    return [...this.#answers].some((answer) => answer.threadId === threadId);
  }

  #lookAgain(): Promise<void> {
    this.#watch = null;
    return this.look(true);
  }

  #turnOf(threadId: string): Promise<Turn | null> {
    return this.#post<Turn>("kit.turn", { thread_id: threadId });
  }

  async #newest(threadId: string): Promise<object[] | null> {
    const asked = { thread_id: threadId, order: "desc", limit: NEWEST };
    const page = await this.#post<{ data: object[] }>("items.list", asked);
    return page?.data.reverse() ?? null;
  }

  async #stop(threadId: string): Promise<void> {
    const said = await this.#post("kit.stop", { thread_id: threadId });
    if (!said) throw new Error("Stop has not reached the server.");
  }

  /**
   * Asks the page's server something. The request also arrives if the page is left meanwhile.
   *
   * @returns null if the network or the server is away.
   * @throws {Error} The server refused.
   */
  async #post<T>(type: string, params: object): Promise<T | null> {
    const response = await this.ask(`${BASE_PATH}/api/chatkit`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type, params }),
      keepalive: true,
    }).catch(() => null);
    if (!response || response.status === 429 || response.status >= 500) return null;
    const said = await response.json().catch(() => null);
    if (!response.ok) throw new Error(said?.message ?? `The server answered ${response.status}.`);
    return said;
  }
}

const OVER: Turn = { outcome: null, message: null };

function errorEvent(message: string) {
  return { type: "error", code: "custom", message, allow_retry: true };
}

/** Waits for what the element says just after it has closed a connection, unless the page is left. */
function settle(): Promise<unknown> {
  const left = new Promise((resolve) => window.addEventListener("pagehide", resolve, { once: true }));
  return Promise.race([pause(SETTLE_MS), left]);
}

/** The conversation of a request that asks for a turn, if it has one yet; null for other requests. */
function turnIn(body: unknown): { threadId: string | null } | null {
  if (typeof body !== "string") return null;
  const { type, params } = JSON.parse(body);
  return STREAMED.includes(type) ? { threadId: params.thread_id ?? null } : null;
}

/** An answer that arrives as a stream, which names its conversation. */
class Answer {
  readonly response: Promise<Response>;
  /** Whether the other tabs have not been told of it yet. */
  isNew = true;
  readonly #connection = new AbortController();
  readonly #decoder = new TextDecoder();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #begin = "";

  /**
   * @param threadId The conversation, if it is known already.
   * @param ask Sends the request.
   */
  constructor(
    public threadId: string | null,
    ask: (signal: AbortSignal) => Promise<Response>,
  ) {
    this.response = ask(this.#connection.signal);
  }

  /**
   * The next chunk; null at the end.
   *
   * @throws {Error} The connection is lost.
   */
  async read(): Promise<Uint8Array | null> {
    const { body } = await this.response;
    this.#reader ??= body?.getReader();
    const chunk = this.#reader && (await withinPatience(this.#reader.read())).value;
    if (!chunk) return null;
    if (!this.threadId) this.#lookForName(chunk);
    return chunk;
  }

  /** Reads until the conversation is known, and returns it; null if there is none. */
  async named(): Promise<string | null> {
    while (!this.threadId && (await this.read().catch(() => null)));
    return this.threadId;
  }

  /** Closes the connection. The turn goes on. */
  close(): void {
    this.#connection.abort();
  }

  // The first event of a new conversation is that it is there.
  #lookForName(chunk: Uint8Array): void {
    this.#begin += this.#decoder.decode(chunk, { stream: true });
    const [, event] = /^data: (.*)\n/.exec(this.#begin) ?? [];
    if (event) this.threadId = JSON.parse(event).thread?.id ?? null;
  }
}

function withinPatience<T>(reading: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The connection is silent.")), SILENCE_MS);
    reading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
