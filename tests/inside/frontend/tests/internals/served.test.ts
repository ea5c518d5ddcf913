import { EventEmitter, once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  request,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { guestCookie, signGuest } from "@/kit/server/guest";
import { type Backend, expectBuild, type Running, startPage } from "../page/servers";
import { answerJson, startEvents } from "./fake-backend";
import { CHUNK, claimsOf, GUEST, PATIENCE, SECRET, stubSecret } from "./page-request";

// Next's own server is part of what people get: it compresses, reads bodies, and notices who has gone.

const MB = 1024 * 1024;
const FIRST = "data: 0\n\n"; // Next sends no head before the first byte

let page: Running<string>;
let answer: RequestListener;
let at: Backend;
const backend = createServer((asked, response) => answer(asked, response));

beforeAll(async () => {
  expectBuild();
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  const { port } = backend.address() as AddressInfo;
  at = { address: `http://127.0.0.1:${port}`, secret: SECRET };
  page = await startPage(at, { NEXT_PUBLIC_CHATKIT_DOMAIN_KEY: "domain_pk_of_the_server" });
}, 120_000);
afterAll(async () => {
  await page?.stop();
  backend.closeAllConnections();
  backend.close();
});
beforeEach(stubSecret);

/** Asks the page's server as a guest's browser does. */
async function ask(path: string, headers: OutgoingHttpHeaders = {}, body: Readable | string | null = null) {
  const cookie = `${guestCookie()}=${await signGuest(GUEST)}`;
  const method = body === null ? "GET" : "POST";
  const asked = request(page.at + path, { method, headers: { cookie, ...headers } });
  asked.on("error", () => {});
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  if (body instanceof Readable) body.pipe(asked);
  else asked.end(body);
  return { asked, answered };
}

/** Starts a conversation, which the backend answers with a stream that stays open. */
async function converse(headers: OutgoingHttpHeaders = {}) {
  let stream: ServerResponse | undefined;
  answer = (asked, response) => {
    asked.resume();
    stream = response;
    startEvents(response);
    response.write(FIRST);
  };
  const { asked, answered } = await ask("/api/chatkit", headers, JSON.stringify({ type: "threads.create" }));
  const [incoming] = await answered;
  if (!stream) throw new Error("The backend was not asked.");
  return { asked, incoming, stream };
}

test("the document has the domain's key of the server that runs, and not of the build", async () => {
  const { answered } = await ask("/");
  const [document] = await answered;
  expect((await document.toArray()).join("")).toContain("domain_pk_of_the_server");
});

test("the page's server says that it runs, to everybody and without asking the backend", async () => {
  const asked = vi.fn();
  answer = asked;
  const { answered } = await ask("/api/health", { cookie: "" });
  const [health] = await answered;
  expect(health.statusCode).toBe(200);
  expect(health.headers["cache-control"]).toBe("no-store");
  expect(health.headers["set-cookie"]).toBeUndefined();
  expect((await health.toArray()).join("")).toBe('{"status":"ok"}');
  expect(asked).not.toHaveBeenCalled();
});

test.each([
  ["/robots.txt", "text/plain", /^Disallow: \/api\/$/m],
  ["/manifest.webmanifest", "application/manifest+json", /"src": "icon\.svg"/],
  ["/icon.svg", "image/svg+xml", /<svg/],
])("%s is there, and is the same for everybody", async (path, type, words) => {
  const { answered } = await ask(path, { cookie: "" });
  const [file] = await answered;
  expect(file.statusCode).toBe(200);
  expect(file.headers["content-type"]).toContain(type);
  expect(file.headers["set-cookie"]).toBeUndefined();
  expect((await file.toArray()).join("")).toMatch(words);
});

describe("a stream", () => {
  test("comes delta by delta to a browser that takes gzip, as all do", async () => {
    const gzip = { "accept-encoding": "gzip, deflate, br" };
    const document = await ask("/", gzip);
    const [compressed] = await document.answered;
    expect(compressed.headers["content-encoding"], "Next compresses nothing").toBe("gzip");
    compressed.resume();

    const { incoming, stream } = await converse(gzip);
    const isGzip = incoming.headers["content-encoding"] === "gzip";
    let arrived = "";
    (isGzip ? incoming.pipe(createGunzip()) : incoming).on("data", (data) => {
      arrived += data;
    });
    let sent = FIRST;
    for (const event of ["data: 1\n\n", ": ping\n", "data: 2\n\n"]) {
      stream.write(event);
      sent += event;
      await vi.waitFor(() => expect(arrived).toBe(sent), PATIENCE);
    }
    stream.end();
  });

  test("that the browser gives up is closed at the backend", async () => {
    const { asked, stream } = await converse();
    asked.destroy();
    await vi.waitFor(() => expect(stream.destroyed).toBe(true), PATIENCE);
  });

  test("that the backend breaks off ends in the browser with an error event", async () => {
    const { incoming, stream } = await converse();
    let arrived = "";
    incoming.on("data", (data) => {
      arrived += data;
    });
    stream.write("data: 1\n\n", () => stream.destroy());
    await vi.waitFor(() => expect(incoming.complete).toBe(true), PATIENCE);
    expect(arrived).toMatch(/^data: 0\n\ndata: 1\n\ndata: \{"type":"error".*The answer broke off/);
  });
});

describe("an upload of 64 MB to a backend that does not take it yet", () => {
  test("is not held in the memory of the page's server", async () => {
    const size = 64 * MB;
    let given = 0;
    let taken = 0;
    const more = new EventEmitter();
    answer = async (asked, response) => {
      await once(more, "taken");
      for await (const chunk of asked) taken += chunk.length;
      answerJson(response, {});
    };
    function* chunks() {
      for (; given < size; given += CHUNK.length) yield CHUNK;
    }
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const { answered } = await ask("/api/attachments", headers, Readable.from(chunks()));
    await untilStill(() => given);
    // What left the browser is on its way through four buffers of the kernel. More is nowhere.
    expect(given).toBeLessThan(size / 3);
    more.emit("taken");
    expect((await answered)[0].statusCode).toBe(200);
    expect(taken).toBe(size);
  });
});

describe("request-smuggled", () => {
  test("an upload that breaks off in the middle is not a shorter one to the backend", async () => {
    const over = vi.fn();
    let begun = false;
    answer = (asked) => {
      asked.on("end", () => over("whole")).on("error", () => over("broken off"));
      asked.on("data", () => {
        begun = true;
      });
    };
    const headers = { "content-type": "multipart/form-data; boundary=b", "content-length": "900" };
    const file = new Readable({ read() {} });
    file.push("--b");
    const { asked, answered } = await ask("/api/attachments", headers, file);
    answered.catch(() => {});
    await vi.waitFor(() => expect(begun).toBe(true), PATIENCE);
    asked.destroy();
    await vi.waitFor(() => expect(over.mock.calls).toEqual([["broken off"]]), PATIENCE);
  });
});

describe("one-request-blocks-all", () => {
  test.each(["POST /api/attachments", "POST /api/chatkit", "GET /api/attachments/atc_1"])(
    "%s of nobody is answered before its body is there, and the connection closed",
    async (line) => {
      const { port } = new URL(page.at);
      const socket = connect(Number(port), "127.0.0.1");
      let said = "";
      socket.on("data", (data) => {
        said += data;
      });
      socket.write(`${line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 900\r\n\r\n{`);
      await once(socket, "close");
      expect(said).toMatch(/^HTTP\/1\.1 401 /);
      expect(said).toContain('"slug":"not-signed-in"');
    },
  );
});

describe("free-cookies-spend-the-key", () => {
  async function addressSeen(forwarded?: string): Promise<unknown> {
    let claims: ReturnType<typeof claimsOf> | undefined;
    answer = (asked, response) => {
      claims = claimsOf(asked);
      asked.resume();
      answerJson(response, {});
    };
    const { answered } = await ask("/api/chatkit", forwarded ? { "x-forwarded-for": forwarded } : {}, "{}");
    (await answered)[0].resume();
    return (await claims)?.address;
  }

  test("the backend is told the address of the connection, whatever the browser says", async () => {
    expect(await addressSeen()).toBe("127.0.0.1");
    expect(await addressSeen("203.0.113.7")).toBe("127.0.0.1");
  });

  test("or what a trusted proxy says", async () => {
    const untrusting = page;
    page = await startPage(at, { TRUSTED_PROXIES: "127.0.0.1" });
    try {
      expect(await addressSeen("198.51.100.1, 203.0.113.7")).toBe("203.0.113.7");
      expect(await addressSeen()).toBe("127.0.0.1");
    } finally {
      await page.stop();
      page = untrusting;
    }
  });
});

/** Waits until a figure has begun to grow and grows no more. */
async function untilStill(figure: () => number): Promise<void> {
  let known = 0;
  for (let same = 0; same < 6; ) {
    await pause(50);
    same = figure() > 0 && figure() === known ? same + 1 : 0;
    known = figure();
  }
}
