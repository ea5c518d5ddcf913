import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET, POST as POST_FILE } from "@/app/api/attachments/[id]/route";
import { POST as POST_ATTACHMENT } from "@/app/api/attachments/route";
import { POST as POST_CHAT } from "@/app/api/chatkit/route";
import { fakeBackend } from "./fake-backend";
import { messageOf, pageRequest, stubSecret } from "./page-request";

const ROUTES = {
  "/api/chatkit": POST_CHAT,
  "/api/attachments": POST_ATTACHMENT,
  "/api/attachments/atc_1": (request: Awaited<ReturnType<typeof pageRequest>>) =>
    POST_FILE(request, { params: Promise.resolve({ id: "atc_1" }) }),
};

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const HOST = { host: "chat.example.com" };
const FORWARDED = {
  host: "127.0.0.1:3000",
  "x-forwarded-host": "chat.example.com",
  "x-forwarded-proto": "https",
};

describe.each(Object.entries(ROUTES))("to %s", (path, route) => {
  async function send(headers: Record<string, string>) {
    vi.stubEnv("NODE_ENV", "production");
    const backend = await fakeBackend();
    const response = await route(await pageRequest(path, { method: "POST", headers, body: "{}" }));
    return { response, reached: backend.received.length };
  }

  test.each<Record<string, string>>([
    { ...HOST, "sec-fetch-site": "same-origin", origin: "http://chat.example.com" },
    { ...HOST, "sec-fetch-site": "none" },
    { ...HOST, origin: "http://chat.example.com" },
    { ...HOST, origin: "https://chat.example.com" },
    { ...FORWARDED, origin: "https://chat.example.com" },
    { host: "127.0.0.1:3000", origin: "http://127.0.0.1:3000" },
    HOST,
  ])("our own page and what is no browser pass: %j", async (headers) => {
    const { response, reached } = await send(headers);
    expect([response.status, reached]).toEqual([200, 1]);
  });

  test.each<Record<string, string>>([
    { ...HOST, "sec-fetch-site": "cross-site" },
    { ...HOST, "sec-fetch-site": "same-site", origin: "http://chat.example.com" },
    { ...HOST, origin: "https://example.com" },
    { ...HOST, origin: "https://chat.example.com.evil.example" },
    { ...HOST, origin: "null" },
    { ...FORWARDED, origin: "http://127.0.0.1:3000" },
    { host: "127.0.0.1:3000", origin: "http://127.0.0.1:8000" },
  ])("another page is refused with words: %j", async (headers) => {
    const { response, reached } = await send(headers);
    expect([response.status, reached]).toEqual([403, 0]);
    expect(await messageOf(response)).toContain("Open the page of this chat");
    expect(console.warn).toHaveBeenCalledOnce();
  });

  test("what anybody writes into the origin is not written into the log", async () => {
    await send({ ...HOST, origin: "https://name:s3cret@evil.example/?token=k3y" });
    expect(vi.mocked(console.warn).mock.calls.join()).toMatch(/the browser says evil\.example,/);
  });
});

describe("rebinding-reaches-development: in development the page answers", () => {
  async function statusAs(host: string) {
    await fakeBackend();
    const headers = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
    return POST_CHAT(await pageRequest("/api/chatkit", { method: "POST", headers, body: "{}" }));
  }

  test.each(["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "172.20.0.1:3000"])("at %s", async (host) => {
    expect((await statusAs(host)).status).toBe(200);
  });

  test("at the name of a tunnel that the owner has", async () => {
    vi.stubEnv("DEVELOPMENT_HOSTS", "one.tunnel.example, chat.tunnel.example");
    expect((await statusAs("chat.tunnel.example")).status).toBe(200);
  });

  test.each(["evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "x y"])(
    "not at %s, which may lead elsewhere in a moment",
    async (host) => {
      const response = await statusAs(host);
      expect(response.status).toBe(403);
      expect(await messageOf(response)).toContain("DEVELOPMENT_HOSTS");
    },
  );
});

test("a link to a file may stand anywhere", async () => {
  await fakeBackend();
  const request = await pageRequest("/api/attachments/atc_1", {
    headers: { "sec-fetch-site": "cross-site" },
  });
  expect((await GET(request, { params: Promise.resolve({ id: "atc_1" }) })).status).toBe(200);
});
