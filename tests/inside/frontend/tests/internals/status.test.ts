import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GET } from "@/app/api/status/route";
import { answerJson, fakeBackend, listen, unusedUrl } from "./fake-backend";
import { claimsOf, GUEST, hurry, pageRequest, stubSecret } from "./page-request";

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function ask(cookie?: string | null) {
  const response = await GET(await pageRequest("/api/status", cookie === undefined ? {} : { cookie }));
  return { status: response.status, said: await response.json() };
}

/** A backend that answers each of its endpoints as told, and what is not told with 200. */
function backend(answers: Record<string, [status: number, body: object]>) {
  return fakeBackend((response, { request }) => {
    const [status, body] = answers[request.url ?? ""] ?? [200, { status: "ok" }];
    answerJson(response, body, status);
  });
}

test("a person who can chat is told so, and was asked for by name", async () => {
  const { received } = await backend({});
  expect(await ask()).toEqual({ status: 200, said: { status: "ok" } });
  expect(received.map(({ request }) => `${request.method} ${request.url}`)).toEqual([
    "GET /health",
    "POST /chatkit",
  ]);
  expect(await claimsOf(received[1]?.request)).toMatchObject({ sub: GUEST });
  expect(JSON.parse(received[1]?.body ?? "")).toMatchObject({ type: "threads.list" });
});

describe("blank-screen", () => {
  test("backend-down: nobody listens", async () => {
    const url = await unusedUrl();
    vi.stubEnv("BACKEND_URL", url);
    const { status, said } = await ask();
    expect([status, said.slug]).toEqual([502, "backend-down"]);
    expect(said.message).toContain(`${url}/health (ECONNREFUSED). The address comes from BACKEND_URL`);
  });

  test("backend-down: an address that is none", async () => {
    vi.stubEnv("BACKEND_URL", "the backend");
    expect((await ask()).said).toMatchObject({ slug: "backend-down" });
  });

  test("backend-down: it listens and says nothing", async () => {
    hurry();
    const { url } = await fakeBackend(() => {});
    const { said } = await ask();
    expect(said.slug).toBe("backend-down");
    expect(said.message).toContain(`The backend at ${url}/health did not answer within 4 seconds.`);
  });

  test.each([
    ["not migrated", "migrations-not-run"],
    ["unavailable", "database-down"],
  ])("the database is %s: %s", async (state, slug) => {
    await backend({ "/health": [503, { status: state, message: "The database lacks something." }] });
    const { said } = await ask();
    expect(said).toMatchObject({ slug, message: expect.stringContaining("The database lacks something.") });
  });

  test("proxy-hides-the-cause: somebody else answers there", async () => {
    await fakeBackend((response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>It works!</h1>");
    });
    const { said } = await ask();
    expect(said.slug).toBe("proxy-hides-the-cause");
    expect(said.message).toContain("answered 200 with text/html, which is not JSON");
  });

  test("env-file-lost: the backend has another secret", async () => {
    await backend({ "/chatkit": [401, { message: "The token is not signed with CHATKIT_SECRET." }] });
    const { said } = await ask();
    expect(said).toMatchObject({ slug: "env-file-lost", message: expect.stringContaining("CHATKIT_SECRET") });
  });

  test("env-file-lost: this side has no secret", async () => {
    await backend({});
    vi.stubEnv("CHATKIT_SECRET", "");
    const { said } = await ask(null);
    expect(said).toMatchObject({
      slug: "env-file-lost",
      message: expect.stringMatching(/^CHATKIT_SECRET is/),
    });
  });

  test("proxy-hides-the-cause: a login provider that says nothing is not taken for the backend", async () => {
    hurry();
    await backend({});
    const provider = await listen(() => {});
    vi.stubEnv("OIDC_ISSUER", provider);
    vi.stubEnv("OIDC_AUDIENCE", "this-app");
    const headers = { authorization: "Bearer of.a.login" };
    const response = await GET(await pageRequest("/api/status", { headers }));
    const { message } = await response.json();
    expect(message).toContain(`The login provider's keys cannot be fetched from ${provider}`);
  });

  test("not-signed-in: a browser without a guest", async () => {
    await backend({});
    const { status, said } = await ask(null);
    expect([status, said.slug]).toEqual([401, "not-signed-in"]);
  });
});
