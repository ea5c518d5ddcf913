import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { failureAnswer, isStreamingRequest, unbuffered } from "@/lib/answers";
import type { Sender } from "@/lib/at-once";
import {
  answerHeaders,
  type BackendAnswer,
  expectJson,
  handOn,
  senderOf,
  webStream,
} from "@/lib/backend-proxy";
import { eventsUntilTheEnd } from "@/lib/event-stream";
import { Failure, RelayedFailure } from "@/lib/failure";
import { readBody } from "@/lib/request-body";
import { requestId } from "@/lib/request-id";
import { respond } from "@/lib/respond";

const NOBODY: Sender = { owner: "nobody", address: null };

/**
 * Hands a ChatKit request on to the backend in the name of its owner, and the answer back as it comes in.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 */
export function answerChatKit(request: NextRequest): Promise<Response> {
  return respond(request, async () => {
    const sender = await senderOf(request).catch(ours);
    const { body, held } = await readBody(request, sender instanceof Failure ? NOBODY : sender);
    return respond(
      request,
      async () => {
        if (sender instanceof Failure) throw sender;
        return answerFrom(await handOn(request, sender, "/chatkit", { body }), body, requestId(request));
      },
      (message, slug) => failureAnswer(body, message, slug),
    ).finally(held.giveBack);
  });
}

// Where we are at fault, what form the answer has depends on the request all the same.
function ours(error: unknown): Failure {
  if (error instanceof Failure && error.status >= 500) return error;
  throw error;
}

async function answerFrom(backend: BackendAnswer, body: Buffer, id: string): Promise<Response> {
  const { answer } = backend;
  const { statusCode: status = 0 } = answer;
  const headers = unbuffered(answerHeaders(answer));
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
