import type { IncomingMessage } from "node:http";
import { type JWTPayload, jwtVerify } from "jose";
import { NextRequest } from "next/server";
import { expect, vi } from "vitest";
import { POST } from "@/app/api/chatkit/route";
import { guestCookie, signGuest } from "@/kit/server/guest";

export const SECRET = "a secret for the tests, longer than 32 characters";
export const GUEST = "guest_of_the_tests";
/** How long a test waits for what takes a moment: a slow machine may be busy with much else. */
export const PATIENCE = { timeout: 30_000 };
export const CHUNK = new Uint8Array(64 * 1024).fill(120);

/** Gives the front end a secret, and runs it in development, as `uv run dev` does. */
export function stubSecret(): void {
  vi.stubEnv("NODE_ENV", "development");
  vi.stubEnv("CHATKIT_SECRET", SECRET);
}

/** Lets time-outs pass so many times as fast. */
export function hurry(times = 20): void {
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => timeout(ms / times));
}

type Options = { headers?: Record<string, string>; signal?: AbortSignal; cookie?: string | null };

/** A request as the page of a guest sends it. */
export async function pageRequest(
  path: string,
  { headers, signal, cookie, ...init }: Options & { method?: string; body?: BodyInit | null },
): Promise<NextRequest> {
  const sent = new Headers(headers);
  const scheme = sent.get("x-forwarded-proto")?.startsWith("https") ? "https:" : "http:";
  const cookies = cookie === undefined ? `${guestCookie(scheme)}=${await signGuest(GUEST, scheme)}` : cookie;
  if (cookies) sent.set("cookie", cookies);
  return new NextRequest(`http://127.0.0.1:3000${path}`, {
    ...init,
    headers: sent,
    duplex: "half",
    ...(signal && { signal }),
  });
}

/** A file in a browser, which tells how much of it was asked for. */
export function file(size: number) {
  const state = { given: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (state.given >= size) return controller.close();
        state.given += CHUNK.length;
        controller.enqueue(CHUNK);
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, body };
}

/** Posts to /api/chatkit as the page of a guest does. */
export async function post(body: unknown, { headers, ...options }: Options = {}): Promise<Response> {
  const request = await pageRequest("/api/chatkit", {
    ...options,
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return POST(request);
}

/** What the page's server vouches for to the backend, in the token of a request that the backend got. */
export async function claimsOf(request: IncomingMessage | undefined): Promise<JWTPayload> {
  const [scheme, token = ""] = request?.headers.authorization?.split(" ") ?? [];
  expect(scheme).toBe("Bearer");
  const { payload } = await jwtVerify(token, new TextEncoder().encode(SECRET), {
    issuer: "chatkit-frontend",
    audience: "chatkit-backend",
  });
  return payload;
}

/** The `message` of a JSON answer. */
export async function messageOf(response: Response): Promise<string> {
  return (await response.json()).message;
}

/** The events of a stream, read to its end. */
export async function eventsOf(response: Response): Promise<{ type: string; [key: string]: unknown }[]> {
  const blocks = (await response.text()).split("\n\n").filter(Boolean);
  return blocks.map((block) => JSON.parse(block.replace(/^data: /, "")));
}
