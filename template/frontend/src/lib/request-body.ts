/** The most that one request may carry. Attachments do not come this way; dictated speech does. */
export const BODY_LIMIT = 10 * 1024 * 1024;

/** The whole body of a request, or null when it is larger than {@link BODY_LIMIT}. */
export async function readBody(request: Request): Promise<Buffer | null> {
  // Before reading: a sender who says the size is turned away at once.
  if (Number(request.headers.get("content-length")) > BODY_LIMIT) return null;
  if (!request.body) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > BODY_LIMIT) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
