import { createHash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import type { NextRequest } from "next/server";
import { Failure } from "@/kit/server/failures";
import { believedSecrets, sharedSecret } from "@/kit/server/secret";
import { pageOrigin } from "@/kit/server/sender";

/** How long a browser keeps a guest who does not come back. */
export const GUEST_SECONDS = 365 * 24 * 60 * 60;

// What a cookie is signed for, by the scheme of the page. A cookie without the prefix could come from any site of the
// domain, so that none is believed over https but one of release 0.1.0, which had no other. None of these is signed
// any more, not even for whoever says to us that the page is at http: they end with the year for which they were made.
const AUDIENCES = { "https:": "guest-host", "http:": "guest-http" } as const;
const AUDIENCE_OF_OLD = "guest";

type Scheme = keyof typeof AUDIENCES;

/**
 * The name of the cookie that remembers a guest. Cookies know no ports: without a name of its own for each
 * secret, two projects on one machine would forget each other's guests.
 *
 * @throws {Failure} The shared secret is missing or too short.
 */
export function guestCookie(scheme: Scheme = "http:", secret = sharedSecret()): string {
  return `${scheme === "https:" ? OF_THIS_HOST : ""}${unprefixed(secret)}`;
}

/** The scheme under which the browser sees the page. */
export function schemeOf(request: NextRequest): Scheme {
  return pageOrigin(request).startsWith("https:") ? "https:" : "http:";
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
export function signGuest(guest: string, scheme: Scheme = "http:"): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(guest)
    .setAudience(AUDIENCES[scheme])
    .setIssuedAt()
    .setExpirationTime(`${GUEST_SECONDS}s`)
    .sign(sharedSecret());
}

/**
 * The guest whose cookie a request carries, or null when there is none that is ours and has not expired.
 *
 * @throws {Failure} There are two of one name, or the shared secret is missing or too short.
 */
export async function guestOf(request: NextRequest): Promise<string | null> {
  const scheme = schemeOf(request);
  const secrets = believedSecrets();
  for (const secret of secrets) {
    const guest = await verified(cookieOf(request, guestCookie(scheme, secret)), secret, AUDIENCES[scheme]);
    if (guest) return guest;
  }
  // Last, since they can be planted. Two of a name are none: whoever plants them keeps nobody out.
  for (const secret of secrets) {
    const [old, another] = cookiesOf(request).filter(({ name }) => name === unprefixed(secret));
    const guest = another ? null : await verified(old?.value, secret, AUDIENCE_OF_OLD);
    if (guest) return guest;
  }
  return null;
}

function unprefixed(secret: Uint8Array): string {
  return `chatkit_guest_${createHash("sha256").update(secret).digest("hex").slice(0, 8)}`;
}

async function verified(
  cookie: string | undefined,
  secret: Uint8Array,
  audience: string,
): Promise<string | null> {
  if (!cookie) return null;
  try {
    const { payload } = await jwtVerify(cookie, secret, { algorithms: ["HS256"], audience });
    return payload.sub ?? null;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}

/**
 * How the name of a cookie begins that browsers take from this very host only, over https: no site of the same domain
 * can set one, and so make somebody write into a history that it can read.
 */
export const OF_THIS_HOST = "__Host-";

/** A cookie as a browser sent it. */
export type Cookie = { name: string; value: string };

/** The cookies of a request: two of the same name are two. */
export function cookiesOf({ headers }: Request): Cookie[] {
  const sent = (headers.get("cookie") ?? "").split(";").filter((cookie) => cookie.includes("="));
  return sent.map((cookie) => {
    const [name = "", ...value] = cookie.split("=");
    // Of these two characters only: a name that browsers take for another must not become one that they guard.
    return { name: name.replace(/^[ \t]+|[ \t]+$/g, ""), value: value.join("=") };
  });
}

/**
 * The value of a cookie that says who somebody is.
 *
 * @throws {Failure} There are two of that name. A site of the same domain can set one beside ours, and whoever believed
 * it would write into a history of somebody else's.
 */
export function cookieOf(request: Request, name: string): string | undefined {
  const [cookie, another] = cookiesOf(request).filter((one) => one.name === name);
  if (another) {
    throw new Failure(
      "This browser sends two cookies where there should be one, and one may be somebody else's. " +
        "Delete the cookies of this site, then reload the page.",
      401,
      "not-signed-in",
    );
  }
  return cookie?.value;
}
