import { setting } from "@/lib/environment";
import { Failure } from "@/lib/failure";

const SECRET = "CHATKIT_SECRET";
const PREVIOUS = "CHATKIT_SECRET_PREVIOUS";

/**
 * The secret that this front end and the backend share, as the key for signing.
 *
 * @throws {Failure} CHATKIT_SECRET is empty or shorter than 32 characters.
 */
export function sharedSecret(): Uint8Array {
  return keyIn(SECRET);
}

/**
 * The keys by which a guest's cookie is believed: that for signing, and while the secret is changed the one before it.
 *
 * @throws {Failure} One of them is too short.
 */
export function believedSecrets(): Uint8Array[] {
  return setting(PREVIOUS) ? [sharedSecret(), keyIn(PREVIOUS)] : [sharedSecret()];
}

function keyIn(name: string): Uint8Array {
  const secret = setting(name);
  if (secret.length < 32) {
    const state = secret === "" ? "is empty" : "is shorter than 32 characters";
    throw new Failure(
      `${name} ${state}: run \`uv run dev\` once, it fills in frontend/.env.local and backend/.env.local.`,
      502,
      "env-file-lost",
    );
  }
  return new TextEncoder().encode(secret);
}
