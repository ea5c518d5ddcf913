import { SignJWT } from "jose";
import { unstable_doesMiddlewareMatch as doesMatch } from "next/experimental/testing/server";
import { NextRequest } from "next/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { guestCookie, guestOf, signGuest } from "@/kit/server/guest";
import { config, proxy } from "@/proxy";
import { messageOf, post, SECRET, stubSecret } from "./page-request";

beforeEach(stubSecret);
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function open(url = "http://127.0.0.1:3000/", headers: Record<string, string> = {}) {
  const response = await proxy(new NextRequest(url, { headers }));
  const [cookie = "", ...attributes] = response.headers.get("set-cookie")?.split("; ") ?? [];
  const guest = await guestOf(new NextRequest(url, { headers: { ...headers, cookie } }));
  return { cookie, attributes, guest };
}

/** A cookie as release 0.1.0 has signed it. */
async function cookieOfOld(guest: string): Promise<string> {
  const value = await new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(guest)
    .setAudience("guest")
    .setIssuedAt()
    .setExpirationTime("365d")
    .sign(new TextEncoder().encode(SECRET));
  return `${guestCookie().replace(/_http$/, "")}=${value}`;
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

  test("a form of another site, which comes without the cookie, does not take it away", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const response = await proxy(new NextRequest("http://127.0.0.1:3000/", { method }));
      expect(response.headers.get("set-cookie")).toBeNull();
    }
    const response = await proxy(new NextRequest("http://127.0.0.1:3000/", { method: "HEAD" }));
    expect(response.headers.get("set-cookie")).not.toBeNull();
  });

  test("nobody on the way keeps a document with a guest in it for others", async () => {
    const response = await proxy(new NextRequest("http://127.0.0.1:3000/"));
    expect(response.headers.get("cache-control")).toBe("private, no-store");
  });

  test("a forged cookie gets a new guest", async () => {
    const forged = await open("http://127.0.0.1:3000/", {
      cookie: `${guestCookie()}=eyJhbGciOiJub25lIn0.e30.`,
    });
    expect(forged.guest).toMatch(/^guest_/);
  });

  test.each(["http://127.0.0.1:3000/", "https://chat.example/"])(
    "a cookie under our name that another secret has signed gets a new guest: %s",
    async (url) => {
      const scheme = url.startsWith("https:") ? "https:" : "http:";
      const name = guestCookie(scheme);
      vi.stubEnv("CHATKIT_SECRET", "a stranger's secret, longer than 32 characters");
      const ofStranger = await signGuest("guest_of_somebody", scheme);
      vi.stubEnv("CHATKIT_SECRET", SECRET);
      const { guest } = await open(url, { cookie: `${name}=${ofStranger}` });
      expect(guest).toMatch(/^guest_[0-9a-f-]{36}$/);
      const ours = await open(url, { cookie: `${name}=${await signGuest("guest_a", scheme)}` });
      expect(ours.guest).toBe("guest_a");
    },
  );

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

describe("a site of the same domain cannot plant a history", () => {
  const HTTPS = "https://chat.example/";

  test("over https the cookie has a name that browsers guard, and no other is believed", async () => {
    const first = await open(HTTPS);
    expect(first.cookie).toMatch(/^__Host-chatkit_guest_[0-9a-f]{8}=/);
    expect(first.attributes).toEqual(expect.arrayContaining(["Path=/", "Secure", "HttpOnly"]));
    expect(first.attributes.join()).not.toMatch(/domain/i);
    const planted = first.cookie.replace("__Host-", "");
    expect((await open(HTTPS, { cookie: planted })).guest).not.toBe(first.guest);
    // Had from whoever says to us that the page is at http.
    const { cookie, guest } = await open();
    expect((await open(HTTPS, { cookie })).guest).not.toBe(guest);
    expect((await open(HTTPS, { cookie: cookie.replace(/(.*)_http=/, "__Host-$1=") })).guest).not.toBe(guest);
  });

  test("a guest of 0.1.0 keeps their history, and gets the new cookie", async () => {
    const cookie = await cookieOfOld("guest_of_old");
    const moved = await open(HTTPS, { cookie });
    expect([moved.guest, moved.cookie]).toEqual(["guest_of_old", expect.stringMatching(/^__Host-/)]);
    const back = await open(undefined, { cookie });
    expect(back.guest).toBe("guest_of_old");
    // Their browser keeps the old one beside it, for the way back to 0.1.0.
    expect(back.cookie.split("=")[0]).not.toBe(cookie.split("=")[0]);
    const both = `${cookie}; ${(await open(HTTPS)).cookie}`;
    expect((await open(HTTPS, { cookie: both })).guest).not.toBe("guest_of_old");
  });

  test("two cookies of one name are refused with words, and stay as they are", async () => {
    const cookie = `${guestCookie()}=${await signGuest("guest_a")}; ${guestCookie()}=${await signGuest("guest_b")}`;
    const opened = await proxy(new NextRequest("http://127.0.0.1:3000/", { headers: { cookie } }));
    expect(opened.headers.get("set-cookie")).toBeNull();
    const response = await post({ type: "threads.list", params: {} }, { cookie });
    expect(response.status).toBe(401);
    expect(await messageOf(response)).toContain("Delete the cookies of this site, then reload the page.");
  });

  test("two old cookies keep nobody out over https, as both may be planted", async () => {
    const [one, another] = [await cookieOfOld("guest_a"), await cookieOfOld("guest_b")];
    expect((await open(HTTPS, { cookie: `${one}; ${another}` })).guest).toMatch(/^guest_[0-9a-f-]{36}$/);
    const own = (await open(HTTPS)).cookie;
    const guest = (await open(HTTPS, { cookie: own })).guest;
    expect((await open(HTTPS, { cookie: `${one}; ${own}; ${another}` })).guest).toBe(guest);
  });

  test.each(["\u00a0", "\u000b", "%20"])("a name that only looks guarded is another: %j", async (before) => {
    const { cookie, guest } = await open(HTTPS);
    expect((await open(HTTPS, { cookie: before + cookie })).guest).not.toBe(guest);
    expect((await open(HTTPS, { cookie: `\t ${cookie} ` })).guest).toBe(guest);
  });
});

describe("secret-rotation-loses-guests", () => {
  const NEW = "another secret for the tests, longer than 32 characters";

  test.each(["http://127.0.0.1:3000/", "https://chat.example/"])("at %s", async (url) => {
    const before = await open(url);
    vi.stubEnv("CHATKIT_SECRET", NEW);
    expect((await open(url, { cookie: before.cookie })).guest).not.toBe(before.guest);
    vi.stubEnv("CHATKIT_SECRET_PREVIOUS", SECRET);
    const during = await open(url, { cookie: before.cookie });
    expect(during.guest).toBe(before.guest);
    expect(during.cookie.split("=")[0]).not.toBe(before.cookie.split("=")[0]);
    vi.stubEnv("CHATKIT_SECRET_PREVIOUS", "");
    expect((await open(url, { cookie: during.cookie })).guest).toBe(before.guest);
  });

  test("a guest of 0.1.0 comes along", async () => {
    const cookie = await cookieOfOld("guest_of_old");
    vi.stubEnv("CHATKIT_SECRET", NEW);
    vi.stubEnv("CHATKIT_SECRET_PREVIOUS", SECRET);
    expect((await open("https://chat.example/", { cookie })).guest).toBe("guest_of_old");
  });

  test("a previous secret that is too short is named", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    vi.stubEnv("CHATKIT_SECRET_PREVIOUS", "short");
    await proxy(new NextRequest("http://127.0.0.1:3000/"));
    expect(log.mock.calls.join()).toContain("CHATKIT_SECRET_PREVIOUS is shorter than 32 characters");
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
