import type { ClientRequest, IncomingMessage } from "node:http";
import type { Readable } from "node:stream";

/** Sends a browser's upload to the backend, as fast as the backend takes it. */
export function upload(source: Readable, asked: ClientRequest): void {
  source.on("error", (error) => asked.destroy(error)).pipe(asked);
  asked.on("response", (answer: IncomingMessage) => {
    answer.on("close", () => {
      if (!asked.writableEnded) asked.destroy();
    });
  });
}
