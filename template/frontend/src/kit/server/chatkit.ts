import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { isDevelopment, type Slug } from "@/kit/causes";
import {
  Failure,
  messageResponse,
  namingRequest,
  RelayedFailure,
  requestId,
  respond,
  unbuffered,
} from "@/kit/server/failures";
import { readBody, type Sender } from "@/kit/server/limits";
import { type BackendResponse, expectJson, handOn, responseHeaders, webStream } from "@/kit/server/proxy";
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
        return responseFrom(await handOn(request, sender, "/chatkit", { body }), body, requestId(request));
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

async function responseFrom(backend: BackendResponse, body: Buffer, id: string): Promise<Response> {
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
