import type { NextRequest } from "next/server";
import { disclosed, type Slug } from "@/kit/causes";

/**
 * An error that we know. Its message is written for people and holds no secret. With a status below
 * 500 everybody may read it, otherwise only the log shows it, and in development the page.
 */
export class Failure extends Error {
  /**
   * @param status The answer's status. Below 500 the request is at fault, otherwise our side is.
   * @param slug The slug of the pitfall that causes the error, if there is one.
   * @param retryAfter After how many seconds another try makes sense.
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

/** Whether an error's code says that a certificate is out of date, or another host's. */
export function isCertificateInvalid(code = ""): boolean {
  return ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "ERR_TLS_CERT_ALTNAME_INVALID"].includes(code);
}

/**
 * What to do about a certificate that is refused, or an empty string if an error's code says
 * something else. Node.js knows only its own list of certificates.
 */
export function certificateAdvice(code = ""): string {
  if (!/CERT|VERIFY/.test(code)) return "";
  if (isCertificateInvalid(code))
    return " The server needs another certificate, unless its address or the clock of this machine is wrong.";
  return (
    " If the network inspects TLS, set NODE_EXTRA_CA_CERTS to its certificate in the environment of the page's " +
    "server: docs/settings.md#a-network-that-inspects-tls"
  );
}

/**
 * A failure with the backend's own message. The backend has decided already what the person may
 * read.
 */
export class RelayedFailure extends Failure {}

export const REQUEST_ID = "x-request-id";

const WELL_FORMED = /^[A-Za-z0-9_-]{1,64}$/;
const made = new WeakMap<NextRequest, string>();

/**
 * The id of a request, which is in the message that the person sees and in the logs of both sides.
 * It is the id that the browser sent, if that is well-formed. Otherwise we make one, once for each
 * request.
 */
export function requestId(request: NextRequest): string {
  const sent = request.headers.get(REQUEST_ID) ?? "";
  if (WELL_FORMED.test(sent)) return sent;
  const id = made.get(request) ?? crypto.randomUUID();
  made.set(request, id);
  return id;
}

/** Adds the request's id to a message, unless the message has it already, as the backend's may. */
export function namingRequest(message: string, id: string): string {
  return message.includes(`request ${id}`) ? message : `${message} (request ${id})`;
}

// Without these headers Next compresses an answer and nginx buffers it, so that it arrives late.
const UNBUFFERED = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

/** Adds the headers by which every part of an answer arrives at once. */
export function unbuffered(headers?: HeadersInit): Headers {
  const result = new Headers(headers);
  for (const [name, value] of Object.entries(UNBUFFERED)) result.set(name, value);
  return result;
}

/**
 * An error response in ChatKit's format: JSON with a `message`, which its UI shows.
 *
 * @param slug The slug of the pitfall that causes the error, for the page's own panels.
 * @param retryAfter After how many seconds another try makes sense.
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
 * Answers a request, and adds the request's id to the answer's headers.
 *
 * It never throws: an error becomes an answer with a message that a person can act on.
 *
 * @param failed Makes the answer when our side is at fault, from the person's message and the slug.
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

/** Logs an error on our side: its message if we know the error, otherwise its stack. */
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
