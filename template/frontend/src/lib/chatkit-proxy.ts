import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { failureAnswer, isStreamingRequest, unbuffered } from "@/lib/answers";
import { answerHeaders, type BackendAnswer, expectJson, handOn, webStream } from "@/lib/backend-proxy";
import { eventsUntilTheEnd } from "@/lib/event-stream";
import { Failure } from "@/lib/failure";
import { readBody } from "@/lib/request-body";
import { requestId } from "@/lib/request-id";
import { respond } from "@/lib/respond";

/**
 * Hands a ChatKit request on to the backend in the name of its owner, and the answer back as it comes in.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 */
export function answerChatKit(request: NextRequest): Promise<Response> {
  return respond(request, async () => {
    const body = await readBody(request);
    return respond(
      request,
      async () => answerFrom(await handOn(request, "/chatkit", { body }), body, requestId(request)),
      (message) => failureAnswer(body, message),
    );
  });
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
  if (!final && isStreamingRequest(body)) throw new Failure(await messageOf(answer, status));
  return new Response(webStream(answer), { status, headers });
}

async function messageOf(answer: IncomingMessage, status: number): Promise<string> {
  const said = await json(answer).catch(() => null);
  const message = (said as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : `The backend answered ${status}: its log says why.`;
}
