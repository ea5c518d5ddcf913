import type { Slug } from "@/lib/causes";

// Next compresses, and nginx collects, what does not say that it must arrive at once.
const UNBUFFERED = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

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

/** The headers that let every part of an answer through as soon as it is there. */
export function unbuffered(headers?: HeadersInit): Headers {
  const result = new Headers(headers);
  for (const [name, value] of Object.entries(UNBUFFERED)) result.set(name, value);
  return result;
}

/**
 * An answer in ChatKit's form for errors: JSON with a `message`, which its UI shows.
 *
 * @param slug Of the pitfall behind it, for the page's own panels.
 * @param retryAfter Seconds after which it is worth another try.
 */
export function messageAnswer(
  status: number,
  message: string,
  slug: Slug | null = null,
  retryAfter: number | null = null,
): Response {
  const headers = unbuffered(retryAfter === null ? {} : { "retry-after": String(retryAfter) });
  return Response.json({ message, ...(slug && { slug }) }, { status, headers });
}

/** ChatKit's error event, which its UI shows inside the conversation. */
export function errorEvent(message: string): string {
  const event = { type: "error", code: "custom", message, allow_retry: true };
  return `data: ${JSON.stringify(event)}\n\n`;
}

/**
 * The answer to a request that failed on this side of the backend, or in it. A streaming request never gets
 * a 5xx: ChatKit's UI would post it again, and each post makes one more thread.
 */
export function failureAnswer(requestBody: Buffer, message: string, slug: Slug | null = null): Response {
  if (!isStreamingRequest(requestBody)) return messageAnswer(502, message, slug);
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
