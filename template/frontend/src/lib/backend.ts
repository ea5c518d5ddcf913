import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import type { BackendAddress } from "@/lib/backend-address";
import { isDevelopment, withoutSecrets } from "@/lib/disclosure";
import { Failure } from "@/lib/failure";
import { upload } from "@/lib/upload";

/** What is asked of the backend. A stream goes out at the backend's pace, and is never held as a whole. */
export type BackendRequest = {
  method: string;
  headers: Record<string, string>;
  body: Buffer | Readable | null;
  signal: AbortSignal;
};

// Idle connections go before any server's own timeout (gunicorn: 2 s, uvicorn: 5 s) closes them at the very
// moment in which a message is sent. A silent answer is not idle, and is not cut off.
const IDLE_MS = 1000;

const agents = {
  "http:": new http.Agent({ keepAlive: true, timeout: IDLE_MS }),
  "https:": new https.Agent({ keepAlive: true, timeout: IDLE_MS }),
};

// The connection of an upload is not used again: what is left of one that breaks off, or that is answered before its
// end, never meets another request. Nor is the backend told to close it, which could cut off such an early answer.
const agentsOfUploads = {
  "http:": Object.assign(new http.Agent({ keepAlive: true }), { keepSocketAlive: () => false }),
  "https:": Object.assign(new https.Agent({ keepAlive: true }), { keepSocketAlive: () => false }),
};

/**
 * Asks the backend and returns as soon as the head of its answer is there.
 *
 * With `node:http` and not with `fetch`: fetch gives up on a body that is silent for 300 seconds, while a model
 * may think for longer, and its option against it needs a copy of undici that fits the one inside Node.
 *
 * @throws {Failure} No answer came; or the signal was aborted.
 */
export function askBackend(
  { url, source }: BackendAddress,
  { body, ...options }: BackendRequest,
): Promise<http.IncomingMessage> {
  const { request } = url.protocol === "https:" ? https : http;
  const isUpload = body instanceof Readable;
  const agent = (isUpload ? agentsOfUploads : agents)[url.protocol as keyof typeof agents];
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...options, agent }, resolve).on("error", (error: NodeJS.ErrnoException) => {
      const { code, message } = error;
      reject(
        error instanceof Failure
          ? error
          : new Failure(
              `No answer from the backend at ${withoutSecrets(url)} (${code ?? message}). The address comes from ${source}. ` +
                howToStart(),
              502,
              "backend-down",
            ),
      );
    });
    if (isUpload) upload(body, asked);
    else asked.end(body);
  });
}

function howToStart(): string {
  if (isDevelopment()) return "Start both sides with `uv run dev`.";
  return "Start it with `uv run --no-dev serve`, and set BACKEND_URL to where it listens.";
}
