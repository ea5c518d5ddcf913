import { SignJWT } from "jose";
import type { Sender } from "@/lib/at-once";
import { sharedSecret } from "@/lib/secret";

/**
 * The token by which the backend believes who the owner is. It lives for a minute: enough for one request
 * to arrive, worth nothing when it leaks into a log.
 *
 * @param sender Who asks, and from which address: the backend has limits for both.
 * @param origin Under which the browser sees the page: the backend makes addresses for uploads of it.
 * @throws {Failure} The shared secret is missing or too short.
 */
export function backendToken({ owner, address }: Sender, origin: string): Promise<string> {
  return new SignJWT({ origin, ...(address !== null && { address }) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("chatkit-frontend")
    .setAudience("chatkit-backend")
    .setSubject(owner)
    .setIssuedAt()
    .setExpirationTime("60s")
    .sign(sharedSecret());
}
