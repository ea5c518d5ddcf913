import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { finished, Readable } from "node:stream";
import { finished as end } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "@/kit/server/failures";

/**
 * What this process has one of: Next may load a module once for each route, and once more for src/instrumentation.ts.
 *
 * @param make Makes it, when it is first asked for.
 */
export function processWide<T>(name: string, make: () => T): T {
  const all = globalThis as Record<symbol, unknown>;
  const key = Symbol.for(`chatkit: ${name}`);
  all[key] ??= make();
  return all[key] as T;
}

/** Who sends a request, and from where: the name that owns conversations, and the address of the network if known. */
export type Sender = { owner: string; address: string | null };

export const MB = 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/** Some of what only so much of may go on at once. It is given back once. */
export type Share = { more: (amount: number) => void; giveBack: () => void };

/** What may go on at once for a person, for an address and for all, so that none of them can take all there is. */
export class AtOnce {
  private readonly taken = new Map<string, number>();

  constructor(
    private readonly most: { person: number; address?: number; all?: number },
    private readonly what: string,
  ) {}

  /**
   * Takes some of it.
   *
   * @throws {Failure} It would be too much.
   */
  take({ owner, address }: Sender, amount = 1): Share {
    const { person, address: ofAddress = Infinity, all = Infinity } = this.most;
    const limits = [
      { key: `person ${owner}`, most: person, whose: "you" },
      ...(address === null ? [] : [{ key: `address ${address}`, most: ofAddress, whose: "your network" }]),
      { key: "all", most: all, whose: "everybody together" },
    ];
    let own = 0;
    const more = (wanted: number) => {
      const full = limits.find(({ key, most }) => (this.taken.get(key) ?? 0) + wanted > most);
      if (full) throw tooMuch(this.what, full.whose);
      this.add(limits, wanted);
      own += wanted;
    };
    more(amount);
    const giveBack = () => {
      this.add(limits, -own);
      own = 0;
    };
    return { more, giveBack };
  }

  private add(limits: { key: string }[], amount: number): void {
    for (const { key } of limits) {
      const left = (this.taken.get(key) ?? 0) + amount;
      if (left > 0) this.taken.set(key, left);
      else this.taken.delete(key);
    }
  }
}

function tooMuch(what: string, whose: string): Failure {
  const message = `${what} at once for ${whose}. Wait a moment, then try again.`;
  return new Failure(message, 429, null, RETRY_AFTER_SECONDS);
}

/** Messages that are being received. Most have come as a whole by the time that anybody looks. */
export const messages = processWide(
  "messages",
  () => new AtOnce({ person: 100, address: 300, all: 400 }, "Too many messages are on their way"),
);

/** Files that are being received, each over two connections. */
export const uploads = processWide(
  "uploads",
  () => new AtOnce({ person: 10, address: 50, all: 300 }, "Too many files are on their way"),
);

/** Bytes of bodies that are held in memory until the backend has answered. */
export const holding = processWide(
  "holding",
  () =>
    new AtOnce(
      { person: 20 * MB, address: 100 * MB, all: 200 * MB },
      "Too many large messages are on their way",
    ),
);

/** Answers of the backend that are waited for, or that are on their way to the browser. */
export const answering = processWide(
  "answering",
  () => new AtOnce({ person: 100, address: 300 }, "Too many answers are on their way"),
);

/** Files that are on their way to the browser, however slowly it reads: more than the 20 that a message has at most. */
export const downloads = processWide(
  "downloads",
  () => new AtOnce({ person: 24, address: 60, all: 300 }, "Too many downloads are on their way"),
);

/** The most that one request may carry. Attachments do not come this way; dictated speech does. */
export const BODY_LIMIT = 10 * MB;

const SILENCE_MS = 30_000;

// Everybody waits while a body is read, so each sender has a pace. What is short is not held up.
const BYTES_A_MS = (32 * MB) / 1000;
const NOT_HELD_UP_MS = 20;

/** When the next bytes of a sender are due, by the name or the address of the sender. */
const due = processWide("due bytes", () => new Map<string, number>());

/**
 * The whole body of a request, which counts as held until `held` is given back.
 *
 * @throws {Failure} It is larger than {@link BODY_LIMIT}, or brings nothing for a while; or its sender sends too much
 *   at once.
 */
export async function readBody(request: Request, sender: Sender): Promise<{ body: Buffer; held: Share }> {
  // Before reading: a sender who says the size is turned away at once.
  if (Number(request.headers.get("content-length")) > BODY_LIMIT) throw tooLarge();
  const held = holding.take(sender, 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // To the end, for browsers look at the answer only after they have sent everything.
    for await (const chunk of request.body ? received(request.body, sender, messages) : []) {
      size += chunk.length;
      if (size > BODY_LIMIT) continue;
      held.more(chunk.length);
      chunks.push(chunk);
    }
    if (size > BODY_LIMIT) throw tooLarge();
  } catch (error) {
    held.giveBack();
    throw error;
  }
  return { body: Buffer.concat(chunks), held };
}

/**
 * A body as it comes in, read no faster than it is taken.
 *
 * @param kind What it counts as for as long as it comes.
 * @throws {Failure} Its sender sends too much at once. The stream ends with one when it brings nothing for a while.
 */
export function received(body: ReadableStream<Uint8Array>, sender: Sender, kind: AtOnce): Readable {
  const share = kind.take(sender);
  const stream = Readable.from(pieces(body, sender), { objectMode: false });
  finished(stream, share.giveBack);
  return stream;
}

/** Reads what is left of a body, and forgets it. Returns at its end, or when its sender is gone or silent. */
export async function throwAway(body: Readable, signal: AbortSignal): Promise<void> {
  await end(body.unpipe().resume(), { signal }).catch(() => {});
  body.destroy();
}

async function* pieces(body: ReadableStream<Uint8Array>, sender: Sender): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await withinPatience(reader.read());
    if (done) return;
    yield value;
    await untilNextIsDue(sender, value.length);
  }
}

async function untilNextIsDue({ owner, address }: Sender, bytes: number): Promise<void> {
  const who = address ?? owner;
  const now = performance.now();
  const next = Math.max(due.get(who) ?? 0, now) + bytes / BYTES_A_MS;
  due.set(who, next);
  const waited = sleep(next - now, undefined, { ref: false }).then(() => {
    if (due.get(who) === next) due.delete(who);
  });
  if (next - now > NOT_HELD_UP_MS) await waited;
}

// The reader is not cancelled: that would cut the connection off, and the answer with it.
function withinPatience<T>(reading: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () =>
      reject(new Failure(`Nothing more has arrived for ${SILENCE_MS / 1000} seconds. Try again.`, 408));
    const timer = setTimeout(giveUp, SILENCE_MS);
    const brokenOff = () => reject(new Failure("The request broke off before its end.", 400));
    reading.then(resolve, brokenOff).finally(() => clearTimeout(timer));
  });
}

function tooLarge(): Failure {
  return new Failure(`A request may carry ${BODY_LIMIT / MB} MB; this one is larger.`, 413);
}

// Bodies that nobody counts elsewhere: those that were answered before their end, as with 401, and those that come to a
// page. The first go on for as long as most browsers need to send it all and look at their answer; Next waits for the
// others, and no page of ours takes any.
const LEFT_OVER = { most: 50, milliseconds: 2000 };
const TO_A_PAGE = { most: 10, milliseconds: 10_000 };

type Bounds = typeof LEFT_OVER;
type Exchange = { request: IncomingMessage };

const going = processWide("bodies", () => new Map<Bounds, number>());

/** Ends these bodies, which is seen to before Next looks at a request, and after it. */
export function endUncountedBodies(): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as Exchange;
    if (hasBody(request) && !request.url?.startsWith("/api/")) endWithin(TO_A_PAGE, request);
  });
  subscribe("http.server.response.finish", (message) => {
    const { request } = message as Exchange;
    // Node would read on for as long as the sender likes.
    if (!request.complete) endWithin(LEFT_OVER, request);
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Closes the connection of a request whose body has not ended in time, or at once where too many do so. */
function endWithin(bounds: Bounds, request: IncomingMessage): void {
  const { socket } = request;
  const others = going.get(bounds) ?? 0;
  if (others >= bounds.most) {
    socket.destroySoon();
    return;
  }
  going.set(bounds, others + 1);
  const timer = setTimeout(() => socket.destroy(), bounds.milliseconds);
  const over = () => {
    clearTimeout(timer);
    request.off("end", over);
    socket.off("close", over);
    going.set(bounds, (going.get(bounds) ?? 1) - 1);
  };
  request.on("end", over);
  socket.on("close", over);
}
