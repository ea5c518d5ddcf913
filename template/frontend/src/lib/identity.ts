import type { NextRequest } from "next/server";
import { guestCookie, verifyGuest } from "@/lib/guest";

/**
 * Who sent this request? The answer owns the conversations that the request may see: a name that never
 * changes and is never given to anybody else.
 *
 * This is the place for a login that you have already. Ask Auth.js, Clerk or your OIDC provider here, and
 * return for instance `user_${session.user.id}`; fall back on the guest, or return null to turn guests away.
 *
 * @returns The owner, or null for "nobody that we know", which is answered with 401.
 * @throws {Failure} The shared secret is missing or too short.
 */
export async function identify(request: NextRequest): Promise<string | null> {
  return verifyGuest(request.cookies.get(guestCookie())?.value);
}

/** What a person is told whom `identify` takes for nobody. */
export function whyNobody(): string {
  return "This browser has no guest cookie. Reload the page: the cookie comes with it, if cookies are allowed.";
}
