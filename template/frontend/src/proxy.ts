import { type NextRequest, NextResponse } from "next/server";
import { contentSecurityPolicy } from "@/lib/content-security-policy";
import { GUEST_SECONDS, guestCookie, newGuest, signGuest, verifyGuest } from "@/lib/guest";
import { guestsAreWelcome } from "@/lib/identity";
import { pageOrigin } from "@/lib/page-origin";
import { REQUEST_ID, requestId } from "@/lib/request-id";
import { logFailure } from "@/lib/respond";

const POLICY = "content-security-policy";

/**
 * Gives every document its guest cookie, before the page can ask for anything: were the cookie set by an API
 * call, two calls at once would make two guests. And its content security policy. Next.js calls this file "proxy"
 * (formerly "middleware"); the proxy to the backend is src/app/api/chatkit/route.ts.
 */
export async function proxy(request: NextRequest): Promise<Response> {
  const policy = contentSecurityPolicy(Buffer.from(crypto.randomUUID()).toString("base64"));
  // Next finds the nonce for its own scripts in the request.
  const headers = new Headers(request.headers);
  headers.set(POLICY, policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set(POLICY, policy);
  response.headers.set(REQUEST_ID, requestId(request));
  try {
    if (guestsAreWelcome()) await welcome(request, response);
  } catch (error) {
    // The page comes all the same: it asks for its status, and says what is wrong.
    logFailure(request, error);
  }
  return response;
}

async function welcome(request: NextRequest, response: NextResponse): Promise<void> {
  const name = guestCookie();
  const guest = (await verifyGuest(request.cookies.get(name)?.value)) ?? newGuest();
  response.cookies.set(name, await signGuest(guest), {
    httpOnly: true,
    sameSite: "lax",
    secure: pageOrigin(request).startsWith("https:"),
    path: "/",
    maxAge: GUEST_SECONDS,
  });
}

// Documents only: no API, no files, and nothing that the page's own router fetches in advance. A document that
// the browser fetches in advance is opened as it came, without asking again: its cookie must be there.
export const config = {
  matcher: [
    {
      source: "/((?!api/|_next/|.*\\.).*)",
      missing: [{ type: "header", key: "next-router-prefetch" }],
    },
  ],
};
