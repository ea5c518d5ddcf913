import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { POST } from "@/app/api/chatkit/route";
import { backendAddress } from "@/kit/server/backend";
import { guestCookie } from "@/kit/server/guest";
import { BODY_LIMIT } from "@/kit/server/limits";
import { handleChatKit } from "@/kit/server/proxy";
import { ASSISTANT, PAGE_CONTEXT, SAYS_STOP } from "@/kit/settings";
import * as access from "@/lib/identity";
import {
  answerJson,
  fakeBackend,
  listen,
  listenInspected,
  noBackend,
  startEvents,
  unusedUrl,
} from "./fake-backend";
import {
  claimsOf,
  eventsOf,
  file,
  GUEST,
  hurry,
  messageOf,
  PATIENCE,
  pageRequest,
  post,
  stubSecret,
} from "./page-request";

const LIST = { type: "threads.list", params: {} };
const CREATE = { type: "threads.create", params: {} };

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test("no-proxy-route: a request reaches the backend as it was sent, and the answer comes back", async () => {
  const backend = await fakeBackend((response) => answerJson(response, { data: [1] }));
  const response = await post(LIST);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ data: [1] });
  expect(backend.received[0]?.request).toMatchObject({ method: "POST", url: "/chatkit" });
  expect(JSON.parse(backend.received[0]?.body ?? "")).toEqual(LIST);
});

test("the token names the guest, and the backend can verify it with the secret", async () => {
  const backend = await fakeBackend();
  await post(LIST);
  const payload = await claimsOf(backend.received[0]?.request);
  expect(payload.sub).toBe(GUEST);
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
});

describe("proxy-forwards-everything", () => {
  test("only listed request headers reach the backend", async () => {
    const backend = await fakeBackend();
    await post(LIST, {
      headers: {
        authorization: "Bearer of the browser",
        "accept-language": "de",
        "x-request-id": "r1",
        "x-forwarded-for": "10.0.0.1",
        "x-anything": "else",
      },
    });
    const headers = backend.received[0]?.request.headers;
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "accept-language": "de",
      "x-request-id": "r1",
    });
    expect(headers?.authorization).not.toContain("browser");
    expect(Object.keys(headers ?? {}).sort()).toEqual([
      "accept-language",
      "authorization",
      "connection",
      "content-length",
      "content-type",
      "host",
      "x-request-id",
    ]);
  });

  test("of what the page says about itself, only what is listed reaches the backend", async () => {
    const backend = await fakeBackend();
    const said = new URLSearchParams({ article: "a/17 ü", role: "admin", path: "/news" });
    await post(LIST, { headers: { [PAGE_CONTEXT]: said.toString() } });
    expect(backend.received[0]?.request.headers[PAGE_CONTEXT]).toBe("path=%2Fnews");
    const request = await pageRequest("/api/chatkit", {
      method: "POST",
      headers: { [PAGE_CONTEXT]: said.toString() },
      body: JSON.stringify(LIST),
    });
    await handleChatKit(request, access, ["article", "missing"]);
    expect(backend.received[1]?.request.headers[PAGE_CONTEXT]).toBe("article=a%2F17+%C3%BC");
  });

  test("a page that says too much about itself is told so", async () => {
    const backend = await fakeBackend();
    const response = await post(CREATE, { headers: { [PAGE_CONTEXT]: `path=${"a".repeat(2000)}` } });
    expect(response.status).toBe(431);
    expect(await messageOf(response)).toBe("The page's context is longer than 2000 characters.");
    expect(backend.received).toEqual([]);
  });

  test("the name of an assistant reaches the backend, and nothing else in its place", async () => {
    const backend = await fakeBackend();
    await post(LIST, { headers: { [ASSISTANT]: "support-2" } });
    expect(backend.received[0]?.request.headers[ASSISTANT]).toBe("support-2");
    expect(backend.received[0]?.request.url).toBe("/chatkit");
    for (const name of ["../health", "Support", "a b", "ü", "a".repeat(41)]) {
      for (const body of [LIST, CREATE]) {
        const response = await post(body, { headers: { [ASSISTANT]: name } });
        expect(response.status).toBe(404);
        expect(await messageOf(response)).toBe("There is no such assistant.");
      }
    }
    expect(backend.received).toHaveLength(1);
  });

  test("that the page says Stop by itself reaches the backend, and nothing else in its place", async () => {
    const backend = await fakeBackend();
    for (const said of ["1", "true", ""]) await post(CREATE, { headers: { [SAYS_STOP]: said } });
    expect(backend.received.map(({ request }) => request.headers[SAYS_STOP])).toEqual([
      "1",
      undefined,
      undefined,
    ]);
  });

  test("only listed response headers reach the browser", async () => {
    await fakeBackend((response) => {
      response
        .setHeader("set-cookie", "theirs=1")
        .setHeader("server", "uvicorn")
        .setHeader("retry-after", "7");
      answerJson(response, { message: "Slow down." }, 429);
    });
    const response = await post(CREATE);
    expect(response.status).toBe(429);
    expect(await messageOf(response)).toBe("Slow down.");
    expect([...response.headers.keys()]).toEqual([
      "cache-control",
      "content-type",
      "retry-after",
      "x-accel-buffering",
      "x-request-id",
    ]);
  });
});

describe("proxy-buffers", () => {
  test("each delta arrives while the backend is still writing", async () => {
    let send = (_: string) => {};
    let end = () => {};
    await fakeBackend((response) => {
      startEvents(response);
      send = (text) => response.write(text);
      end = () => response.end();
    });
    const response = await post(CREATE);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toContain("no-transform");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (const event of ["data: 1\n\n", ": ping\n", "data: 2\n\n"]) {
      send(event);
      expect(await reader?.read()).toEqual({ done: false, value: event });
    }
    end();
    expect((await reader?.read())?.done).toBe(true);
  });
});

describe("stop-does-not-stop-the-bill", () => {
  test("a client that goes away in mid-stream closes the connection to the backend", async () => {
    const closed = vi.fn();
    await fakeBackend((response) => {
      response.on("close", closed);
      startEvents(response);
      response.write("data: 1\n\n");
    });
    const client = new AbortController();
    const response = await post(CREATE, { signal: client.signal });
    await response.body?.getReader().read();
    client.abort();
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), PATIENCE);
  });

  test("a client that goes away before the answer does too", async () => {
    const closed = vi.fn();
    const backend = await fakeBackend((response) => {
      response.on("close", closed);
    });
    const client = new AbortController();
    const answer = post(CREATE, { signal: client.signal });
    await vi.waitFor(() => expect(backend.received).toHaveLength(1), PATIENCE);
    client.abort();
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), PATIENCE);
    expect((await answer).status).toBe(499);
  });
});

describe("a restart of the backend", () => {
  const restarting = { message: "The server is being restarted. Send it again in a moment." };

  test("is waited for while nobody listens", async () => {
    const url = await unusedUrl();
    vi.stubEnv("BACKEND_URL", url);
    const answer = post(CREATE);
    const bodies: string[] = [];
    await vi.waitFor(() => expect(fetch(url)).rejects.toThrow(), PATIENCE);
    await listen(
      async (request, response) => {
        bodies.push(await text(request));
        startEvents(response);
        response.end("data: 1\n\n");
      },
      Number(new URL(url).port),
    );
    expect(await (await answer).text()).toBe("data: 1\n\n");
    expect(bodies).toEqual([JSON.stringify(CREATE)]);
  });

  test("is waited for while it takes no new turns, and another replica may take them", async () => {
    const connections = new Set();
    const backend = await fakeBackend((response, { request }) => {
      connections.add(request.socket);
      if (backend.received.length < 3) answerJson(response.setHeader("retry-after", "1"), restarting, 503);
      else answerJson(response, { message: "Taken." }, 404);
    });
    expect(await messageOf(await post(CREATE))).toBe("Taken.");
    expect(backend.received.map(({ body }) => JSON.parse(body))).toEqual([CREATE, CREATE, CREATE]);
    expect(new Set(backend.received.map(({ request }) => request.headers["x-request-id"])).size).toBe(1);
    expect(connections.size).toBe(3);
  });

  test("that takes too long is told in the backend's words", async () => {
    await fakeBackend((response) => answerJson(response.setHeader("retry-after", "1"), restarting, 503));
    hurry();
    const [event] = await eventsOf(await post(CREATE));
    expect(event?.message).toContain(restarting.message);
  });

  test("is not waited for by a person who has left", async () => {
    const backend = await fakeBackend((response) => {
      answerJson(response.setHeader("retry-after", "1"), restarting, 503);
    });
    const client = new AbortController();
    const answer = post(CREATE, { signal: client.signal });
    await vi.waitFor(() => expect(backend.received).toHaveLength(1), PATIENCE);
    client.abort();
    expect((await answer).status).toBe(499);
    expect(backend.received).toHaveLength(1);
  });

  test.each([
    ["without a time", undefined],
    ["in an hour", "3600"],
  ])("is something else than a backend that fails %s", async (_, time) => {
    const backend = await fakeBackend((response) => {
      if (time) response.setHeader("retry-after", time);
      answerJson(response, { message: "The database is gone." }, 503);
    });
    expect((await post(LIST)).status).toBe(503);
    expect(backend.received).toHaveLength(1);
  });
});

describe("proxy-hides-the-cause", () => {
  test("a backend that is down: which address, who says so, what to start", async () => {
    const url = await noBackend();
    const response = await post(LIST);
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toContain(
      `No answer from the backend at ${url}/chatkit (ECONNREFUSED). The address comes from BACKEND_URL. ` +
        "Start both sides with `uv run dev`.",
    );
  });

  test("tls-inspected: a certificate that is not trusted, and the setting that names another", async () => {
    const url = await listenInspected();
    vi.stubEnv("BACKEND_URL", url);
    const response = await post(LIST);
    expect(response.status).toBe(502);
    const message = await messageOf(response);
    expect(message).toContain(
      `The certificate of the backend at ${url}/chatkit is not trusted here (DEPTH_ZERO_SELF_SIGNED_CERT). ` +
        "The address comes from BACKEND_URL. If the network inspects TLS, set NODE_EXTRA_CA_CERTS",
    );
  });

  test("tls-inspected is no advice for a certificate that is out of date", async () => {
    const url = await listenInspected(true);
    vi.stubEnv("BACKEND_URL", url);
    const { message, slug } = await (await post(LIST)).json();
    expect(message).toContain(
      `The certificate of the backend at ${url}/chatkit is not valid here (CERT_HAS_EXPIRED). ` +
        "The address comes from BACKEND_URL. The server needs another certificate, unless",
    );
    expect(message).not.toContain("NODE_EXTRA_CA_CERTS");
    expect(slug).toBeUndefined();
  });

  test("an answer that is neither JSON nor an event stream is named", async () => {
    const backend = await fakeBackend((response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>It works!</h1>");
    });
    const response = await post(LIST);
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toContain(`${backend.url}/chatkit answered 200 with text/html`);
  });

  test("an address that is none is named", async () => {
    vi.stubEnv("BACKEND_URL", "127.0.0.1:8000");
    expect(await messageOf(await post(LIST))).toContain('BACKEND_URL is "127.0.0.1:8000"');
  });

  test("a client error of the backend passes through", async () => {
    await fakeBackend((response) => answerJson(response, { message: "There is no such thread." }, 404));
    const response = await post(CREATE);
    expect(response.status).toBe(404);
    expect(await messageOf(response)).toBe("There is no such thread.");
  });

  test("a missing secret is said in words", async () => {
    await fakeBackend();
    vi.stubEnv("CHATKIT_SECRET", "");
    const response = await post(LIST, { cookie: null });
    expect(response.status).toBe(502);
    expect(await messageOf(response)).toMatch(/^CHATKIT_SECRET is empty: run `uv run dev`/);
  });

  test("an owner who is nobody is told to reload", async () => {
    await fakeBackend();
    for (const cookie of [null, `${guestCookie()}=forged`]) {
      const response = await post(CREATE, { cookie });
      expect(response.status).toBe(401);
      expect(await messageOf(response)).toContain("Reload the page");
    }
  });
});

describe("errors-multiply-threads", () => {
  const streaming = [
    "threads.create",
    "threads.add_user_message",
    "threads.add_client_tool_output",
    "threads.add_structured_input",
    "threads.retry_after_item",
    "threads.custom_action",
  ];

  async function expectErrorEvent(response: Response, message: string) {
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = await eventsOf(response);
    expect(events).toEqual([
      { type: "error", code: "custom", message: expect.stringContaining(message), allow_retry: true },
    ]);
  }

  test.each(streaming)("%s gets an error event when the backend is down", async (type) => {
    await noBackend();
    await expectErrorEvent(await post({ type }), "ECONNREFUSED");
  });

  test("a server error of the backend becomes an error event with its message", async () => {
    await fakeBackend((response) => answerJson(response, { message: "The database is gone." }, 503));
    await expectErrorEvent(await post(CREATE), "The database is gone.");
  });

  test("a server error without words becomes an error event", async () => {
    await fakeBackend((response) => {
      response.writeHead(500, { "content-type": "text/plain" }).end("Internal Server Error");
    });
    await expectErrorEvent(await post(CREATE), "answered 500 with text/plain");
  });

  test("an answer of the wrong type becomes an error event", async () => {
    await fakeBackend((response) => answerJson(response, {}));
    await expectErrorEvent(await post(CREATE), "The backend answered 200");
  });

  test("a missing secret becomes an error event", async () => {
    vi.stubEnv("CHATKIT_SECRET", "too short");
    await expectErrorEvent(await post(CREATE, { cookie: null }), "CHATKIT_SECRET is shorter than 32");
  });

  test.each([
    ["between two events", "data: 1\n\n", "data: 1\n\n"],
    ["after a heartbeat", ": ping\n", ": ping\n"],
    ["within an event", 'data: {"ty', 'data: {"ty\n\n'],
  ])("a backend that breaks off %s ends the stream with an error event", async (_, sent, before) => {
    await fakeBackend((response) => {
      startEvents(response);
      response.write(sent, () => response.destroy());
    });
    const text = await (await post(CREATE)).text();
    expect(text.startsWith(`${before}data: {"type":"error"`)).toBe(true);
    expect(text.endsWith("\n\n")).toBe(true);
  });
});

describe("silent-stream-dies", () => {
  test("silence longer than a connection may idle does not end the stream", async () => {
    await fakeBackend((response) => {
      startEvents(response);
      setTimeout(() => response.end("data: 1\n\n"), 1500);
    });
    expect(await (await post(CREATE)).text()).toBe("data: 1\n\n");
  });
});

describe("backend-url-baked-in", () => {
  test("the address is read for each request: BACKEND_URL, then NEXT_PUBLIC_BACKEND_URL", async () => {
    const first = await fakeBackend();
    const second = await fakeBackend();
    vi.stubEnv("BACKEND_URL", first.url);
    vi.stubEnv("NEXT_PUBLIC_BACKEND_URL", `${second.url}/`);
    await post(LIST);
    vi.stubEnv("BACKEND_URL", "");
    await post(LIST);
    expect([first.received.length, second.received.length]).toEqual([1, 1]);
    expect(second.received[0]?.request.url).toBe("/chatkit");
  });
});

describe("localhost-is-not-one-place", () => {
  test("where nothing is set, and where the example is taken, the backend is at 127.0.0.1", () => {
    vi.stubEnv("BACKEND_URL", "");
    vi.stubEnv("NEXT_PUBLIC_BACKEND_URL", "");
    expect(backendAddress("/chatkit").url.hostname).toBe("127.0.0.1");
    expect(readFileSync(".env.example", "utf8")).not.toMatch(/^[^#\n]*localhost:/m);
  });
});

describe("body limit", () => {
  test("a body too large, with its size said, gets 413 before it is read", async () => {
    const backend = await fakeBackend();
    const response = await post("{}", { headers: { "content-length": String(BODY_LIMIT + 1) } });
    expect(response.status).toBe(413);
    expect(await messageOf(response)).toContain("10 MB");
    expect(backend.received).toEqual([]);
  });

  test("a body too large, without its size, is read to its end, so that the browser looks at the 413", async () => {
    const backend = await fakeBackend();
    const { body, state } = file(2 * BODY_LIMIT);
    const response = await POST(await pageRequest("/api/chatkit", { method: "POST", body }));
    expect(response.status).toBe(413);
    expect(await messageOf(response)).toContain("10 MB");
    expect(state).toEqual({ given: 2 * BODY_LIMIT, cancelled: false });
    expect(backend.received).toEqual([]);
  });
});
