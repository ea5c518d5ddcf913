import { setting } from "@/lib/environment";
import { Failure } from "@/lib/failure";

/**
 * The secret that this front end and the backend share, as the key for signing.
 *
 * @throws {Failure} CHATKIT_SECRET is empty or shorter than 32 characters.
 */
export function sharedSecret(): Uint8Array {
  const secret = setting("CHATKIT_SECRET");
  if (secret.length < 32) {
    const state = secret === "" ? "is empty" : "is shorter than 32 characters";
    throw new Failure(
      `CHATKIT_SECRET ${state}: run \`uv run dev\` once, it fills in frontend/.env.local and backend/.env.local.`,
      502,
      "env-file-lost",
    );
  }
  return new TextEncoder().encode(secret);
}
