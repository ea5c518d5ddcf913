import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET as download } from "@/app/api/attachments/[id]/route";
import { POST as upload } from "@/app/api/attachments/route";
import { POST as chat } from "@/app/api/chatkit/route";
import { guestCookie, signGuest } from "@/kit/server/guest";
import { isStreamingRequest } from "@/kit/server/proxy";
import { asFrom } from "@/kit/server/sender";
import { answerJson, fakeBackend, rawBackend, startEvents } from "./fake-backend";
import { claimsOf, file, messageOf, PATIENCE, pageRequest, post, stubSecret } from "./page-request";

const FORM = { "content-type": "multipart/form-data; boundary=b" };
const MB = 1024 * 1024;
const A = { params: Promise.resolve({ id: "a" }) };

let guests = 0;
beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Somebody of whom nothing is going on yet. */
async function somebody(): Promise<string> {
  guests += 1;
  return `${guestCookie()}=${await signGuest(`guest_at_once_${guests}`)}`;
}

/** A body that begins, and goes on when it is told to. */
function slowBody() {
  let writer: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      writer = controller;
    },
  });
  return { body, write: (bytes: Uint8Array) => writer?.enqueue(bytes), end: () => writer?.close() };
}

async function startUpload(cookie: string) {
  const { body, end } = slowBody();
  const answer = upload(
    await pageRequest("/api/attachments", { method: "POST", body, headers: FORM, cookie }),
  );
  return { answer, end };
}

async function expectTooMuch(response: Response, words: string) {
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "5"]);
  expect(await messageOf(response)).toBe(words);
}

type Uploads = Awaited<ReturnType<typeof startUpload>>[];

/** Begins uploads that are one too many, sees one of them refused, and returns the others. */
async function allButTheRefused(begin: () => ReturnType<typeof startUpload>, most: number, words: string) {
  // Which one is the last to be counted is not said: each asks for its secret first.
  const begun: Uploads = await Promise.all(Array.from({ length: most + 1 }, begin));
  const answers = begun.map(async ({ answer }, index) => ({ index, response: await answer }));
  const refused = await Promise.race(answers);
  await expectTooMuch(refused.response, words);
  return begun.filter((_, index) => index !== refused.index);
}

async function expectTaken(uploads: Uploads) {
  for (const { answer, end } of uploads) {
    end();
    expect((await answer).status).toBe(200);
  }
}

describe("one-request-blocks-all", () => {
  test("a person sends ten files at once, and the next when one has arrived", async () => {
    await fakeBackend();
    const cookie = await somebody();
    const words = "Too many files are on their way at once for you. Wait a moment, then try again.";
    const [first, ...others] = await allButTheRefused(() => startUpload(cookie), 10, words);
    await expectTaken([await startUpload(await somebody())]);
    if (first) await expectTaken([first]);
    await expectTaken([await startUpload(cookie), ...others]);
  });

  test("an address sends fifty, whoever the guests are", async () => {
    await fakeBackend();
    const from = (peer: string) => asFrom(peer, async () => startUpload(await somebody()));
    const words = "Too many files are on their way at once for your network. Wait a moment, then try again.";
    const begun = await allButTheRefused(() => from("203.0.113.1"), 50, words);
    await expectTaken([await from("203.0.113.2"), ...begun]);
  });

  test("of what a network sends, 32 MB a second are read, and others are answered meanwhile", async () => {
    await fakeBackend();
    const from = (peer: string, bytes: number) =>
      asFrom(peer, async () => {
        const { body } = file(bytes);
        const cookie = await somebody();
        return upload(await pageRequest("/api/attachments", { method: "POST", body, headers: FORM, cookie }));
      });
    const start = performance.now();
    const order: string[] = [];
    const large = [1, 2].map(() => from("203.0.113.3", 16 * MB).then(() => order.push("large")));
    await from("203.0.113.4", MB).then(() => order.push("small"));
    await Promise.all(large);
    expect(order).toEqual(["small", "large", "large"]);
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  test("a person may ask a lot at the same moment", async () => {
    await fakeBackend();
    const cookie = await somebody();
    const asked = Array.from({ length: 100 }, () => post({ type: "threads.list" }, { cookie }));
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
  });

  test("a person has 20 MB of messages in memory at once", async () => {
    const open: (() => void)[] = [];
    await fakeBackend((response) => open.push(() => answerJson(response, {})));
    const cookie = await somebody();
    const large = "x".repeat(10 * MB);
    const begun = [post(large, { cookie }), post(large, { cookie })];
    await vi.waitFor(() => expect(open).toHaveLength(2), PATIENCE);
    const words = "Too many large messages are on their way at once for you. Wait a moment, then try again.";
    await expectTooMuch(await post({ type: "threads.list" }, { cookie }), words);
    for (const answer of open) answer();
    for (const answer of begun) expect((await answer).status).toBe(200);
    const next = post({ type: "threads.list" }, { cookie });
    await vi.waitFor(() => expect(open).toHaveLength(3), PATIENCE);
    open[2]?.();
    expect((await next).status).toBe(200);
  });

  test("a person waits for a hundred answers at once, and for the next when one is over", async () => {
    const open: (() => void)[] = [];
    await rawBackend((request, response) => {
      request.resume();
      startEvents(response);
      response.write(": ping\n");
      open.push(() => response.end());
    });
    const cookie = await somebody();
    const turn = () => post({ type: "threads.create" }, { cookie });
    const streams = await Promise.all(Array.from({ length: 100 }, turn));
    const words = "Too many answers are on their way at once for you. Wait a moment, then try again.";
    await expectTooMuch(await turn(), words);
    for (const end of open) end();
    await Promise.all(streams.map((stream) => stream.text()));
    const next = await turn();
    expect(next.status).toBe(200);
    open.at(-1)?.();
    await next.text();
  });

  test("a person is sent twenty-four files at once, an address sixty, and the next when one is over", async () => {
    const open: (() => void)[] = [];
    await rawBackend((request, response) => {
      request.resume();
      response.writeHead(200, { "content-type": "text/plain", "content-disposition": "attachment" });
      response.write("a");
      open.push(() => response.end());
    });
    const someone = (peer: string) => async () => {
      const cookie = await somebody();
      return () => asFrom(peer, async () => download(await pageRequest("/api/attachments/a", { cookie }), A));
    };
    const [here, there] = [someone("203.0.113.7"), someone("203.0.113.8")];
    const first = await here();
    // The first one alone, because several may come to the backend in any order.
    const files = [await first(), ...(await Promise.all(Array.from({ length: 23 }, first)))];
    expect(new Set(files.map(({ status }) => status))).toEqual(new Set([200]));
    const words = "Too many downloads are on their way at once for you. Wait a moment, then try again.";
    await expectTooMuch(await first(), words);
    for (const count of [24, 12])
      files.push(...(await Promise.all(Array.from({ length: count }, await here()))));
    await expectTooMuch(await (await here())(), words.replace("you", "your network"));
    files.push(await (await there())());
    open[0]?.();
    await files[0]?.text();
    const next = await first();
    expect(next.status).toBe(200);
    for (const end of open) end();
    await Promise.all([...files.slice(1), next].map((file) => file.text()));
  });

  test("a body that brings nothing for thirty seconds is given up", async () => {
    await rawBackend((request) => void request.resume());
    const cookie = await somebody();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { body } = slowBody();
    const answers = [
      (await startUpload(cookie)).answer,
      chat(await pageRequest("/api/chatkit", { method: "POST", body, cookie })),
    ];
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThanOrEqual(answers.length));
    vi.advanceTimersByTime(30_000);
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(408);
      expect(await messageOf(answer)).toBe("Nothing more has arrived for 30 seconds. Try again.");
    }
  });

  test("whoever is nobody is told so before any of the body is read", async () => {
    const { body } = slowBody();
    for (const handler of [chat, upload]) {
      const request = await pageRequest("/api/chatkit", { method: "POST", body, cookie: null });
      expect((await handler(request)).status).toBe(401);
      expect(request.bodyUsed).toBe(false);
    }
  });

  test("a body of more than 512 KB is no streaming request, whatever it says", () => {
    const request = (size: number) =>
      Buffer.from(JSON.stringify({ type: "threads.create", a: "x".repeat(size) }));
    expect(isStreamingRequest(request(500 * 1024))).toBe(true);
    expect(isStreamingRequest(request(512 * 1024))).toBe(false);
  });
});

test("free-cookies-spend-the-key: the token tells the backend the address", async () => {
  const backend = await fakeBackend();
  await asFrom("203.0.113.7", () => post({ type: "threads.list" }));
  await post({ type: "threads.list" });
  const [known, unknown] = backend.received;
  expect((await claimsOf(known?.request)).address).toBe("203.0.113.7");
  expect(await claimsOf(unknown?.request)).not.toHaveProperty("address");
});
