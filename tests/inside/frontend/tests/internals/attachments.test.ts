import type { IncomingMessage, RequestListener } from "node:http";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET, POST as postTo } from "@/app/api/attachments/[id]/route";
import { POST } from "@/app/api/attachments/route";
import { answerJson, fakeBackend, noBackend, rawBackend } from "./fake-backend";
import {
  CHUNK,
  claimsOf,
  file,
  GUEST,
  messageOf,
  PATIENCE,
  pageRequest,
  post,
  stubSecret,
} from "./page-request";

const MB = 1024 * 1024;
const FORM = "multipart/form-data; boundary=b";

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

type Options = Parameters<typeof pageRequest>[1];

async function upload(body: BodyInit | null, { headers, ...options }: Options = {}): Promise<Response> {
  const all = { "content-type": FORM, ...headers };
  return POST(await pageRequest("/api/attachments", { method: "POST", body, headers: all, ...options }));
}

async function ask(id: string, options: Options = {}): Promise<Response> {
  const handler = options.method === "POST" ? postTo : GET;
  return handler(await pageRequest("/api/attachments/x", options), { params: Promise.resolve({ id }) });
}

/** Answers with a file of a size, written only as fast as it is taken. */
function fileAnswer(size: number, state = { written: 0, closed: false }): RequestListener {
  function* chunks() {
    for (; state.written < size; state.written += CHUNK.length) yield CHUNK;
  }
  return (_, response) => {
    response.on("close", () => {
      state.closed = true;
    });
    response.writeHead(200, {
      "content-type": "text/csv",
      "content-length": size,
      "content-disposition": 'attachment; filename="a.csv"',
      "content-security-policy": "sandbox",
      "x-content-type-options": "nosniff",
      "cache-control": "private, no-store",
      "set-cookie": "theirs=1",
      server: "uvicorn",
    });
    Readable.from(chunks()).pipe(response);
  };
}

describe("an upload", () => {
  test("reaches the backend as it was sent, in the name of the guest, and the answer comes back", async () => {
    const backend = await fakeBackend((response) => answerJson(response, { id: "atc_1" }));
    const response = await upload("--b", { headers: { "x-anything": "else" } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ id: "atc_1" });
    const { request, body } = backend.received[0] ?? {};
    expect([request?.method, request?.url, body]).toEqual(["POST", "/attachments", "--b"]);
    expect((await claimsOf(request)).sub).toBe(GUEST);
    expect(request?.headers).toMatchObject({ "content-type": FORM });
    expect(Object.keys(request?.headers ?? {}).sort()).toEqual([
      "authorization",
      "connection",
      "content-type",
      "host",
      "transfer-encoding",
      "x-request-id",
    ]);
  });

  test("in its second phase goes to the attachment", async () => {
    const backend = await fakeBackend();
    expect((await ask("atc_-1", { method: "POST", body: "--b" })).status).toBe(200);
    expect(backend.received[0]).toMatchObject({ request: { url: "/attachments/atc_-1" }, body: "--b" });
  });

  test("of an unknown length arrives whole", async () => {
    const backend = await fakeBackend();
    await upload(file(2 * MB).body);
    expect(backend.received[0]?.body).toHaveLength(2 * MB);
    expect(backend.received[0]?.request.headers["transfer-encoding"]).toBe("chunked");
  });

  test("of 64 MB is read only as fast as the backend takes it", async () => {
    const { state, body } = file(64 * MB);
    let [taken, ahead] = [0, 0];
    await rawBackend(async (request, response) => {
      for await (const chunk of request) {
        taken += chunk.length;
        ahead = Math.max(ahead, state.given - taken);
        await turn();
      }
      answerJson(response, {});
    });
    expect((await upload(body)).status).toBe(200);
    expect(taken).toBe(64 * MB);
    // The kernel's buffers for the connection are in it, and may hold some.
    expect(ahead).toBeLessThan(24 * MB);
  });

  test.each([
    [413, "A file may have 20 MB; this one is larger."],
    [415, "Files of the type text/html are not taken."],
    [429, "Too many uploads."],
  ])("that the backend refuses with %i gets its words", async (status, message) => {
    await fakeBackend((response) => answerJson(response.setHeader("retry-after", "7"), { message }, status));
    const response = await upload("--b");
    expect([response.status, await messageOf(response)]).toEqual([status, message]);
    expect(response.headers.get("retry-after")).toBe("7");
  });

  test("that is refused before its end is read to the end, so that the browser looks at the answer", async () => {
    await rawBackend((_, response) => answerJson(response, { message: "Too large." }, 413));
    const { state, body } = file(64 * MB);
    const response = await upload(body);
    expect([response.status, await messageOf(response)]).toEqual([413, "Too large."]);
    await vi.waitFor(() => expect(state.given).toBe(64 * MB), PATIENCE);
    expect(state.cancelled).toBe(false);
  });

  test("that is refused before its end leaves no connection to the backend behind", async () => {
    const closed = vi.fn();
    await rawBackend((request, response) => {
      request.socket.on("close", closed);
      answerJson(response, { message: "Too large." }, 413);
    });
    await (await upload(file(64 * MB).body)).text();
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), PATIENCE);
  });

  test.each([
    ["is down", noBackend],
    [
      "breaks off",
      async () => void (await rawBackend((request) => void request.once("data", () => request.destroy()))),
    ],
  ])("to a backend that %s ends with words", async (_, start) => {
    await start();
    const { state, body } = file(64 * MB);
    const response = await upload(body);
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toMatch(/^No answer from the backend at .*\/attachments \(E/);
    await vi.waitFor(() => expect(state.given).toBe(64 * MB), PATIENCE);
  });

  test("that the browser gives up is given up at the backend", async () => {
    const given: IncomingMessage[] = [];
    const broken = vi.fn();
    await rawBackend((request) => {
      given.push(request.on("error", broken));
      request.resume();
    });
    const client = new AbortController();
    const answer = upload(new ReadableStream({ start: (controller) => controller.enqueue(CHUNK) }), {
      signal: client.signal,
    });
    await vi.waitFor(() => expect(given).toHaveLength(1), PATIENCE);
    client.abort();
    await vi.waitFor(() => expect(broken).toHaveBeenCalled(), PATIENCE);
    expect((await answer).status).toBe(499);
    expect(console.error).not.toHaveBeenCalled();
  });
});

describe("a download", () => {
  test("comes with the headers that keep it a file, and no others", async () => {
    await rawBackend(fileAnswer(CHUNK.length));
    const response = await ask("atc_1");
    expect(response.status).toBe(200);
    const { "x-request-id": _, ...headers } = Object.fromEntries(response.headers);
    expect(headers).toEqual({
      "content-type": "text/csv",
      "content-length": String(CHUNK.length),
      "content-disposition": 'attachment; filename="a.csv"',
      "content-security-policy": "sandbox",
      "x-content-type-options": "nosniff",
      "cache-control": "private, no-store",
    });
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(CHUNK);
  });

  test("of 64 MB is read only as fast as the browser takes it", async () => {
    const state = { written: 0, closed: false };
    await rawBackend(fileAnswer(64 * MB, state));
    let [taken, ahead] = [0, 0];
    for await (const chunk of (await ask("atc_1")).body ?? []) {
      taken += chunk.length;
      ahead = Math.max(ahead, state.written - taken);
      await turn();
    }
    expect(taken).toBe(64 * MB);
    expect(ahead).toBeLessThan(24 * MB);
  });

  test("that the browser gives up is given up at the backend", async () => {
    const state = { written: 0, closed: false };
    await rawBackend(fileAnswer(64 * MB, state));
    const client = new AbortController();
    const response = await ask("atc_1", { signal: client.signal });
    await response.body?.getReader().read();
    client.abort();
    await vi.waitFor(() => expect(state.closed).toBe(true), PATIENCE);
    expect(state.written).toBeLessThan(64 * MB);
    expect(console.error).not.toHaveBeenCalled();
  });

  test("that the backend breaks off is no whole file to the browser, and stands in the log", async () => {
    await rawBackend((_, response) => {
      response.writeHead(200, { "content-disposition": "attachment", "content-length": 9 });
      response.write("1234", () => response.destroy());
    });
    const response = await ask("atc_1", { headers: { "x-request-id": "d1" } });
    await expect(response.text()).rejects.toThrow();
    expect(vi.mocked(console.error).mock.calls.map((words) => words.join(" "))).toEqual([
      expect.stringContaining("(request d1): The backend broke off"),
    ]);
  });

  test("that is not there gets the backend's words", async () => {
    await fakeBackend((response) => answerJson(response, { message: "There is no such attachment." }, 404));
    const response = await ask("atc_1");
    expect([response.status, await messageOf(response)]).toEqual([404, "There is no such attachment."]);
  });

  test.each([
    ["a page", { "content-type": "text/html" }],
    [
      "shown in the browser",
      { "content-type": "text/html", "content-disposition": "inline; filename=attachment" },
    ],
  ])("that would be %s is not handed on", async (_, headers) => {
    const backend = await fakeBackend((response) => {
      response.writeHead(200, headers).end("<script>alert(1)</script>");
    });
    const response = await ask("atc_1");
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toContain(
      `${backend.url}/attachments/atc_1 answered 200 with text/html`,
    );
  });
});

describe("request-smuggled", () => {
  const LIES = { "content-length": "900", "content-type": "application/json" };

  test.each(["GET", "HEAD"])("a %s takes no length or type of a body along", async (method) => {
    const seen: IncomingMessage[] = [];
    await rawBackend((request, response) => {
      seen.push(request);
      answerJson(response, {});
    });
    expect((await ask("atc_1", { method, headers: LIES })).status).toBe(200);
    expect(seen[0]?.method).toBe(method);
    expect(Object.keys(seen[0]?.headers ?? {}).filter((name) => /content|transfer/.test(name))).toEqual([]);
  });

  test("a body has the length that it has, whatever the browser says", async () => {
    const backend = await fakeBackend();
    await upload("--b", { headers: LIES });
    await post({ type: "threads.list" }, { headers: LIES });
    const [file, list] = backend.received;
    expect([file?.body, file?.request.headers["content-length"]]).toEqual(["--b", undefined]);
    expect(list?.request.headers["content-length"]).toBe(String(list?.body.length));
  });

  test("the connection of an upload carries nothing else, and those of other requests are used again", async () => {
    const ports: (number | undefined)[] = [];
    await rawBackend((request, response) => {
      ports.push(request.socket.remotePort);
      request.resume().on("end", () => answerJson(response, {}));
    });
    for (const asked of [() => ask("atc_1"), () => upload("--b"), () => upload("--b"), () => ask("atc_1")]) {
      await (await asked()).text();
    }
    expect(ports[3]).toBe(ports[0]);
    expect(new Set(ports).size).toBe(3);
  });
});

describe("nobody reaches another path or another person's files", () => {
  test.each([
    "..",
    ".",
    "../chatkit",
    "a/b",
    "a%2Fb",
    "a\\b",
    "a?b=1",
    "a#b",
    "a b",
    "\u00e9",
    "",
    "a".repeat(256),
  ])("no attachment is called %j", async (id) => {
    const backend = await fakeBackend();
    for (const method of ["GET", "POST"]) {
      const response = await ask(id, { method });
      expect([response.status, await messageOf(response)]).toEqual([404, "There is no such attachment."]);
    }
    expect(backend.received).toEqual([]);
  });

  test("whoever is nobody is told so, and the backend is not asked", async () => {
    const backend = await fakeBackend();
    for (const response of [
      await upload("--b", { cookie: null }),
      await ask("atc_1", { cookie: null }),
      await ask("atc_1", { cookie: null, method: "POST", body: "--b" }),
    ]) {
      expect(response.status).toBe(401);
      expect(await messageOf(response)).toContain("Reload the page");
    }
    expect(backend.received).toEqual([]);
  });
});
