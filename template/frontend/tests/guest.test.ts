import { unstable_doesMiddlewareMatch as doesMatch } from "next/experimental/testing/server";
import { NextRequest } from "next/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { guestCookie, verifyGuest } from "@/lib/guest";
import { config, proxy } from "@/proxy";
import { stubSecret } from "./page-request";

beforeEach(stubSecret);
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function open(url = "http://127.0.0.1:3000/", headers: Record<string, string> = {}) {
  const response = await proxy(new NextRequest(url, { headers }));
  const [cookie = "", ...attributes] = response.headers.get("set-cookie")?.split("; ") ?? [];
  return { cookie, attributes, guest: await verifyGuest(cookie.replace(`${guestCookie()}=`, "")) };
}

describe("two-guests-in-one-browser", () => {
  test("the document brings a guest, and keeps who is there", async () => {
    const first = await open();
    expect(first.guest).toMatch(/^guest_[0-9a-f-]{36}$/);
    const second = await open("http://127.0.0.1:3000/", { cookie: first.cookie });
    expect(second.guest).toBe(first.guest);
  });

  test("a second project on this machine leaves this one's guests alone", () => {
    const ours = guestCookie();
    vi.stubEnv("CHATKIT_SECRET", "another project's secret, as long as it must be");
    expect(guestCookie()).not.toBe(ours);
  });

  test("a forged cookie gets a new guest", async () => {
    const forged = await open("http://127.0.0.1:3000/", {
      cookie: `${guestCookie()}=eyJhbGciOiJub25lIn0.e30.`,
    });
    expect(forged.guest).toMatch(/^guest_/);
  });

  test.each([
    ["/", true],
    ["/any/page", true],
    ["/api/chatkit", false],
    ["/favicon.ico", false],
    ["/_next/static/chunk", false],
  ])("only documents bring guests: %s, %s", (path, expected) => {
    expect(doesMatch({ config, url: `http://127.0.0.1:3000${path}` })).toBe(expected);
  });

  test.each([
    ["a browser, which opens it without asking again", { purpose: "prefetch" }, true],
    ["the page's own router, which has the cookie", { "next-router-prefetch": "1" }, false],
  ])("a document fetched in advance by %s", (_, headers, expected) => {
    expect(doesMatch({ config, url: "http://127.0.0.1:3000/", headers })).toBe(expected);
  });
});

test("scripts cannot read the cookie, and https keeps it to https", async () => {
  const plain = await open();
  expect(plain.attributes).toEqual(
    expect.arrayContaining(["Path=/", "HttpOnly", "SameSite=lax", "Max-Age=31536000"]),
  );
  expect(plain.attributes).not.toContain("Secure");
  expect((await open("https://chat.example/")).attributes).toContain("Secure");
  expect((await open(undefined, { "x-forwarded-proto": "https" })).attributes).toContain("Secure");
});

test("without a secret the page comes without a guest, and the log says why", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.stubEnv("CHATKIT_SECRET", "");
  const response = await proxy(new NextRequest("http://127.0.0.1:3000/"));
  expect(response.headers.get("set-cookie")).toBeNull();
  expect(response.headers.get("x-middleware-next")).toBe("1");
  expect(log).toHaveBeenCalledWith(expect.anything(), expect.stringContaining("CHATKIT_SECRET is empty"));
});
