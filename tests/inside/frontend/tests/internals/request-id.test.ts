import { NextRequest } from "next/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SAYS_STOP } from "@/kit/settings";
import { proxy } from "@/proxy";
import { answerJson, fakeBackend, noBackend, startEvents } from "./fake-backend";
import { eventsOf, messageOf, post, stubSecret } from "./page-request";

const LIST = { type: "threads.list", params: {} };
const CREATE = { type: "threads.create", params: {} };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function logged(): string[] {
  return vi.mocked(console.error).mock.calls.map((words) => words.join(" "));
}

function idOf(response: Response): string {
  return response.headers.get("x-request-id") ?? "";
}

test.each(["a", "Of_the-Browser_7", "x".repeat(64)])("a well-formed id is kept: %s", async (id) => {
  const backend = await fakeBackend();
  const response = await post(LIST, { headers: { "x-request-id": id } });
  expect(idOf(response)).toBe(id);
  expect(backend.received[0]?.request.headers["x-request-id"]).toBe(id);
});

test.each([null, "", "x".repeat(65), "two words", "1;rm", "id\u00e9", "a\tb"])(
  "instead of %j a new id goes both ways",
  async (id) => {
    const backend = await fakeBackend();
    const response = await post(LIST, id === null ? {} : { headers: { "x-request-id": id } });
    expect(idOf(response)).toMatch(UUID);
    expect(backend.received[0]?.request.headers["x-request-id"]).toBe(idOf(response));
  },
);

test("no two requests share an id", async () => {
  await fakeBackend();
  expect(idOf(await post(LIST))).not.toBe(idOf(await post(LIST)));
});

test("the page's server has the last word on the id, and not the backend", async () => {
  await fakeBackend((response) => answerJson(response.setHeader("x-request-id", "theirs"), {}));
  expect(idOf(await post(LIST, { headers: { "x-request-id": "ours" } }))).toBe("ours");
});

describe("every answer carries it", () => {
  test("a stream, a refusal, a body too large", async () => {
    await fakeBackend((response) => {
      startEvents(response);
      response.end("data: 1\n\n");
    });
    expect(idOf(await post(CREATE))).toMatch(UUID);
    const stranger = await post(CREATE, { cookie: null });
    expect([stranger.status, idOf(stranger)]).toEqual([401, expect.stringMatching(UUID)]);
    const large = await post(LIST, { headers: { "content-length": "999999999" } });
    expect([large.status, idOf(large)]).toEqual([413, expect.stringMatching(UUID)]);
  });

  test("the document", async () => {
    const document = () => proxy(new NextRequest("http://127.0.0.1:3000/"));
    expect(idOf(await document())).toMatch(UUID);
    vi.stubEnv("CHATKIT_SECRET", "");
    const failed = await document();
    expect(logged()).toEqual([expect.stringContaining(idOf(failed))]);
  });
});

describe("a failure on our side is tied to the log", () => {
  test("in an answer", async () => {
    await noBackend();
    const response = await post(LIST);
    expect(await messageOf(response)).toMatch(new RegExp(` \\(request ${idOf(response)}\\)$`));
    expect(logged()).toEqual([
      expect.stringContaining(`/api/chatkit (request ${idOf(response)}): No answer`),
    ]);
  });

  test("in an error event", async () => {
    await noBackend();
    const response = await post(CREATE, { headers: { "x-request-id": "e1" } });
    const [event] = await eventsOf(response);
    expect(event?.message).toMatch(/ \(request e1\)$/);
    expect(logged()).toEqual([expect.stringContaining("(request e1)")]);
  });

  test("in the event that ends a broken stream", async () => {
    await fakeBackend((response) => {
      startEvents(response);
      response.write("data: 1\n\n", () => response.destroy());
    });
    const response = await post(CREATE, { headers: { "x-request-id": "e2" } });
    expect(await response.text()).toContain("its log says why. (request e2)");
    expect(logged()).toEqual([
      "/api/chatkit (request e2): The backend broke off in the middle of its answer.",
    ]);
  });

  test("and nothing is said to a page that reads on by itself", async () => {
    await fakeBackend((response) => {
      startEvents(response);
      response.write("data: 1\n\n", () => response.destroy());
    });
    const response = await post(CREATE, { headers: { [SAYS_STOP]: "1" } });
    await expect(response.text()).rejects.toThrow();
    expect(logged()).toEqual([expect.stringContaining("The backend broke off")]);
  });

  test("in one line, where somebody else has answered", async () => {
    await fakeBackend((response) => {
      response.writeHead(200, { "content-type": "text/html" }).write("<h1>It works!</h1>");
    });
    const response = await post(LIST);
    expect(logged()).toEqual([expect.stringContaining(`(request ${idOf(response)}): http://127.0.0.1`)]);
  });

  test("once, where the backend has named it already", async () => {
    await fakeBackend((response, { request }) => {
      answerJson(response, { message: `Ask for request ${request.headers["x-request-id"]}.` }, 500);
    });
    const [event] = await eventsOf(await post(CREATE, { headers: { "x-request-id": "e3" } }));
    expect(event?.message).toBe("Ask for request e3.");
  });

  test("but a refusal needs no number, and no line in the log", async () => {
    await fakeBackend();
    expect(await messageOf(await post(LIST, { cookie: null }))).not.toContain("request");
    expect(logged()).toEqual([]);
  });
});
