import { createHash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { sharedSecret } from "@/lib/secret";

/** How long a browser keeps a guest who does not come back. */
export const GUEST_SECONDS = 365 * 24 * 60 * 60;

const AUDIENCE = "guest";

/**
 * The name of the cookie that remembers a guest. Cookies know no ports: without a name of its own for each
 * secret, two projects on one machine would forget each other's guests.
 *
 * @throws {Failure} The shared secret is missing or too short.
 */
export function guestCookie(): string {
  const fingerprint = createHash("sha256").update(sharedSecret()).digest("hex");
  return `chatkit_guest_${fingerprint.slice(0, 8)}`;
}

/** A guest nobody has met before: 122 random bits, so that none can be guessed and no two are alike. */
export function newGuest(): string {
  return `guest_${crypto.randomUUID()}`;
}

/**
 * Signs a guest's cookie.
 *
 * @throws {Failure} The shared secret is missing or too short.
 */
export function signGuest(guest: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(guest)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(`${GUEST_SECONDS}s`)
    .sign(sharedSecret());
}

/**
 * The guest in a cookie, or null when the cookie is missing, expired or not ours.
 *
 * @throws {Failure} The shared secret is missing or too short.
 */
export async function verifyGuest(cookie: string | undefined): Promise<string | null> {
  const secret = sharedSecret();
  if (!cookie) return null;
  try {
    const { payload } = await jwtVerify(cookie, secret, { algorithms: ["HS256"], audience: AUDIENCE });
    return payload.sub ?? null;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}
