import { errorEvent } from "@/lib/answers";
import { isDevelopment } from "@/lib/disclosure";
import { namingRequest } from "@/lib/request-id";

// An event ends with an empty line; a comment, as a heartbeat is one, ends with its own.
const BETWEEN_EVENTS = /(\n\n|(^|\n):[^\n]*\n)$/;

/**
 * The backend's events as they come in. When the backend breaks off they end with an error event: ChatKit's
 * UI would take a broken connection for a reason to post the message again.
 */
export async function* eventsUntilTheEnd(
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
