import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { isDevelopment, type Slug } from "@/kit/causes";
import { type BackendResponse, expectJson, handOn } from "@/kit/server/backend";
import {
  Failure,
  messageResponse,
  namingRequest,
  RelayedFailure,
  requestId,
  respond,
  unbuffered,
} from "@/kit/server/failures";
import {
  answering,
  downloads,
  readBody,
  received,
  type Sender,
  throwAway,
  uploads,
} from "@/kit/server/limits";
import { type Access, senderOf } from "@/kit/server/sender";

// The backend takes nothing but speech beyond that, and parsing 10 MB of brackets would hold up everybody.
const STREAMING_BYTES = 512 * 1024;

const STREAMING_REQUESTS = new Set([
  "threads.create",
  "threads.add_user_message",
  "threads.add_client_tool_output",
  "threads.add_structured_input",
  "threads.retry_after_item",
  "threads.custom_action",
]);

const NOBODY: Sender = { owner: "nobody", address: null };

/**
 * Hands a ChatKit request on to the backend in the name of its owner, and the answer back as it comes in.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 */
export function handleChatKit(request: NextRequest, access: Access): Promise<Response> {
  return respond(request, async () => {
    const sender = await senderOf(request, access).catch(ours);
    const { body, held } = await readBody(request, sender instanceof Failure ? NOBODY : sender);
    return respond(
      request,
      async () => {
        if (sender instanceof Failure) throw sender;
        return chatKitResponse(await handOn(request, sender, "/chatkit", { body }), body, requestId(request));
      },
      (message, slug) => failureResponse(body, message, slug),
    ).finally(held.giveBack);
  });
}

// Where we are at fault, what form the answer has depends on the request all the same.
function ours(error: unknown): Failure {
  if (error instanceof Failure && error.status >= 500) return error;
  throw error;
}

async function chatKitResponse(backend: BackendResponse, body: Buffer, id: string): Promise<Response> {
  const { answer } = backend;
  const { statusCode: status = 0 } = answer;
  const headers = unbuffered(responseHeaders(answer));
  if (status === 200 && /^text\/event-stream\b/.test(headers.get("content-type") ?? "")) {
    return new Response(webStream(Readable.from(eventsUntilTheEnd(answer, id))), { headers });
  }
  expectJson(backend, "an event stream");
  const final = status >= 400 && status < 500;
  if (!final && isStreamingRequest(body)) throw await failureOf(answer, status);
  return new Response(webStream(answer), { status, headers });
}

async function failureOf(answer: IncomingMessage, status: number): Promise<Failure> {
  const said = await json(answer).catch(() => null);
  const message = (said as { message?: unknown } | null)?.message;
  if (typeof message === "string") return new RelayedFailure(message, status);
  return new Failure(`The backend answered ${status}: its log says why.`);
}

// An event ends with an empty line; a comment, as a heartbeat is one, ends with its own.
const BETWEEN_EVENTS = /(\n\n|(^|\n):[^\n]*\n)$/;

/**
 * The backend's events as they come in. When the backend breaks off they end with an error event: ChatKit's
 * UI would take a broken connection for a reason to post the message again.
 */
async function* eventsUntilTheEnd(
  upstream: AsyncIterable<Buffer>,
  requestId: string,
): AsyncGenerator<Buffer> {
  let last: Buffer = Buffer.from("\n\n");
  try {
    for await (const chunk of upstream) {
      last = chunk;
      yield chunk;
    }
  } catch {
    const separator = BETWEEN_EVENTS.test(last.toString()) ? "" : "\n\n";
    const message = isDevelopment()
      ? "The backend broke off in the middle of this answer: its log says why."
      : "The answer broke off in the middle. Try again in a minute.";
    yield Buffer.from(separator + errorEvent(namingRequest(message, requestId)));
  }
}

/** ChatKit's error event, which its UI shows inside the conversation. */
function errorEvent(message: string): string {
  const event = { type: "error", code: "custom", message, allow_retry: true };
  return `data: ${JSON.stringify(event)}\n\n`;
}

/**
 * The answer to a request that failed on this side of the backend, or in it. A streaming request never gets
 * a 5xx: ChatKit's UI would post it again, and each post makes one more thread.
 */
function failureResponse(requestBody: Buffer, message: string, slug: Slug | null = null): Response {
  if (!isStreamingRequest(requestBody)) return messageResponse(502, message, slug);
  return new Response(errorEvent(message), { headers: unbuffered({ "content-type": "text/event-stream" }) });
}

/** Will ChatKit's UI read the answer to this request as an event stream? */
export function isStreamingRequest(body: Buffer): boolean {
  if (body.length > STREAMING_BYTES) return false;
  try {
    return STREAMING_REQUESTS.has(JSON.parse(body.toString()).type);
  } catch {
    return false;
  }
}

// A part of a path, with nothing in it that could lead to another path of the backend.
const PART = /^[A-Za-z0-9_-]{1,255}$/;

/**
 * Hands an upload or a download on to the backend in the name of its owner, piece by piece both ways.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 *
 * @param access Who may ask.
 * @param id Of an attachment that is there already.
 */
export function handleAttachments(request: NextRequest, access: Access, id?: string): Promise<Response> {
  return respond(request, async () => {
    if (id !== undefined && !PART.test(id)) throw new Failure("There is no such attachment.", 404);
    const path = id === undefined ? "/attachments" : `/attachments/${id}`;
    const sender = await senderOf(request, access);
    const body = request.body && received(request.body, sender, uploads);
    try {
      const counted = request.method === "POST" ? answering : downloads;
      const backend = await handOn(request, sender, path, { body }, counted);
      expectSafe(backend);
      const { statusCode: status = 0 } = backend.answer;
      return new Response(webStream(backend.answer), { status, headers: responseHeaders(backend.answer) });
    } finally {
      // The backend may answer before the end, or be gone; browsers look at an answer only after they have sent everything.
      if (body) await throwAway(body, request.signal);
    }
  });
}

const PREFIX = "/api/backend";

const EMPTY = [204, 205, 304];

/**
 * Hands a request on to a route of the owner's own in the backend, in the name of its sender, and the answer back.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 *
 * @param access Who may ask.
 * @param routes What may be asked for, such as `GET /orders/{id}`.
 */
export function handleRoute(request: NextRequest, access: Access, routes: string[]): Promise<Response> {
  return respond(request, async () => {
    const path = request.nextUrl.pathname.slice(PREFIX.length);
    if (!routes.some((route) => leadsTo(route, request.method, path))) {
      throw new Failure("There is nothing at this address.", 404);
    }
    const sender = await senderOf(request, access);
    const { body, held } = await readBody(request, sender);
    const asked = { body: request.body && body, search: request.nextUrl.search };
    return routeResponse(await handOn(request, sender, path, asked).finally(held.giveBack));
  });
}

function leadsTo(route: string, method: string, path: string): boolean {
  const [listed, pattern = ""] = route.split(" ");
  // As everywhere, whoever may GET may ask for the head alone.
  if (listed !== (method === "HEAD" ? "GET" : method)) return false;
  const wanted = pattern.split("/");
  const parts = path.split("/");
  return (
    parts.length === wanted.length &&
    wanted.every((part, i) => (/^\{.*\}$/.test(part) ? PART.test(parts[i] ?? "") : part === parts[i]))
  );
}

function routeResponse(backend: BackendResponse): Response {
  const { answer } = backend;
  const { statusCode: status = 0 } = answer;
  const headers = responseHeaders(answer);
  // It is for this person: no cache on the way keeps it.
  if (!headers.has("cache-control")) headers.set("cache-control", "private, no-store");
  if (EMPTY.includes(status)) {
    answer.resume();
    return new Response(null, { status, headers });
  }
  const isStream = /^text\/event-stream\b/.test(headers.get("content-type") ?? "");
  if (!isStream) expectSafe(backend);
  return new Response(webStream(answer), { status, headers: isStream ? unbuffered(headers) : headers });
}

// A list of what may pass, as for what is asked. Next drops a content-length and sends in chunks: a browser still sees
// when a file is not whole.
const RESPONSE_HEADERS = [
  "content-type",
  "content-length",
  "content-disposition",
  "content-security-policy",
  "x-content-type-options",
  "cache-control",
  "retry-after",
];

/** What the browser may see of the head of the backend's answer. */
function responseHeaders({ headers }: IncomingMessage): Headers {
  const passed = new Headers();
  for (const name of RESPONSE_HEADERS) {
    const value = headers[name];
    if (typeof value === "string") passed.set(name, value);
  }
  return passed;
}

/**
 * Makes sure that nothing, such as what people have uploaded, becomes a page of our own origin.
 *
 * @throws {Failure} The answer is neither JSON nor a download.
 */
function expectSafe(backend: BackendResponse): void {
  const isDownload = /^attachment\b/.test(backend.answer.headers["content-disposition"] ?? "");
  if (!isDownload) expectJson(backend, "a download");
}

// Left to itself, Node 20.9 counts chunks where it should count bytes, and would hold a whole file.
const AHEAD = { strategy: new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }) };

/** A body for the browser, read no faster than the browser takes it. */
function webStream(stream: Readable): ReadableStream {
  return Readable.toWeb(stream, AHEAD) as ReadableStream;
}
