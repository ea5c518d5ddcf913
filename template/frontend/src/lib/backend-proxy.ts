import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { NextRequest } from "next/server";
import { type AtOnce, answering, type Sender } from "@/lib/at-once";
import { askBackend, type BackendRequest } from "@/lib/backend";
import { type BackendAddress, backendAddress } from "@/lib/backend-address";
import { backendCookies } from "@/lib/backend-cookies";
import { backendToken } from "@/lib/backend-token";
import { clientAddress } from "@/lib/client-address";
import { withoutSecrets } from "@/lib/disclosure";
import { Failure } from "@/lib/failure";
import { identify, whyNobody } from "@/lib/identity";
import { expectOwnPage, isRead } from "@/lib/own-page";
import { pageOrigin } from "@/lib/page-origin";
import { REQUEST_ID, requestId } from "@/lib/request-id";
import { logFailure } from "@/lib/respond";

/** The head of the backend's answer, with its body still to come, and where it came from. */
export type BackendAnswer = { answer: IncomingMessage; address: BackendAddress };

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
 * Who sends a request, which is known before any of its body is read.
 *
 * @throws {Failure} They are nobody that we know, or send it from another page than ours; or a setting is wrong.
 */
export async function senderOf(request: NextRequest): Promise<Sender> {
  if (!isRead(request)) expectOwnPage(request);
  const address = clientAddress(request);
  const owner = await identify(request);
  if (!owner) throw new Failure(whyNobody(), 401, "not-signed-in");
  return { owner, address };
}

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
  asked: Pick<BackendRequest, "body"> & Partial<BackendRequest>,
  counted: AtOnce = answering,
): Promise<BackendAnswer> {
  const address = backendAddress(path);
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

function passedOn(request: NextRequest): Record<string, string> {
  const listed = REQUEST_HEADERS.map((name) => [name, request.headers.get(name)] as const);
  return Object.fromEntries(listed.filter((header): header is [string, string] => header[1] !== null));
}

/** What the browser may see of the head of the backend's answer. */
export function answerHeaders({ headers }: IncomingMessage): Headers {
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
export function expectJson({ answer, address }: BackendAnswer, other?: string): void {
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

/** A body for the browser, read no faster than the browser takes it. */
export function webStream(stream: Readable): ReadableStream {
  return Readable.toWeb(stream, AHEAD) as ReadableStream;
}
