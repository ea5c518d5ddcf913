import type { ServerResponse } from "node:http";
import { beforeEach, describe, expect, test, vi } from "vitest";
import * as route from "@/app/api/backend/[...path]/route";
import { handleRoute } from "@/kit/server/proxy";
import * as access from "@/lib/identity";
import { answerJson, fakeBackend, noBackend, rawBackend } from "./fake-backend";
import { claimsOf, GUEST, messageOf, pageRequest, stubSecret } from "./page-request";

const LISTED = ["GET /orders", "POST /orders", "GET /orders/{id}", "DELETE /orders/{id}", "GET /a.b/c"];

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(console, "warn").mockImplementation(() => {});
});

type Options = Parameters<typeof pageRequest>[1];

async function ask(path: string, options: Options = {}): Promise<Response> {
  return handleRoute(await pageRequest(`/api/backend${path}`, options), access, LISTED);
}

describe("a route that is listed", () => {
  test("reaches the backend as the guest of the cookie", async () => {
    const backend = await fakeBackend((response) => answerJson(response, { count: 2 }));
    const asked = await pageRequest("/api/backend/conversations/thr_1/count", {
      headers: { "x-request-id": "r1", "x-evil": "1" },
    });
    const response = await route.GET(asked);
    expect([response.status, await response.json()]).toEqual([200, { count: 2 }]);
    expect(response.headers.get("x-request-id")).toBe("r1");
    expect(response.headers.get("cache-control")).toBe("private, no-store");
    const [{ request } = {}] = backend.received;
    expect([request?.method, request?.url]).toEqual(["GET", "/conversations/thr_1/count"]);
    expect(await claimsOf(request)).toMatchObject({ sub: GUEST });
    expect(request?.headers).toMatchObject({ "x-request-id": "r1" });
    expect(request?.headers).not.toHaveProperty("cookie");
    expect(request?.headers).not.toHaveProperty("x-evil");
  });

  test("is asked with its query and its body as they are", async () => {
    const backend = await fakeBackend();
    const headers = { "content-type": "application/json", "content-length": "900" };
    await ask("/orders?from=2026-01&q=a%2Fb&q=..%2f?x", { method: "POST", body: '{"a": 1}', headers });
    await ask("/orders/7", { method: "DELETE" });
    await ask("/orders", { method: "HEAD" });
    expect(backend.received.map(({ request, body }) => [request.method, request.url, body])).toEqual([
      ["POST", "/orders?from=2026-01&q=a%2Fb&q=..%2f?x", '{"a": 1}'],
      ["DELETE", "/orders/7", ""],
      ["HEAD", "/orders", ""],
    ]);
    expect(backend.received[0]?.request.headers).toMatchObject({ "content-length": "8" });
    expect(backend.received[1]?.request.headers).not.toHaveProperty("content-type");
  });

  test("is below the address of the backend", async () => {
    const backend = await fakeBackend();
    vi.stubEnv("BACKEND_URL", `${backend.url}/below/`);
    await ask("/orders?a=1");
    expect(backend.received[0]?.request.url).toBe("/below/orders?a=1");
  });

  test.each([401, 404, 429, 500])("that refuses with %i keeps its words", async (status) => {
    await fakeBackend((response) => answerJson(response, { message: "No." }, status));
    const response = await ask("/orders");
    expect([response.status, await messageOf(response)]).toEqual([status, "No."]);
  });

  test("may have nothing to say", async () => {
    await fakeBackend((response) => response.writeHead(204).end());
    const response = await ask("/orders/7", { method: "DELETE" });
    expect([response.status, response.body]).toEqual([204, null]);
  });

  test("may send a file, and events as they come", async () => {
    let open: ServerResponse | undefined;
    await rawBackend((request, response) => {
      if (request.url === "/orders") {
        response
          .writeHead(200, { "content-type": "text/csv", "content-disposition": "attachment" })
          .end("a;b");
      } else {
        open = response.writeHead(200, { "content-type": "text/event-stream" });
        open.write("data: 1\n\n");
      }
    });
    expect(await (await ask("/orders")).text()).toBe("a;b");
    const events = await ask("/orders/7");
    expect(events.headers.get("cache-control")).toBe("no-cache, no-transform");
    expect(events.headers.get("x-accel-buffering")).toBe("no");
    const first = await events.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value)).toBe("data: 1\n\n");
    open?.end();
  });

  test("never becomes a page of our own origin", async () => {
    await fakeBackend((response) => response.writeHead(200, { "content-type": "text/html" }).end("<script>"));
    const response = await ask("/orders");
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toContain("answered 200 with text/html");
  });

  test("of a backend that is down says so, without its query", async () => {
    await noBackend();
    const response = await ask("/orders?token=rhubarb");
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toMatch(/^No answer from the backend at .*\/orders \(E/);
    expect(JSON.stringify(vi.mocked(console.error).mock.calls)).not.toContain("rhubarb");
  });
});

describe("nobody else gets there", () => {
  test.each([
    ["GET", "/chatkit"],
    ["GET", "/health"],
    ["GET", "/"],
    ["GET", ""],
    ["GET", "/orders/"],
    ["GET", "//orders"],
    ["GET", "/orders/7/8"],
    ["GET", "/orders/%2e%2e"],
    ["GET", "/orders/../chatkit"],
    ["GET", "/orders/..%2fchatkit"],
    ["GET", "/orders/a%2Fb"],
    ["GET", "/orders/a%5Cb"],
    ["GET", "/orders/a\\b"],
    ["GET", "/orders/%00"],
    ["GET", "/orders/a.b"],
    ["GET", "/orders/{id}%20"],
    ["GET", `/orders/${"a".repeat(256)}`],
    ["GET", "/%6frders"],
    ["GET", "/a-b/c"],
    ["PUT", "/orders"],
    ["DELETE", "/orders"],
    ["POST", "/orders/7"],
  ])("by %s %s", async (method, path) => {
    const backend = await fakeBackend();
    const response = await ask(path, { method });
    expect([response.status, await messageOf(response)]).toEqual([404, "There is nothing at this address."]);
    expect(backend.received).toEqual([]);
  });

  test("without a cookie, or from another site's page", async () => {
    const backend = await fakeBackend();
    const nobody = await ask("/orders", { cookie: null });
    expect([nobody.status, await messageOf(nobody)]).toEqual([
      401,
      expect.stringContaining("Reload the page"),
    ]);
    const headers = { "sec-fetch-site": "cross-site" };
    const foreign = await ask("/orders", { method: "POST", body: "{}", headers });
    expect([foreign.status, await messageOf(foreign)]).toEqual([
      403,
      expect.stringContaining("another page"),
    ]);
    expect(backend.received).toEqual([]);
  });

  test("with more than a request may carry", async () => {
    const backend = await fakeBackend();
    const response = await ask("/orders", { method: "POST", body: "x".repeat(10 * 1024 * 1024 + 1) });
    expect([response.status, await messageOf(response)]).toEqual([413, expect.stringContaining("10 MB")]);
    expect(backend.received).toEqual([]);
  });
});
