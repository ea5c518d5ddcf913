import { NextRequest } from "next/server";
import { vi } from "vitest";
import { POST } from "@/app/api/chatkit/route";
import { guestCookie, signGuest } from "@/lib/guest";

export const SECRET = "a secret for the tests, longer than 32 characters";
export const GUEST = "guest_of_the_tests";

/** Gives the front end a secret, as `uv run dev` does. */
export function stubSecret(): void {
  vi.stubEnv("CHATKIT_SECRET", SECRET);
}

type Options = { headers?: Record<string, string>; signal?: AbortSignal; cookie?: string | null };

/** Posts to /api/chatkit as the page of a guest does. */
export async function post(body: unknown, options: Options = {}): Promise<Response> {
  const headers = new Headers({ "content-type": "application/json", ...options.headers });
  const cookie = options.cookie === undefined ? `${guestCookie()}=${await signGuest(GUEST)}` : options.cookie;
  if (cookie) headers.set("cookie", cookie);
  const request = new NextRequest("http://127.0.0.1:3000/api/chatkit", {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(options.signal && { signal: options.signal }),
  });
  return POST(request);
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
