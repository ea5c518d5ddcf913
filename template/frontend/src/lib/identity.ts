import type { NextRequest } from "next/server";
import { guestOf } from "@/kit/server/guest";
import { oidcOwner, oidcProvider } from "@/kit/server/oidc";

/**
 * Who sent this request? The answer owns the conversations that the request may see: a name that never
 * changes and is never given to anybody else.
 *
 * This is the place for a login that you have already. With an OIDC provider it is enough to set OIDC_ISSUER.
 * Else ask Auth.js, Clerk or your own server here, and return for instance `user_${session.user.id}`; fall
 * back on the guest; or return null to turn guests away, and let `guestsAreWelcome` return false.
 *
 * @returns The owner, or null for "nobody that we know", which is answered with 401.
 * @throws {Failure} The browser sends two cookies of one name, the shared secret is missing or too
 * short, or the login provider does not answer.
 */
export async function identify(request: NextRequest): Promise<string | null> {
  const provider = oidcProvider();
  if (provider) return oidcOwner(request, provider);
  return guestOf(request);
}

/**
 * Does every browser that opens the page become a guest?
 *
 * @throws {Failure} A setting of the login provider is missing.
 */
export function guestsAreWelcome(): boolean {
  return oidcProvider() === null;
}

/** What a person is told whom `identify` takes for nobody. */
export function whyNobody(): string {
  return guestsAreWelcome()
    ? "This browser has no guest cookie. Reload the page: the cookie comes with it, if cookies are allowed."
    : "You are not signed in, or your login has expired. Sign in, then reload the page.";
}
