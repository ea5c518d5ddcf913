import { finished, Readable } from "node:stream";
import { finished as end } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type AtOnce, holding, MB, messages, type Sender, type Share } from "@/lib/at-once";
import { Failure } from "@/lib/failure";
import { processWide } from "@/lib/process-wide";

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
      reject(new Failure(`Nothing more has come for ${SILENCE_MS / 1000} seconds. Try again.`, 408));
    const timer = setTimeout(giveUp, SILENCE_MS);
    const brokenOff = () => reject(new Failure("The request broke off before its end.", 400));
    reading.then(resolve, brokenOff).finally(() => clearTimeout(timer));
  });
}

function tooLarge(): Failure {
  return new Failure(`A request may carry ${BODY_LIMIT / MB} MB; this one is larger.`, 413);
}
