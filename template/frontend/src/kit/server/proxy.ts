import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { SignJWT } from "jose";
import type { NextRequest } from "next/server";
import { withoutSecrets } from "@/kit/causes";
import { askBackend, type BackendAddress, type BackendRequest, backendAddress } from "@/kit/server/backend";
import { Failure, logFailure, REQUEST_ID, requestId, respond, unbuffered } from "@/kit/server/failures";
import { cookieOf, OF_THIS_HOST, sharedSecret } from "@/kit/server/guest";
import {
  type AtOnce,
  answering,
  downloads,
  readBody,
  received,
  type Sender,
  throwAway,
  uploads,
} from "@/kit/server/limits";
import { type Access, pageOrigin, senderOf } from "@/kit/server/sender";
import { listed } from "@/kit/settings";

/** The head of the backend's answer, with its body still to come, and where it came from. */
export type BackendResponse = { answer: IncomingMessage; address: BackendAddress };

// Lists of what may pass, not of what may not: a cookie, a host name or a transfer-encoding that travels on
// leaks or breaks something, and nobody can name all such headers. Nor does a content-length: Node says the length of
// what it sends. One that comes without its body makes the backend take the next request, whosever it is, for that body.
const REQUEST_HEADERS = ["content-type", "accept", "accept-language"];
// Next drops a content-length and sends in chunks: a browser still sees when a file is not whole.
const RESPONSE_HEADERS = [
  "content-type",
  "content-length",
  "content-disposition",
  "content-security-policy",
  "x-content-type-options",
  "cache-control",
  "retry-after",
];

// Left to itself, Node 20.9 counts chunks where it should count bytes, and would hold a whole file.
const AHEAD = { strategy: new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }) };

/**
 * Hands a request on to one of the backend's endpoints in the name of its sender.
 *
 * @param asked What to ask instead of what the request asks.
 * @param counted What the answer counts as, until it has reached the browser.
 * @throws {Failure} No answer came, or too many are on their way to this sender.
 */
export async function handOn(
  request: NextRequest,
  sender: Sender,
  path: string,
  asked: Pick<BackendRequest, "body"> & Partial<BackendRequest> & { search?: string },
  counted: AtOnce = answering,
): Promise<BackendResponse> {
  const address = backendAddress(path, asked.search);
  const headers: Record<string, string> = {
    authorization: `Bearer ${await backendToken(sender, pageOrigin(request))}`,
    [REQUEST_ID]: requestId(request),
    ...(asked.headers ?? passedOn(request)),
  };
  const cookies = backendCookies(request);
  if (cookies !== null) headers.cookie = cookies;
  const { method = request.method, signal = request.signal, body } = asked;
  if (body === null) delete headers["content-type"];
  const share = counted.take(sender);
  try {
    const answer = await askBackend(address, { method, headers, body, signal });
    answer.on("close", share.giveBack).on("error", () => {
      if (!signal.aborted) logFailure(request, "The backend broke off in the middle of its answer.");
    });
    return { answer, address };
  } catch (error) {
    share.giveBack();
    throw error;
  }
}

/**
 * The token by which the backend believes who the owner is. It lives for a minute: enough for one request
 * to arrive, worth nothing when it leaks into a log.
 *
 * @param sender Who asks, and from which address: the backend has limits for both.
 * @param origin Under which the browser sees the page: the backend makes addresses for uploads of it.
 * @throws {Failure} The shared secret is missing or too short.
 */
function backendToken({ owner, address }: Sender, origin: string): Promise<string> {
  return new SignJWT({ origin, ...(address !== null && { address }) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("chatkit-frontend")
    .setAudience("chatkit-backend")
    .setSubject(owner)
    .setIssuedAt()
    .setExpirationTime("60s")
    .sign(sharedSecret());
}

function passedOn(request: NextRequest): Record<string, string> {
  const listed = REQUEST_HEADERS.map((name) => [name, request.headers.get(name)] as const);
  return Object.fromEntries(listed.filter((header): header is [string, string] => header[1] !== null));
}

/** What the browser may see of the head of the backend's answer. */
export function responseHeaders({ headers }: IncomingMessage): Headers {
  const passed = new Headers();
  for (const name of RESPONSE_HEADERS) {
    const value = headers[name];
    if (typeof value === "string") passed.set(name, value);
  }
  return passed;
}

/**
 * Makes sure that an answer is JSON, as every error of the backend is.
 *
 * @param other What else it could have been, if anything.
 * @throws {Failure} It is something else: somebody else has answered.
 */
export function expectJson({ answer, address }: BackendResponse, other?: string): void {
  const type = answer.headers["content-type"] ?? "nothing";
  if (/^application\/json\b/.test(type)) return;
  answer.destroy();
  throw new Failure(
    `${withoutSecrets(address.url)} answered ${answer.statusCode} with ${type}, which is ${other ? `neither JSON nor ${other}` : "not JSON"}: ` +
      `is that the backend? The address comes from ${address.source}.`,
    502,
    "proxy-hides-the-cause",
  );
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

/** A body for the browser, read no faster than the browser takes it. */
export function webStream(stream: Readable): ReadableStream {
  return Readable.toWeb(stream, AHEAD) as ReadableStream;
}

/**
 * The cookies of a request that the backend may see: those that BACKEND_COOKIES names, with commas between the names,
 * such as the session of a login that the backend has. None by default. Where the backend calls one `__Host-…`, so that
 * no other site of the domain can set it, its name may stand there with or without that.
 *
 * @returns A `Cookie` header with the values as the browser sent them, or null when there is nothing to send.
 * @throws {Failure} There are two of one name.
 */
function backendCookies(request: Request): string | null {
  const names = listed("BACKEND_COOKIES").flatMap((name) =>
    name.startsWith(OF_THIS_HOST) ? name : [OF_THIS_HOST + name, name],
  );
  const passed = names
    .map((name) => [name, cookieOf(request, name)])
    .filter(([, value]) => value !== undefined);
  return passed.map((cookie) => cookie.join("=")).join("; ") || null;
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
