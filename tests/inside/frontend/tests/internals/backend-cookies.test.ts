import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET } from "@/app/api/attachments/[id]/route";
import { guestCookie, signGuest } from "@/kit/server/guest";
import { fakeBackend } from "./fake-backend";
import { claimsOf, GUEST, messageOf, pageRequest, post, stubSecret } from "./page-request";

const LIST = { type: "threads.list", params: {} };

beforeEach(stubSecret);
afterEach(() => {
  vi.unstubAllEnvs();
});

/** The cookies that the backend gets, of a guest whose browser has these too. */
async function passedOn(others: string): Promise<string | undefined> {
  const backend = await fakeBackend();
  const cookie = `${guestCookie()}=${await signGuest(GUEST)}; ${others}`;
  await post(LIST, { cookie });
  const request = backend.received[0]?.request;
  expect((await claimsOf(request)).sub).toBe(GUEST);
  return request?.headers.cookie;
}

describe("cookies for the backend", () => {
  test.each([undefined, "", " , "])("there are none when the setting is %j", async (setting) => {
    if (setting !== undefined) vi.stubEnv("BACKEND_COOKIES", setting);
    expect(await passedOn("sessionid=s; =nameless; nameless")).toBeUndefined();
  });

  test("are those that the setting lists, and never others", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid, tenant");
    expect(
      await passedOn("a=1; sessionid=s; sessionid2=2; xsessionid=3; tenant=t; SESSIONID=4; b=sessionid=5"),
    ).toBe("sessionid=s; tenant=t");
  });

  test("have the value that the browser sent", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid");
    expect(await passedOn('sessionid="a%3Db=c%zz"')).toBe('sessionid="a%3Db=c%zz"');
  });

  test("do not go along when the browser has none of them", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid");
    expect(await passedOn("a=1")).toBeUndefined();
  });

  test("may be those of this host alone, without another name for the setting", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid, __Host-tenant");
    const sent = "__Host-sessionid=own; tenant=planted; __Host-tenant=t; sessionid=planted";
    expect(await passedOn(sent)).toBe("__Host-sessionid=own; sessionid=planted; __Host-tenant=t");
  });

  test("are refused where there are two of one name: one may be planted", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid");
    const backend = await fakeBackend();
    const cookie = `${guestCookie()}=${await signGuest(GUEST)}; sessionid=s; sessionid=planted`;
    const response = await post(LIST, { cookie });
    expect(response.status).toBe(401);
    expect(await messageOf(response)).toContain("two cookies");
    expect(backend.received).toEqual([]);
  });

  test("go along with files", async () => {
    vi.stubEnv("BACKEND_COOKIES", "sessionid");
    const backend = await fakeBackend();
    const cookie = `${guestCookie()}=${await signGuest(GUEST)}; sessionid=s`;
    const request = await pageRequest("/api/attachments/atc_1", { cookie });
    await GET(request, { params: Promise.resolve({ id: "atc_1" }) });
    expect(backend.received[0]?.request.headers.cookie).toBe("sessionid=s");
  });
});
