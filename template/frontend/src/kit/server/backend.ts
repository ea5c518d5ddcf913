import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { isDevelopment, withoutSecrets } from "@/kit/causes";
import { Failure } from "@/kit/server/failures";
import { setting } from "@/kit/settings";

/** Where the backend answers, and who says so. */
export type BackendAddress = { url: URL; source: string };

const DEFAULT = "http://127.0.0.1:8000";

/**
 * The address of one of the backend's endpoints, read anew for each request: one build runs anywhere.
 *
 * @param path Of the endpoint, such as `/chatkit`.
 * @param search What is asked of it, such as `?year=2026`.
 * @throws {Failure} The variable does not hold an http or https address.
 */
export function backendAddress(path: string, search = ""): BackendAddress {
  for (const name of ["BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"]) {
    const value = setting(name).trim();
    if (value) return { url: endpoint(name, value, path, search), source: name };
  }
  const source = "the default, since BACKEND_URL is not set";
  return { url: endpoint("the default", DEFAULT, path, search), source };
}

function endpoint(name: string, base: string, path: string, search: string): URL {
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const words = `${name} is "${withoutSecrets(base)}", which is not an address like ${DEFAULT}.`;
    throw new Failure(words, 502, "backend-down");
  }
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  url.search = search || url.search;
  return url;
}

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
): Promise<IncomingMessage> {
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

/** Sends a browser's upload to the backend, as fast as the backend takes it. */
function upload(source: Readable, asked: ClientRequest): void {
  source.on("error", (error) => asked.destroy(error)).pipe(asked);
  asked.on("response", (answer: IncomingMessage) => {
    answer.on("close", () => {
      if (!asked.writableEnded) asked.destroy();
    });
  });
}
