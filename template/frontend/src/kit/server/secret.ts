import { SignJWT } from "jose";
import { isDevelopment } from "@/kit/causes";
import { Failure } from "@/kit/server/failures";
import type { Sender } from "@/kit/server/limits";
import { setting } from "@/kit/settings";

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
    ? "run `uv run dev` once, it fills in frontend/.env.local and backend/.env.local"
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
