import { createHash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { type NextRequest, NextResponse } from "next/server";
import { isDevelopment } from "@/kit/causes";
import { Failure, logFailure, REQUEST_ID, requestId } from "@/kit/server/failures";
import { type Access, isRead, pageOrigin } from "@/kit/server/sender";
import { setting } from "@/kit/settings";

/** How long a browser keeps a guest who does not come back. */
const GUEST_SECONDS = 365 * 24 * 60 * 60;

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
function schemeOf(request: NextRequest): Scheme {
  return pageOrigin(request).startsWith("https:") ? "https:" : "http:";
}

/** A guest nobody has met before: 122 random bits, so that none can be guessed and no two are alike. */
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

const POLICY = "content-security-policy";

/**
 * Gives a document its guest cookie, before the page can ask for anything: were the cookie set by an API call, two calls
 * at once would make two guests. And its content security policy.
 *
 * @param contentSecurityPolicy What the document may load, by the nonce of its own scripts.
 */
export async function handleDocument(
  request: NextRequest,
  { guestsAreWelcome }: Access,
  contentSecurityPolicy: (nonce: string) => string,
): Promise<Response> {
  const policy = contentSecurityPolicy(Buffer.from(crypto.randomUUID()).toString("base64"));
  // Next finds the nonce for its own scripts in the request.
  const headers = new Headers(request.headers);
  headers.set(POLICY, policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set(POLICY, policy);
  response.headers.set(REQUEST_ID, requestId(request));
  try {
    // A form of another site comes without our cookie: its person would be made a new guest, and lose their history.
    if (isRead(request) && guestsAreWelcome()) await welcome(request, response);
  } catch (error) {
    // The page comes all the same, and takes no cookie away: it asks for its status, and says what is wrong.
    if (!(error instanceof Failure && error.status < 500)) logFailure(request, error);
  }
  return response;
}

async function welcome(request: NextRequest, response: NextResponse): Promise<void> {
  const guest = (await guestOf(request)) ?? newGuest();
  const scheme = schemeOf(request);
  // Also for who is known: by then the cookie may have another name, or another secret.
  response.cookies.set(guestCookie(scheme), await signGuest(guest, scheme), {
    httpOnly: true,
    sameSite: "lax",
    secure: scheme === "https:",
    path: "/",
    maxAge: GUEST_SECONDS,
  });
  // Documents that the build has made may be kept by anybody on the way, by what Next says of them.
  response.headers.set("cache-control", "private, no-store");
}

/**
 * How the name of a cookie begins that browsers take from this very host only, over https: no site of the same domain
 * can set one, and so make somebody write into a history that it can read.
 */
export const OF_THIS_HOST = "__Host-";

/** A cookie as a browser sent it. */
type Cookie = { name: string; value: string };

/** The cookies of a request: two of the same name are two. */
function cookiesOf({ headers }: Request): Cookie[] {
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

const SECRET = "CHATKIT_SECRET";
const PREVIOUS = "CHATKIT_SECRET_PREVIOUS";

const CHARACTERS = 32;
// What secrets begin with that were copied from somewhere. The backend has the same rule, in identity.py.
const COPIED = /^(change|secret|example|default|your-)/i;

/**
 * The secret that this front end and the backend share, as the key for signing.
 *
 * @throws {Failure} CHATKIT_SECRET is empty or shorter than 32 characters, or outside development not random.
 */
export function sharedSecret(): Uint8Array {
  const cure = isDevelopment()
    ? "run `uv run dev` once, which fills in frontend/.env.local and backend/.env.local"
    : `set the same ${CHARACTERS} random characters or more in the environment of both sides`;
  return keyIn(SECRET, cure);
}

/**
 * The keys by which a guest's cookie is believed: that for signing, and while the secret is changed the one before it.
 *
 * @throws {Failure} One of them is too short, or outside development not random.
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
