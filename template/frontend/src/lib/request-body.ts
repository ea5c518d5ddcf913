import { Failure } from "@/lib/failure";

/** The most that one request may carry. Attachments do not come this way; dictated speech does. */
export const BODY_LIMIT = 10 * 1024 * 1024;

/**
 * The whole body of a request.
 *
 * @throws {Failure} It is larger than {@link BODY_LIMIT}.
 */
export async function readBody(request: Request): Promise<Buffer> {
  // Before reading: a sender who says the size is turned away at once.
  if (Number(request.headers.get("content-length")) > BODY_LIMIT) throw tooLarge();
  if (!request.body) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // To the end, for browsers look at the answer only after they have sent everything.
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  if (size > BODY_LIMIT) throw tooLarge();
  return Buffer.concat(chunks);
}

function tooLarge(): Failure {
  return new Failure(`A request may carry ${BODY_LIMIT / 1024 / 1024} MB; this one is larger.`, 413);
}
