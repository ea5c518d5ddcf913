import { createHash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { type NextRequest, NextResponse } from "next/server";
import { isDevelopment } from "@/kit/causes";
import { Failure, logFailure, REQUEST_ID, requestId } from "@/kit/server/failures";
import { type Access, isRead, pageOrigin } from "@/kit/server/sender";
import { setting } from "@/kit/settings";

/** How long a browser keeps the cookie of a guest who does not come back. */
const GUEST_SECONDS = 365 * 24 * 60 * 60;

// The audience for which a cookie is signed, by the page's scheme. Every site of the domain can set
// a cookie without the `__Host-` prefix. So over https we accept such a cookie only if it has the
// audience of release 0.1.0, which had no prefix yet. We sign no new cookies for that audience,
// even if a request claims that the page is at http. The old cookies expire a year after they were
// signed.
const AUDIENCES = { "https:": "guest-host", "http:": "guest-http" } as const;
const AUDIENCE_OF_OLD = "guest";

type Scheme = keyof typeof AUDIENCES;

/**
 * The name of the cookie that remembers a guest. It depends on the secret, because all ports of a
 * host share their cookies. With one name, two projects on one machine would replace each other's
 * guests. It is never the name of 0.1.0's cookie. So that cookie stays as it is, and who goes back
 * to 0.1.0 finds the same guests.
 *
 * @throws {Failure} The shared secret is missing or too short.
 */
export function guestCookie(scheme: Scheme = "http:", secret = sharedSecret()): string {
  return scheme === "https:" ? OF_THIS_HOST + nameOfOld(secret) : `${nameOfOld(secret)}_http`;
}

/** The scheme under which the browser sees the page. */
function schemeOf(request: NextRequest): Scheme {
  return pageOrigin(request).startsWith("https:") ? "https:" : "http:";
}

/**
 * The name of a new guest. It has 122 random bits, so nobody can guess it and no two are the same.
 */
function newGuest(): string {
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
 * The guest whose cookie a request carries, or null if it carries no valid cookie.
 *
 * @throws {Failure} There are two cookies of one name, or the shared secret is missing or too
 * short.
 */
export async function guestOf(request: NextRequest): Promise<string | null> {
  const scheme = schemeOf(request);
  const secrets = believedSecrets();
  for (const secret of secrets) {
    const guest = await verified(cookieOf(request, guestCookie(scheme, secret)), secret, AUDIENCES[scheme]);
    if (guest) return guest;
  }
  // The cookies of 0.1.0 come last, because another site of the domain can plant one. If there are
  // two of one name, both are ignored, so that a planted cookie does not lock the person out.
  for (const secret of secrets) {
    const [old, another] = cookiesOf(request).filter(({ name }) => name === nameOfOld(secret));
    const guest = another ? null : await verified(old?.value, secret, AUDIENCE_OF_OLD);
    if (guest) return guest;
  }
  return null;
}

/** The name of the cookie in release 0.1.0. */
function nameOfOld(secret: Uint8Array): string {
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

const POLICY = "content-security-policy";

/**
 * Gives a document its content security policy and its guest cookie. The cookie comes with the
 * document and not with an API call, because two calls at once would make two guests.
 *
 * @param contentSecurityPolicy Makes the policy, from the nonce for the document's own scripts.
 */
export async function handleDocument(
  request: NextRequest,
  { guestsAreWelcome }: Access,
  contentSecurityPolicy: (nonce: string) => string,
): Promise<Response> {
  const policy = contentSecurityPolicy(Buffer.from(crypto.randomUUID()).toString("base64"));
  // Next reads the nonce for its own scripts from the request's headers.
  const headers = new Headers(request.headers);
  headers.set(POLICY, policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set(POLICY, policy);
  response.headers.set(REQUEST_ID, requestId(request));
  try {
    // A form that another site sends comes without our cookie. With a new cookie the person would
    // become a new guest, and lose their history.
    if (isRead(request) && guestsAreWelcome()) await welcome(request, response);
  } catch (error) {
    // The page loads all the same, and the browser keeps its cookies. The page then asks for its
    // status, and says what is wrong.
    if (!(error instanceof Failure && error.status < 500)) logFailure(request, error);
  }
  return response;
}

async function welcome(request: NextRequest, response: NextResponse): Promise<void> {
  const guest = (await guestOf(request)) ?? newGuest();
  const scheme = schemeOf(request);
  // A known guest gets a cookie too, because its name or the secret may have changed.
  response.cookies.set(guestCookie(scheme), await signGuest(guest, scheme), {
    httpOnly: true,
    sameSite: "lax",
    secure: scheme === "https:",
    path: "/",
    maxAge: GUEST_SECONDS,
  });
  // Next's own header lets every cache on the way keep a document that was made at build time.
  response.headers.set("cache-control", "private, no-store");
}

/**
 * The prefix of a cookie that browsers accept only from this very host, over https. So no other
 * site of the domain can set one, and make a person write into a history that the site can read.
 */
export const OF_THIS_HOST = "__Host-";

type Cookie = { name: string; value: string };

/** The cookies of a request. It may have two cookies of one name. */
function cookiesOf({ headers }: Request): Cookie[] {
  const sent = (headers.get("cookie") ?? "").split(";").filter((cookie) => cookie.includes("="));
  return sent.map((cookie) => {
    const [name = "", ...value] = cookie.split("=");
    // Only spaces and tabs are trimmed. Otherwise another name could become a `__Host-` name, which
    // browsers protect.
    return { name: name.replace(/^[ \t]+|[ \t]+$/g, ""), value: value.join("=") };
  });
}

/**
 * The value of a cookie that says who somebody is.
 *
 * @throws {Failure} There are two cookies of this name. Another site of the domain can set one
 * beside ours, so that the person would write into somebody else's history.
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

const SECRET = "CHATKIT_SECRET";
const PREVIOUS = "CHATKIT_SECRET_PREVIOUS";

const CHARACTERS = 32;
// How a secret begins that was copied from an example. The backend has the same rule, in
// identity.py.
const COPIED = /^(change|secret|example|default|your-)/i;

/**
 * The secret that the page's server and the backend share, as the key for signing.
 *
 * @throws {Failure} CHATKIT_SECRET is shorter than 32 characters or, outside of development, not
 * random.
 */
export function sharedSecret(): Uint8Array {
  const cure = isDevelopment()
    ? "run `uv run dev` once, which fills in frontend/.env.local and backend/.env.local"
    : `set the same ${CHARACTERS} random characters or more in the environment of both sides`;
  return keyIn(SECRET, cure);
}

/**
 * The keys that verify a guest's cookie: the key for signing, and the previous one while the secret
 * is being changed.
 *
 * @throws {Failure} One of the secrets is too short or, outside of development, not random.
 */
export function believedSecrets(): Uint8Array[] {
  if (!setting(PREVIOUS)) return [sharedSecret()];
  return [sharedSecret(), keyIn(PREVIOUS, `unset it, or set the whole secret that was ${SECRET} before`)];
}

function keyIn(name: string, cure: string): Uint8Array {
  const secret = setting(name);
  const problem = problemOf(secret);
  if (problem) throw new Failure(`${name} ${problem}: ${cure}.`, 502, "env-file-lost");
  return new TextEncoder().encode(secret);
}

function problemOf(secret: string): string | null {
  if (secret === "") return "is empty";
  const characters = [...secret];
  if (characters.length < CHARACTERS) return `is shorter than ${CHARACTERS} characters`;
  const isRandom = !COPIED.test(secret) && new Set(characters).size >= CHARACTERS / 4;
  return isRandom || isDevelopment() ? null : "is not random";
}
