import { NextRequest } from "next/server";
import { beforeEach, expect, test, vi } from "vitest";
import { pageOrigin } from "@/kit/server/sender";
import { fakeBackend } from "./fake-backend";
import { claimsOf, post, stubSecret } from "./page-request";

beforeEach(() => {
  vi.unstubAllEnvs();
  stubSecret();
});

test.each([
  ["what Next takes it for, where nobody says anything", {}, "http://localhost:3000"],
  ["the host that the browser asked for", { host: "localhost:8080" }, "http://localhost:8080"],
  [
    "what the server in front of it says",
    { host: "127.0.0.1:3000", "x-forwarded-proto": "https", "x-forwarded-host": "chat.example.com" },
    "https://chat.example.com",
  ],
  [
    "what the outermost of several says",
    {
      "x-forwarded-proto": "https, http",
      "x-forwarded-host": "chat.example.com:8443, inner.example.com",
    },
    "https://chat.example.com:8443",
  ],
  [
    "a port that goes without saying",
    { "x-forwarded-proto": "https", host: "a.example:443" },
    "https://a.example",
  ],
  ["no path that is smuggled in", { host: "a.example/path" }, "http://a.example"],
  [
    "the host that the browser asked for, where the server in front of it says none",
    { host: "a.example", "x-forwarded-host": "a b" },
    "http://a.example",
  ],
  ["no host that is none", { "x-forwarded-host": "a b" }, "http://localhost:3000"],
  ["no scheme but the two", { "x-forwarded-proto": "javascript", host: "a.example" }, "http://a.example"],
])("the page's origin is %s", (_, headers: Record<string, string>, expected) => {
  expect(pageOrigin(new NextRequest("http://127.0.0.1:3000/api/chatkit", { headers }))).toBe(expected);
});

test("the token tells the backend the origin", async () => {
  const backend = await fakeBackend();
  await post({}, { headers: { "x-forwarded-proto": "https", "x-forwarded-host": "chat.example.com" } });
  expect(await claimsOf(backend.received[0]?.request)).toMatchObject({ origin: "https://chat.example.com" });
});
