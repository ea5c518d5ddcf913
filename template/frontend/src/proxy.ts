import { type NextRequest, NextResponse } from "next/server";
import { messageAnswer } from "@/lib/answers";
import { Failure } from "@/lib/failure";
import { GUEST_SECONDS, guestCookie, newGuest, signGuest, verifyGuest } from "@/lib/guest";

/**
 * Gives every document its guest cookie, before the page can ask for anything: were the cookie set by an API
 * call, two calls at once would make two guests. Next.js calls this file "proxy" (formerly "middleware"); the
 * proxy to the backend is src/app/api/chatkit/route.ts.
 */
export async function proxy(request: NextRequest): Promise<Response> {
  try {
    const name = guestCookie();
    const guest = (await verifyGuest(request.cookies.get(name)?.value)) ?? newGuest();
    const response = NextResponse.next();
    response.cookies.set(name, await signGuest(guest), {
      httpOnly: true,
      sameSite: "lax",
      secure: isHttps(request),
      path: "/",
      maxAge: GUEST_SECONDS,
    });
    return response;
  } catch (error) {
    if (error instanceof Failure) return messageAnswer(500, error.message);
    throw error;
  }
}

function isHttps(request: NextRequest): boolean {
  const forwarded = request.headers.get("x-forwarded-proto");
  return (forwarded?.split(",")[0] ?? request.nextUrl.protocol).startsWith("https");
}

// Documents only: no API, no files, and no prefetching of a page that nobody has opened.
export const config = {
  matcher: [
    {
      source: "/((?!api/|_next/|.*\\.).*)",
      missing: [
        { type: "header", key: "next-router-prefetch" },
        { type: "header", key: "purpose", value: "prefetch" },
      ],
    },
  ],
};
