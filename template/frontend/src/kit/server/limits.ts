import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { finished, Readable } from "node:stream";
import { finished as end } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "@/kit/server/failures";
import { BASE_PATH } from "@/kit/settings";

/**
 * A value of which this process has only one. A module's own variable is not enough, because Next
 * may load a module once for each route, and once more for src/instrumentation.ts.
 *
 * @param make Makes the value when it is first needed.
 */
export function processWide<T>(name: string, make: () => T): T {
  const all = globalThis as Record<symbol, unknown>;
  const key = Symbol.for(`chatkit: ${name}`);
  all[key] ??= make();
  return all[key] as T;
}

/** Who sends a request: the owner of conversations, and the network address if it is known. */
export type Sender = { owner: string; address: string | null };

export const MB = 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/** What a request takes of a limit. `giveBack` gives all of it back; a second call does nothing. */
export type Share = { more: (amount: number) => void; giveBack: () => void };

/**
 * Limits for what goes on at once, so that no person and no network address can take everything.
 */
export class AtOnce {
  private readonly taken = new Map<string, number>();

  constructor(
    private readonly most: { person: number; address?: number; all?: number },
    private readonly what: string,
  ) {}

  /**
   * Takes a share, and counts it for the person, for the network address and for everybody
   * together.
   *
   * @throws {Failure} One of the limits would be exceeded.
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

/** Messages that are being received. Most have arrived as a whole before we start to read them. */
export const messages = processWide(
  "messages",
  () => new AtOnce({ person: 100, address: 300, all: 400 }, "Too many messages are on their way"),
);

/** Files that are being received. Each takes two connections. */
export const uploads = processWide(
  "uploads",
  () => new AtOnce({ person: 10, address: 50, all: 300 }, "Too many files are on their way"),
);

/** Bytes of requests that are held in memory until the backend has answered. */
export const holding = processWide(
  "holding",
  () =>
    new AtOnce(
      { person: 20 * MB, address: 100 * MB, all: 200 * MB },
      "Too many large messages are on their way",
    ),
);

/** Answers of the backend that we wait for, or that are on their way to the browser. */
export const answering = processWide(
  "answering",
  () => new AtOnce({ person: 100, address: 300 }, "Too many answers are on their way"),
);

/**
 * Files that are on their way to the browser, which may read slowly. A person may get more files
 * than the 20 that a message can have.
 */
export const downloads = processWide(
  "downloads",
  () => new AtOnce({ person: 24, address: 60, all: 300 }, "Too many downloads are on their way"),
);

/** The largest body of a request. Dictated speech comes in such a body, attachments do not. */
export const BODY_LIMIT = 10 * MB;

const SILENCE_MS = 30_000;

// Everybody else waits while a body is read, so each sender has a maximum speed. It does not delay
// a short body.
const BYTES_A_MS = (32 * MB) / 1000;
const NOT_HELD_UP_MS = 20;

/** When the next bytes of a sender may be read, by the sender's address or name. */
const due = processWide("due bytes", () => new Map<string, number>());

/**
 * Reads the whole body of a request. It counts as held in memory until `held` is given back.
 *
 * @throws {Failure} The body is larger than {@link BODY_LIMIT}, nothing arrives for a while, or the
 * sender sends too much at once.
 */
export async function readBody(request: Request, sender: Sender): Promise<{ body: Buffer; held: Share }> {
  // A sender who announces too large a body is refused before anything is read.
  if (Number(request.headers.get("content-length")) > BODY_LIMIT) throw tooLarge();
  const held = holding.take(sender, 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // We read to the end, because browsers look at the answer only after they have sent everything.
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
 * A body as it arrives. It is read no faster than it is consumed.
 *
 * @param kind The limit that the body counts towards while it arrives.
 * @throws {Failure} The sender sends too much at once. The stream fails with one if nothing arrives
 * for a while.
 */
export function received(body: ReadableStream<Uint8Array>, sender: Sender, kind: AtOnce): Readable {
  const share = kind.take(sender);
  const stream = Readable.from(pieces(body, sender), { objectMode: false });
  finished(stream, share.giveBack);
  return stream;
}

/**
 * Reads the rest of a body and discards it. Returns at its end, or if the sender is gone or silent.
 */
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

// This does not cancel the reader, because that would cut off the connection, and with it the
// answer.
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

// The bodies that no other limit counts. LEFT_OVER are those that were answered before their end,
// for example with 401. They get the time that most browsers need to send the rest and look at the
// answer. TO_A_PAGE are those that are sent to a page: Next waits for their end, but no page of
// ours reads a body.
const LEFT_OVER = { most: 50, milliseconds: 2000 };
const TO_A_PAGE = { most: 10, milliseconds: 10_000 };

type Bounds = typeof LEFT_OVER;
type Exchange = { request: IncomingMessage };

const going = processWide("bodies", () => new Map<Bounds, number>());

/** Limits these bodies: TO_A_PAGE from the start of a request on, LEFT_OVER after its answer. */
export function endUncountedBodies(): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as Exchange;
    if (hasBody(request) && !request.url?.startsWith(`${BASE_PATH}/api/`)) endWithin(TO_A_PAGE, request);
  });
  subscribe("http.server.response.finish", (message) => {
    const { request } = message as Exchange;
    // Otherwise Node would read on for as long as the sender likes.
    if (!request.complete) endWithin(LEFT_OVER, request);
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * Closes a request's connection if its body does not end in time, or at once if there are too many.
 */
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
