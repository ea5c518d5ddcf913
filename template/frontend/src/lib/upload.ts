import type { ClientRequest, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";

/**
 * Sends a browser's upload to the backend, as fast as the backend takes it.
 *
 * When the backend answers before the end, or is gone, the rest is read and thrown away: browsers look at
 * the answer only after they have sent everything.
 */
export function upload(body: ReadableStream<Uint8Array>, asked: ClientRequest): void {
  const source = Readable.fromWeb(body as NodeReadableStream);
  source.on("error", (error) => asked.destroy(error)).pipe(asked);
  asked.on("close", () => source.unpipe(asked).resume());
  asked.on("response", (answer: IncomingMessage) => {
    answer.on("close", () => {
      if (!asked.writableEnded) asked.destroy();
    });
  });
}
