import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { failureAnswer, isStreamingRequest, messageAnswer, unbuffered } from "@/lib/answers";
import { postToBackend } from "@/lib/backend";
import { type BackendAddress, backendAddress } from "@/lib/backend-address";
import { backendToken } from "@/lib/backend-token";
import { eventsUntilTheEnd } from "@/lib/event-stream";
import { Failure } from "@/lib/failure";
import { identify } from "@/lib/identity";
import { BODY_LIMIT, readBody } from "@/lib/request-body";

// Lists of what may pass, not of what may not: a cookie, a host name or a transfer-encoding that travels on
// leaks or breaks something, and nobody can name all such headers.
const REQUEST_HEADERS = ["content-type", "accept", "accept-language", "x-request-id"];
const RESPONSE_HEADERS = ["content-type", "x-request-id", "retry-after"];

/**
 * Hands a ChatKit request on to the backend in the name of its owner, and the answer back as it comes in.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 */
export async function answerChatKit(request: NextRequest): Promise<Response> {
  const body = await readBody(request);
  if (!body) {
    return messageAnswer(413, `A request may carry ${BODY_LIMIT / 1024 / 1024} MB; this one is larger.`);
  }
  try {
    const owner = await identify(request);
    if (!owner) {
      return messageAnswer(
        401,
        "This browser has no guest cookie. Reload the page: the cookie comes with it, if cookies are allowed.",
      );
    }
    const address = backendAddress();
    const headers = await requestHeaders(request, owner);
    const upstream = await postToBackend(address, headers, body, request.signal);
    return await answerFrom(upstream, address, body);
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    console.error("/api/chatkit:", error instanceof Failure ? error.message : error);
    const words = error instanceof Failure ? error.message : "The page's server failed: its log says why.";
    return failureAnswer(body, words);
  }
}

async function requestHeaders(request: NextRequest, owner: string): Promise<Record<string, string>> {
  const headers: Record<string, string> = { authorization: `Bearer ${await backendToken(owner)}` };
  for (const name of REQUEST_HEADERS) {
    const value = request.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

async function answerFrom(upstream: IncomingMessage, address: BackendAddress, body: Buffer) {
  const status = upstream.statusCode ?? 0;
  const type = upstream.headers["content-type"] ?? "nothing";
  const headers = unbuffered();
  for (const name of RESPONSE_HEADERS) {
    const value = upstream.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  if (status === 200 && /^text\/event-stream\b/.test(type)) {
    return new Response(webStream(Readable.from(eventsUntilTheEnd(upstream))), { headers });
  }
  if (!/^application\/json\b/.test(type)) {
    upstream.destroy();
    throw new Failure(
      `${address.url} answered ${status} with ${type}, which is neither JSON nor an event stream: is that the ` +
        `backend? The address comes from ${address.source}.`,
    );
  }
  const final = status >= 400 && status < 500;
  if (!final && isStreamingRequest(body)) throw new Failure(await messageOf(upstream, status));
  return new Response(webStream(upstream), { status, headers });
}

async function messageOf(upstream: IncomingMessage, status: number): Promise<string> {
  const answer = await json(upstream).catch(() => null);
  const message = (answer as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : `The backend answered ${status}: its log says why.`;
}

function webStream(stream: Readable): ReadableStream {
  return Readable.toWeb(stream) as ReadableStream;
}
