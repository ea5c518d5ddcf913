import type { NextRequest } from "next/server";
import { messageAnswer } from "@/lib/answers";
import type { Slug } from "@/lib/causes";
import { disclosed } from "@/lib/disclosure";
import { Failure, RelayedFailure } from "@/lib/failure";
import { namingRequest, REQUEST_ID, requestId } from "@/lib/request-id";

/**
 * Does the work for a request and names the request's id on the answer.
 *
 * Raises nothing: whatever fails becomes an answer with a message that a person can act on.
 *
 * @param failed Makes the answer when our side is at fault, of the message for the person and the slug of the pitfall.
 */
export async function respond(
  request: NextRequest,
  work: () => Promise<Response>,
  failed = (message: string, slug: Slug | null) => messageAnswer(502, message, slug),
): Promise<Response> {
  const response = await work().catch((error: unknown) => explain(request, error, failed));
  response.headers.set(REQUEST_ID, requestId(request));
  return response;
}

/** Logs what went wrong with a request on our side: in words where we have them, else with the stack. */
export function logFailure(request: NextRequest, problem: unknown): void {
  const words = problem instanceof Failure ? inWords(problem) : problem;
  console.error(`${request.nextUrl.pathname} (request ${requestId(request)}):`, words);
}

function explain(
  request: NextRequest,
  error: unknown,
  failed: (message: string, slug: Slug | null) => Response,
): Response {
  if (request.signal.aborted) return new Response(null, { status: 499 });
  const known = error instanceof Failure ? error : null;
  if (known && known.status < 500)
    return messageAnswer(known.status, known.message, known.slug, known.retryAfter);
  logFailure(request, error);
  const message = known?.message ?? "The page's server failed: its log says why.";
  const slug = known?.slug ?? null;
  const words = known instanceof RelayedFailure ? message : disclosed(message, slug);
  return failed(namingRequest(words, requestId(request)), slug);
}

function inWords({ message, slug }: Failure): string {
  return slug ? `${message} Pitfall: ${slug}.` : message;
}
