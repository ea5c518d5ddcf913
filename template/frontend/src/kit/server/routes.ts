import type { NextRequest } from "next/server";
import { Failure, respond, unbuffered } from "@/kit/server/failures";
import { readBody } from "@/kit/server/limits";
import { type BackendResponse, expectSafe, handOn, responseHeaders, webStream } from "@/kit/server/proxy";
import { type Access, senderOf } from "@/kit/server/sender";

const PREFIX = "/api/backend";

// Nothing that could lead to another path of the backend.
const PART = /^[A-Za-z0-9_-]{1,255}$/;

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
    return responseFrom(await handOn(request, sender, path, asked).finally(held.giveBack));
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

function responseFrom(backend: BackendResponse): Response {
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
