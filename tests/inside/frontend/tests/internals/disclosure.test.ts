import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { POST } from "@/app/api/chatkit/route";
import { GET } from "@/app/api/status/route";
import Page from "@/app/page";
import Pitfalls from "@/app/pitfalls/page";
import { withoutSecrets } from "@/kit/causes";
import { answerJson, fakeBackend, noBackend, startEvents } from "./fake-backend";
import { eventsOf, messageOf, pageRequest, post, stubSecret } from "./page-request";

const LIST = { type: "threads.list", params: {} };
const CREATE = { type: "threads.create", params: {} };
const NOT_NOW = "The chat is not available at the moment. Try again in a minute. (request r1)";
const headers = { "x-request-id": "r1" };

beforeEach(() => {
  stubSecret();
  vi.stubEnv("NODE_ENV", "production");
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function logged(): string {
  return vi
    .mocked(console.error)
    .mock.calls.map((words) => words.join(" "))
    .join("\n");
}

/** Everything that a visitor can be told: as JSON, in a stream, by the page's panel. */
async function told(): Promise<string[]> {
  const [event] = await eventsOf(await post(CREATE, { headers }));
  const status = await GET(await pageRequest("/api/status", { headers }));
  return [await messageOf(await post(LIST, { headers })), String(event?.message), await messageOf(status)];
}

describe("visitors-see-the-inside", () => {
  test("nobody listens at an address with a password and a key: only the log knows the host", async () => {
    const { host } = new URL(await noBackend());
    vi.stubEnv("BACKEND_URL", `http://svc:secret@${host}/?key=k3y`);
    expect(await told()).toEqual([NOT_NOW, NOT_NOW, NOT_NOW]);
    expect(logged()).toContain(`No answer from the backend at http://${host}/chatkit (ECONNREFUSED)`);
    expect(logged()).toContain("Start it with `uv run --no-dev serve`, and set BACKEND_URL");
    expect(logged()).toContain("Pitfall: backend-down.");
    expect(logged()).not.toMatch(/svc|secret@|k3y/);
  });

  test.each([
    ["BACKEND_URL", "svc:secret@host/?key=k3y"],
    ["BACKEND_URL", "http://svc:sec?ret@host/"],
    ["CHATKIT_SECRET", "short"],
  ])("%s is %j", async (name, value) => {
    const body = JSON.stringify(LIST);
    const request = await pageRequest("/api/chatkit", { method: "POST", headers, body });
    vi.stubEnv(name, value);
    expect(await messageOf(await POST(request))).toBe(NOT_NOW);
    expect(logged()).toContain(name);
    expect(logged()).not.toContain("uv run dev");
    expect(logged()).not.toMatch(/svc|ret@|k3y|"short"/);
  });

  test("somebody else answers", async () => {
    const { url } = await fakeBackend((response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>nginx on 10.0.0.7</h1>");
    });
    expect(await told()).toEqual([NOT_NOW, NOT_NOW, NOT_NOW]);
    expect(logged()).toContain(`${url}/chatkit answered 200 with text/html`);
  });

  test("the backend says what it lacks, and breaks off", async () => {
    await fakeBackend((response, { request }) => {
      if (request.url === "/health")
        return answerJson(response, { message: "db.internal:5432 is down" }, 503);
      startEvents(response);
      response.write("data: {}\n\n", () => response.destroy());
    });
    expect(await messageOf(await GET(await pageRequest("/api/status", { headers })))).toBe(NOT_NOW);
    const events = await eventsOf(await post(CREATE, { headers }));
    expect(events.at(-1)?.message).toBe(
      "The answer broke off in the middle. Try again in a minute. (request r1)",
    );
  });

  test("an error that nobody knows is not told either, and the log has its stack", async () => {
    vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
      throw new Error("of somebody's edit");
    });
    expect(await messageOf(await GET(await pageRequest("/api/status", { headers })))).toBe(NOT_NOW);
    expect(logged()).toContain("of somebody's edit");
  });

  test("what the backend says of a failure is for visitors, and comes through", async () => {
    await fakeBackend((response) => answerJson(response, { message: "The assistant is busy." }, 503));
    const [event] = await eventsOf(await post(CREATE, { headers }));
    expect(event?.message).toBe("The assistant is busy. (request r1)");
  });

  test("the panel has the backend's words for a limit", async () => {
    await fakeBackend((response, { request }) => {
      if (request.url === "/health") return answerJson(response, { status: "ok" });
      answerJson(response, { message: "Too many at once. Try again in a minute." }, 429);
    });
    const status = await GET(await pageRequest("/api/status", { headers }));
    expect([status.status, await messageOf(status)]).toEqual([
      429,
      "Too many at once. Try again in a minute.",
    ]);
  });

  test("a refusal says what its person can do", async () => {
    await fakeBackend();
    expect(await messageOf(await post(LIST, { cookie: null }))).toContain("Reload the page");
  });

  test("the document has no advice for owners, and there are no pitfalls", () => {
    const document = renderToStaticMarkup(createElement(Page));
    expect(document).toContain("The chat could not start");
    expect(document).not.toMatch(/uv run|pitfalls|frontend\/|allowedDevOrigins/);
    expect(() => Pitfalls()).toThrow("NEXT_HTTP_ERROR_FALLBACK;404");
    vi.stubEnv("NODE_ENV", "development");
    expect(() => Pitfalls()).not.toThrow();
  });
});

test.each([
  [new URL("http://svc:secret@host:8000/a?key=k3y#f"), "http://host:8000/a"],
  ["svc:secret@host/?key=k3y", "host/"],
  ["http://svc:se?cret@host:x", "http://host:x"],
  ["localhost:8000", "localhost:8000"],
])("of %s is shown %s", (address, shown) => {
  expect(withoutSecrets(address)).toBe(shown);
});
