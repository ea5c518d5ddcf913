import type { NextRequest } from "next/server";
import { disclosed, type Slug } from "@/kit/causes";

/**
 * Something went wrong in a way that we know. The message is in words for people and holds no secret: for anybody below
 * 500, and from there on for the log and, in development, for the owner.
 */
export class Failure extends Error {
  /**
   * @param status Of the answer: below 500 the request is at fault, from there on our side is.
   * @param slug Of the pitfall behind it, where it is one.
   * @param retryAfter Seconds after which it is worth another try.
   */
  constructor(
    message: string,
    readonly status = 502,
    readonly slug: Slug | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** What the backend says of a failure, which knows by itself what it may say to whom. */
export class RelayedFailure extends Failure {}

export const REQUEST_ID = "x-request-id";

const WELL_FORMED = /^[A-Za-z0-9_-]{1,64}$/;
const made = new WeakMap<NextRequest, string>();

/**
 * What ties together what a person sees and the logs of both sides: the id that the browser sent, where it is
 * well-formed, else one of our own, the same however often this request is asked about.
 */
export function requestId(request: NextRequest): string {
  const sent = request.headers.get(REQUEST_ID) ?? "";
  if (WELL_FORMED.test(sent)) return sent;
  const id = made.get(request) ?? crypto.randomUUID();
  made.set(request, id);
  return id;
}

/** A message that names the request it is about; the backend's messages may do so already. */
export function namingRequest(message: string, id: string): string {
  return message.includes(`request ${id}`) ? message : `${message} (request ${id})`;
}

// Next compresses, and nginx collects, what does not say that it must arrive at once.
const UNBUFFERED = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

/** The headers that let every part of an answer through as soon as it is there. */
export function unbuffered(headers?: HeadersInit): Headers {
  const result = new Headers(headers);
  for (const [name, value] of Object.entries(UNBUFFERED)) result.set(name, value);
  return result;
}

/**
 * A response in ChatKit's form for errors: JSON with a `message`, which its UI shows.
 *
 * @param slug Of the pitfall behind it, for the page's own panels.
 * @param retryAfter Seconds after which it is worth another try.
 */
export function messageResponse(
  status: number,
  message: string,
  slug: Slug | null = null,
  retryAfter: number | null = null,
): Response {
  const headers = unbuffered(retryAfter === null ? {} : { "retry-after": String(retryAfter) });
  return Response.json({ message, ...(slug && { slug }) }, { status, headers });
}

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
  failed = (message: string, slug: Slug | null) => messageResponse(502, message, slug),
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
    return messageResponse(known.status, known.message, known.slug, known.retryAfter);
  logFailure(request, error);
  const message = known?.message ?? "The page's server failed: its log says why.";
  const slug = known?.slug ?? null;
  const words = known instanceof RelayedFailure ? message : disclosed(message, slug);
  return failed(namingRequest(words, requestId(request)), slug);
}

function inWords({ message, slug }: Failure): string {
  return slug ? `${message} Pitfall: ${slug}.` : message;
}
