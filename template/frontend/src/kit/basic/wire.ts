import type { Attachment, FileUploadStrategy } from "@openai/chatkit";
import { typeOf } from "@/kit/basic/draft";
import type { StreamEvent } from "@/kit/basic/protocol";

/** A request that the server has refused, with the server's words. */
export class Refusal extends Error {
  override name = "Refusal";

  /**
   * @param status The HTTP status of the answer.
   */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * How long an error waits that says that the browser has aborted a request. Firefox aborts those of
 * a page that the person leaves, before the page is gone: there it is no error. Measured with 153.
 */
const LEAVING_MS = 10_000;

/** Sends ChatKit's requests. All go to one address, and differ in their type. */
export class Wire {
  /**
   * @param fetch Sends all requests, including uploads.
   * @param log Called with the type of each request.
   */
  constructor(
    private readonly url: string,
    private readonly fetch: typeof globalThis.fetch,
    private readonly log: (type: string) => void,
  ) {}

  /**
   * Sends a request that is answered with JSON.
   *
   * @throws {Refusal} The server refuses the request.
   * @throws {TypeError} The network is away.
   */
  ask<T>(type: string, params: object): Promise<T> {
    return unlessLeft(this.post(type, params, null).then(jsonOf<T>));
  }

  /**
   * Sends a request that is answered with a stream, and yields the events as they arrive.
   *
   * @throws {Refusal} The server refuses the request.
   * @throws {TypeError} The network is lost.
   */
  async *stream(type: string, params: object, signal: AbortSignal): AsyncGenerator<StreamEvent> {
    const response = await this.post(type, params, signal);
    const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    if (!response.ok || !isStream) throw await refusalIn(response);
    yield* eventsOf(response);
  }

  /**
   * Uploads a file in one request, or in two: then the answer to the first says where to send it.
   *
   * @throws {Refusal} The server refuses the file.
   * @throws {TypeError} The network is away.
   */
  async upload(strategy: FileUploadStrategy, file: File): Promise<Attachment> {
    if (strategy.type === "direct") {
      return unlessLeft(this.send(strategy.uploadUrl, { method: "POST" }, file).then(jsonOf<Attachment>));
    }
    const about = { name: file.name, size: file.size, mime_type: typeOf(file) };
    const { upload_descriptor, ...attachment } = await this.ask<Announced>("attachments.create", about);
    const { url, method, headers = {} } = upload_descriptor;
    await unlessLeft(this.send(url, { method, headers }, file).then(accepted));
    return attachment;
  }

  private post(type: string, params: object, signal: AbortSignal | null): Promise<Response> {
    this.log(type);
    return this.fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type, params }),
      signal,
    });
  }

  private send(url: string, request: RequestInit, file: File): Promise<Response> {
    return this.fetch(url, { ...request, body: bodyOf(request, file) });
  }
}

type Announced = Attachment & {
  upload_descriptor: { url: string; method: string; headers?: Record<string, string> };
};

/** A form takes a file with POST. PUT has the bytes alone. */
function bodyOf({ method }: RequestInit, file: File): BodyInit {
  if (method === "PUT") return file;
  const form = new FormData();
  form.append("file", file);
  return form;
}

async function jsonOf<T>(response: Response): Promise<T> {
  return (await accepted(response)).json();
}

async function accepted(response: Response): Promise<Response> {
  if (!response.ok) throw await refusalIn(response);
  return response;
}

async function unlessLeft<T>(asked: Promise<T>): Promise<T> {
  return asked.catch(async (error: Error) => {
    if (error.name === "AbortError") await new Promise((resolve) => setTimeout(resolve, LEAVING_MS));
    throw error;
  });
}

async function refusalIn(response: Response): Promise<Refusal> {
  const said: { message?: unknown } | null = await response.json().catch(() => null);
  const message = typeof said?.message === "string" ? said.message : null;
  return new Refusal(response.status, message ?? `The server answered ${response.status}.`);
}

/** A blank line ends an event. Lines that begin with a colon keep the connection alive. */
async function* eventsOf({ body }: Response): AsyncGenerator<StreamEvent> {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      const lines = (rest + read.value).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice("data:".length).trimStart());
        if (line !== "" || data.length === 0) continue;
        yield JSON.parse(data.join("\n"));
        data = [];
      }
    }
  } finally {
    await reader?.cancel().catch(() => {});
  }
}
