import type { NextRequest } from "next/server";
import { answering, downloads, uploads } from "@/lib/at-once";
import { answerHeaders, expectJson, handOn, senderOf, webStream } from "@/lib/backend-proxy";
import { Failure } from "@/lib/failure";
import { received, throwAway } from "@/lib/request-body";
import { respond } from "@/lib/respond";

// Nothing that could lead to another path of the backend.
const ID = /^[A-Za-z0-9_-]{1,255}$/;

/**
 * Hands an upload or a download on to the backend in the name of its owner, piece by piece both ways.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 *
 * @param id Of an attachment that is there already.
 */
export function answerAttachments(request: NextRequest, id?: string): Promise<Response> {
  return respond(request, async () => {
    if (id !== undefined && !ID.test(id)) throw new Failure("There is no such attachment.", 404);
    const path = id === undefined ? "/attachments" : `/attachments/${id}`;
    const sender = await senderOf(request);
    const body = request.body && received(request.body, sender, uploads);
    try {
      const counted = request.method === "POST" ? answering : downloads;
      const backend = await handOn(request, sender, path, { body }, counted);
      const headers = answerHeaders(backend.answer);
      // What people have uploaded never becomes a page of our own origin.
      const isDownload = /^attachment\b/.test(headers.get("content-disposition") ?? "");
      if (!isDownload) expectJson(backend, "a download");
      return new Response(webStream(backend.answer), { status: backend.answer.statusCode ?? 0, headers });
    } finally {
      // The backend may answer before the end, or be gone; browsers look at an answer only after they have sent everything.
      if (body) await throwAway(body, request.signal);
    }
  });
}
