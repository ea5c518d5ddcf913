import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { SignJWT } from "jose";
import type { NextRequest } from "next/server";
import { isDevelopment, withoutSecrets } from "@/kit/causes";
import {
  certificateAdvice,
  Failure,
  isCertificateInvalid,
  logFailure,
  REQUEST_ID,
  requestId,
} from "@/kit/server/failures";
import { cookieOf, OF_THIS_HOST, sharedSecret } from "@/kit/server/guest";
import { type AtOnce, answering, type Sender } from "@/kit/server/limits";
import { pageOrigin } from "@/kit/server/sender";
import { BASE_PATH, listed, setting } from "@/kit/settings";

/** The backend's address, and the setting that it comes from. */
export type BackendAddress = { url: URL; source: string };

const DEFAULT = "http://127.0.0.1:8000";

/**
 * The address of one of the backend's endpoints. It is read anew for each request, so that one
 * build runs anywhere.
 *
 * @param path The endpoint's path, such as `/chatkit`.
 * @param search The query, such as `?year=2026`.
 * @throws {Failure} The setting does not hold an http or https address.
 */
export function backendAddress(path: string, search = ""): BackendAddress {
  for (const name of ["BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"]) {
    const value = setting(name).trim();
    if (value) return { url: endpoint(name, value, path, search), source: name };
  }
  const source = "the default, since BACKEND_URL is not set";
  return { url: endpoint("the default", DEFAULT, path, search), source };
}

function endpoint(name: string, base: string, path: string, search: string): URL {
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const words = `${name} is "${withoutSecrets(base)}", which is not an address like ${DEFAULT}.`;
    throw new Failure(words, 502, "backend-down");
  }
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  url.search = search || url.search;
  return url;
}

/**
 * A request to the backend. A stream is sent as fast as the backend reads it, and never held whole.
 */
export type BackendRequest = {
  method: string;
  headers: Record<string, string>;
  body: Buffer | Readable | null;
  signal: AbortSignal;
};

// We close an idle connection before the server does (gunicorn: after 2 s, uvicorn: after 5 s).
// Otherwise the server could close it just when a message is sent. A connection with a silent
// answer is not idle, and stays open.
const IDLE_MS = 1000;

const agents = {
  "http:": new http.Agent({ keepAlive: true, timeout: IDLE_MS }),
  "https:": new https.Agent({ keepAlive: true, timeout: IDLE_MS }),
};

// The connection of an upload is never used again. If an upload breaks off or is answered before
// its end, its rest cannot mix with another request. The backend is not told to close the
// connection either, because that could cut off an early answer.
const agentsOfUploads = {
  "http:": Object.assign(new http.Agent({ keepAlive: true }), { keepSocketAlive: () => false }),
  "https:": Object.assign(new https.Agent({ keepAlive: true }), { keepSocketAlive: () => false }),
};

/**
 * Sends a request to the backend, and returns as soon as the head of the answer is there.
 *
 * This uses `node:http`, because `fetch` gives up on a body that is silent for 300 seconds, and a
 * model may think for longer. The option that changes this needs a copy of undici that fits the one
 * inside Node.
 *
 * @throws {Failure} No answer came, or the signal was aborted. It says when to try again if the
 * backend has not even got the request.
 */
export function askBackend(
  { url, source }: BackendAddress,
  { body, ...options }: BackendRequest,
): Promise<IncomingMessage> {
  const { request } = url.protocol === "https:" ? https : http;
  const isUpload = body instanceof Readable;
  const agent = (isUpload ? agentsOfUploads : agents)[url.protocol as keyof typeof agents];
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...options, agent }, resolve).on("error", (error: NodeJS.ErrnoException) => {
      reject(error instanceof Failure ? error : noAnswer(error, { url, source }));
    });
    if (isUpload) upload(body, asked);
    else asked.end(body);
  });
}

// No connection was made. In containers also the backend's name may be gone during a restart.
const UNREACHED = ["ECONNREFUSED", "EHOSTUNREACH", "ENOTFOUND", "EAI_AGAIN"];

function noAnswer({ code, message }: NodeJS.ErrnoException, { url, source }: BackendAddress): Failure {
  const place = `the backend at ${withoutSecrets(url)}`;
  const from = `The address comes from ${source}.`;
  const advice = certificateAdvice(code);
  if (advice) {
    const slug = isCertificateInvalid(code) ? null : "tls-inspected";
    const what = slug ? "trusted" : "valid";
    const words = `The certificate of ${place} is not ${what} here (${code}). ${from}${advice}`;
    return new Failure(words, 502, slug);
  }
  const words = `No answer from ${place} (${code ?? message}). ${from} ${howToStart()}`;
  return new Failure(words, 502, "backend-down", UNREACHED.includes(code ?? "") ? 1 : null);
}

function howToStart(): string {
  if (isDevelopment()) return "Start both sides with `uv run dev`.";
  return "Start it with `uv run --no-dev serve`, and set BACKEND_URL to where it listens.";
}

/** Sends a browser's upload to the backend, as fast as the backend reads it. */
function upload(source: Readable, asked: ClientRequest): void {
  source.on("error", (error) => asked.destroy(error)).pipe(asked);
  asked.on("response", (answer: IncomingMessage) => {
    answer.on("close", () => {
      if (!asked.writableEnded) asked.destroy();
    });
  });
}

// How long a restart of the backend may take without anybody noticing it.
const RESTART_SECONDS = 10;
const PAUSE_MS = 250;

/**
 * Sends a request to the backend, again and again while the backend is being restarted.
 *
 * It does so only while the backend has begun nothing: it cannot be reached, or says with 503 and
 * `Retry-After` that it takes the request soon. An upload is sent once, because it cannot be read
 * again.
 *
 * @throws {Failure} No answer came, or the signal was aborted.
 */
async function askPatiently(address: BackendAddress, asked: BackendRequest): Promise<IncomingMessage> {
  let patience: AbortSignal | undefined;
  for (;;) {
    const answer = await askBackend(address, asked).catch((error: Failure) => error);
    if (asked.body instanceof Readable || patience?.aborted || !isRestarting(answer)) {
      if (answer instanceof Failure) throw answer;
      return answer;
    }
    patience ??= AbortSignal.timeout(RESTART_SECONDS * 1000);
    // A new connection may lead to another replica.
    if (!(answer instanceof Failure)) answer.destroy();
    await sleep(PAUSE_MS, undefined, { signal: asked.signal }).catch(() => {});
  }
}

function isRestarting(answer: IncomingMessage | Failure): boolean {
  if (answer instanceof Failure) return answer.retryAfter !== null;
  return answer.statusCode === 503 && Number(answer.headers["retry-after"]) <= RESTART_SECONDS;
}

/**
 * The head of the backend's answer, whose body is still to come, and the address that it came from.
 */
export type BackendResponse = { answer: IncomingMessage; address: BackendAddress };

// This lists the headers that pass, because nobody can list all headers that must not. A cookie, a
// host name or a transfer-encoding, for instance, would leak or break something. A content-length
// does not pass either, because Node sets the length of what it sends. If one came without its
// body, the backend would take the next request for that body, even another person's.
const REQUEST_HEADERS = ["content-type", "accept", "accept-language"];

/**
 * Passes a request on to one of the backend's endpoints in the name of its sender.
 *
 * @param asked The body, and the parts of the request to replace.
 * @param counted The limit that the answer counts towards, until it has reached the browser.
 * @throws {Failure} No answer came, or too many answers are on their way to this sender.
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
    authorization: `Bearer ${await backendToken(sender, pageOrigin(request) + BASE_PATH)}`,
    [REQUEST_ID]: requestId(request),
    ...(asked.headers ?? passedOn(request)),
  };
  const cookies = backendCookies(request);
  if (cookies !== null) headers.cookie = cookies;
  const { method = request.method, signal = request.signal, body } = asked;
  if (body === null) delete headers["content-type"];
  const share = counted.take(sender);
  try {
    const answer = await askPatiently(address, { method, headers, body, signal });
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
 * The token that tells the backend who the owner is. It is valid for a minute. That is enough for
 * one request to arrive, and a token in a log is soon worthless.
 *
 * @param sender The owner and the network address. The backend has limits for both.
 * @param page Where the browser sees the page, such as `https://example.com/chat`. The addresses for
 * uploads start with it.
 * @throws {Failure} The shared secret is missing or too short.
 */
function backendToken({ owner, address }: Sender, page: string): Promise<string> {
  return new SignJWT({ origin: page, ...(address !== null && { address }) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("chatkit-frontend")
    .setAudience("chatkit-backend")
    .setSubject(owner)
    .setIssuedAt()
    .setExpirationTime("60s")
    .sign(sharedSecret());
}

/** The headers of a request that pass to every endpoint. */
export function passedOn(request: NextRequest): Record<string, string> {
  const sent = REQUEST_HEADERS.map((name) => [name, request.headers.get(name)] as const);
  return Object.fromEntries(sent.filter((header): header is [string, string] => header[1] !== null));
}

/**
 * Makes sure that an answer is JSON, as every error of the backend is.
 *
 * @param other What else the answer could have been, for the message.
 * @throws {Failure} The answer is not JSON, so it does not come from the backend.
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
 * The cookies of a request that the backend may see, such as the session of a login in the backend.
 * BACKEND_COOKIES lists their names, and is empty by default. If the backend calls a cookie
 * `__Host-…`, so that no other site of the domain can set it, BACKEND_COOKIES may list it with or
 * without this prefix.
 *
 * @returns A `Cookie` header with the values as the browser sent them, or null if there are none.
 * @throws {Failure} The request has two cookies of one name.
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
