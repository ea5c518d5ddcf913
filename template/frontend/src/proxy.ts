import { type NextRequest, NextResponse } from "next/server";
import { messageAnswer } from "@/lib/answers";
import { GUEST_SECONDS, guestCookie, newGuest, signGuest, verifyGuest } from "@/lib/guest";
import { guestsAreWelcome } from "@/lib/identity";
import { pageOrigin } from "@/lib/page-origin";
import { respond } from "@/lib/respond";

/**
 * Gives every document its guest cookie, before the page can ask for anything: were the cookie set by an API
 * call, two calls at once would make two guests. Next.js calls this file "proxy" (formerly "middleware"); the
 * proxy to the backend is src/app/api/chatkit/route.ts.
 */
export function proxy(request: NextRequest): Promise<Response> {
  return respond(
    request,
    async () => (guestsAreWelcome() ? withGuest(request) : NextResponse.next()),
    (message) => messageAnswer(500, message),
  );
}

async function withGuest(request: NextRequest): Promise<Response> {
  const name = guestCookie();
  const guest = (await verifyGuest(request.cookies.get(name)?.value)) ?? newGuest();
  const response = NextResponse.next();
  response.cookies.set(name, await signGuest(guest), {
    httpOnly: true,
    sameSite: "lax",
    secure: pageOrigin(request).startsWith("https:"),
    path: "/",
    maxAge: GUEST_SECONDS,
  });
  return response;
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
