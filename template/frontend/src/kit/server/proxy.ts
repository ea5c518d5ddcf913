import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { isDevelopment, type Slug } from "@/kit/causes";
import { type BackendResponse, expectJson, handOn, passedOn } from "@/kit/server/backend";
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
import { ASSISTANT, PAGE_CONTEXT, SAYS_STOP, STREAMED } from "@/kit/settings";

// Above this size the backend accepts only speech, and parsing 10 MB of brackets would delay
// everybody.
const STREAMING_BYTES = 512 * 1024;

const NOBODY: Sender = { owner: "nobody", address: null };

/**
 * Passes a ChatKit request on to the backend in the name of its owner, and the answer back as it
 * arrives.
 *
 * It never throws: an error becomes an answer with a message that a person can act on.
 *
 * @param pageNames What the page may say about itself.
 */
export function handleChatKit(
  request: NextRequest,
  access: Access,
  pageNames: readonly string[] = [],
): Promise<Response> {
  return respond(request, async () => {
    const sender = await senderOf(request, access).catch(ours);
    const { body, held } = await readBody(request, sender instanceof Failure ? NOBODY : sender);
    return respond(
      request,
      async () => {
        if (sender instanceof Failure) throw sender;
        const saysStop = request.headers.get(SAYS_STOP) === "1";
        const headers = {
          ...passedOn(request),
          ...assistant(request),
          ...(saysStop && { [SAYS_STOP]: "1" }),
          ...pageContext(request, pageNames),
        };
        const backend = await handOn(request, sender, "/chatkit", { body, headers });
        return chatKitResponse(backend, body, requestId(request), saysStop);
      },
      (message, slug) => failureResponse(body, message, slug),
    ).finally(held.giveBack);
  });
}

// A failure on our side waits until the body is read, because the body decides the answer's form.
function ours(error: unknown): Failure {
  if (error instanceof Failure && error.status >= 500) return error;
  throw error;
}

// The backend allows no other names.
const ASSISTANT_NAME = /^[a-z0-9-]{1,40}$/;

/** The header with the name of the assistant. The backend knows which ones there are. */
function assistant(request: NextRequest): Record<string, string> {
  const name = request.headers.get(ASSISTANT);
  if (!name) return {};
  if (!ASSISTANT_NAME.test(name)) throw new Failure("There is no such assistant.", 404);
  return { [ASSISTANT]: name };
}

// The backend has the same limit.
const PAGE_CHARACTERS = 2000;

/** The header with what the page says about itself, without what is not listed. */
function pageContext(request: NextRequest, names: readonly string[]): Record<string, string> {
  const written = request.headers.get(PAGE_CONTEXT) ?? "";
  if (written.length > PAGE_CHARACTERS) {
    throw new Failure(`The page's context is longer than ${PAGE_CHARACTERS} characters.`, 431);
  }
  const said = new URLSearchParams(written);
  const listed = new URLSearchParams([...said].filter(([name]) => names.includes(name))).toString();
  return listed ? { [PAGE_CONTEXT]: listed } : {};
}

async function chatKitResponse(
  backend: BackendResponse,
  body: Buffer,
  id: string,
  saysStop: boolean,
): Promise<Response> {
  const { answer } = backend;
  const { statusCode: status = 0 } = answer;
  const headers = unbuffered(responseHeaders(answer));
  if (status === 200 && /^text\/event-stream\b/.test(headers.get("content-type") ?? "")) {
    // A page that says Stop also reads on if the backend breaks off, because the answer may go on.
    const events = saysStop ? answer : Readable.from(eventsUntilTheEnd(answer, id));
    return new Response(webStream(events), { headers });
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

// An event ends with an empty line. A comment, such as a heartbeat, ends with its own line.
const BETWEEN_EVENTS = /(\n\n|(^|\n):[^\n]*\n)$/;

/**
 * The backend's events as they arrive. If the backend breaks off, they end with an error event,
 * because ChatKit's UI would post the message again after a broken connection.
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
 * The answer to a request that failed here or in the backend. A streaming request never gets a 5xx,
 * because ChatKit's UI would post it again, and each post makes one more thread.
 */
function failureResponse(requestBody: Buffer, message: string, slug: Slug | null = null): Response {
  if (!isStreamingRequest(requestBody)) return messageResponse(502, message, slug);
  return new Response(errorEvent(message), { headers: unbuffered({ "content-type": "text/event-stream" }) });
}

/** Whether ChatKit's UI reads the answer to this request as an event stream. */
export function isStreamingRequest(body: Buffer): boolean {
  if (body.length > STREAMING_BYTES) return false;
  try {
    return STREAMED.includes(JSON.parse(body.toString()).type);
  } catch {
    return false;
  }
}

// A segment of a path, without anything that could lead to another path of the backend.
const PART = /^[A-Za-z0-9_-]{1,255}$/;

/**
 * Passes an upload or a download on to the backend in the name of its owner, in pieces both ways.
 *
 * It never throws: an error becomes an answer with a message that a person can act on.
 *
 * @param id The id of an existing attachment.
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
      // The backend may answer before the end, or be down. But a browser looks at the answer only
      // after it has sent everything.
      if (body) await throwAway(body, request.signal);
    }
  });
}

const PREFIX = "/api/backend";

const EMPTY = [204, 205, 304];

/**
 * Passes a request on to one of the owner's own routes in the backend, in the name of its sender.
 *
 * It never throws: an error becomes an answer with a message that a person can act on.
 *
 * @param routes The routes that a browser may call, such as `GET /orders/{id}`.
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
  // As usual, a route that allows GET allows HEAD too.
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
  // The answer is for this person only, so no cache on the way may keep it.
  if (!headers.has("cache-control")) headers.set("cache-control", "private, no-store");
  if (EMPTY.includes(status)) {
    answer.resume();
    return new Response(null, { status, headers });
  }
  const isStream = /^text\/event-stream\b/.test(headers.get("content-type") ?? "");
  if (!isStream) expectSafe(backend);
  return new Response(webStream(answer), { status, headers: isStream ? unbuffered(headers) : headers });
}

// This lists the headers that pass, as for requests. Next drops the content-length and sends
// chunks, so a browser still notices when a file is incomplete.
const RESPONSE_HEADERS = [
  "content-type",
  "content-length",
  "content-disposition",
  "content-security-policy",
  "x-content-type-options",
  "cache-control",
  "retry-after",
];

/** The headers of the backend's answer that the browser may see. */
function responseHeaders({ headers }: IncomingMessage): Headers {
  const passed = new Headers();
  for (const name of RESPONSE_HEADERS) {
    const value = headers[name];
    if (typeof value === "string") passed.set(name, value);
  }
  return passed;
}

/**
 * Makes sure that a browser does not show an answer, such as an uploaded file, as a page of our
 * origin.
 *
 * @throws {Failure} The answer is neither JSON nor a download.
 */
function expectSafe(backend: BackendResponse): void {
  const isDownload = /^attachment\b/.test(backend.answer.headers["content-disposition"] ?? "");
  if (!isDownload) expectJson(backend, "a download");
}

// By default, Node 20.9 counts chunks instead of bytes, and would hold a whole file in memory.
const AHEAD = { strategy: new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }) };

/** A body for the browser. It is read no faster than the browser reads it. */
function webStream(stream: Readable): ReadableStream {
  return Readable.toWeb(stream, AHEAD) as ReadableStream;
}
