import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { withoutSecrets } from "@/lib/disclosure";
import { Failure } from "@/lib/failure";

/** Whose keys are wanted; without an address of its own, the key set is found by the issuer. */
export type KeySource = { issuer: string; jwksUrl: string };

const PATIENCE_MS = 5000;
// How often tokens of unknown keys, which anybody can make, have the keys asked for anew. The backend has the same.
const COOLDOWN_MS = 5000;
const known = new Map<string, Promise<JWTVerifyGetKey>>();

/**
 * The keys with which a provider signs, asked for once and again when they are old or a new one turns up.
 *
 * @throws {Failure} The provider does not say where its keys are; so does the result when they are not there.
 */
export function providerKeys(source: KeySource): Promise<JWTVerifyGetKey> {
  const name = JSON.stringify(source);
  let keys = known.get(name);
  if (!keys) {
    keys = findKeys(source);
    keys.catch(() => known.delete(name));
    known.set(name, keys);
  }
  return keys;
}

async function findKeys({ issuer, jwksUrl }: KeySource): Promise<JWTVerifyGetKey> {
  const url = jwksUrl ? addressIn("OIDC_JWKS_URL", jwksUrl) : await discover(issuer);
  const keys = createRemoteJWKSet(url, { timeoutDuration: PATIENCE_MS, cooldownDuration: COOLDOWN_MS });
  return async (header, token) => {
    try {
      // Nothing in a token that names no key tells whether the provider has changed its key.
      if (header.kid === undefined && keys.jwks() && !keys.coolingDown) await keys.reload();
      return await keys(header, token);
    } catch (error) {
      const isOfTheToken =
        error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
      throw isOfTheToken ? error : notToBeHad(url, error);
    }
  };
}

async function discover(issuer: string): Promise<URL> {
  const base = addressIn("OIDC_ISSUER", issuer);
  const url = new URL(`${base.href.replace(/\/$/, "")}/.well-known/openid-configuration`);
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const said: { issuer?: unknown; jwks_uri?: unknown } = await response.json();
    if (said.issuer !== issuer) throw new Error(`it calls itself ${said.issuer}: set OIDC_ISSUER to that`);
    return new URL(String(said.jwks_uri));
  } catch (error) {
    throw notToBeHad(url, error);
  }
}

function addressIn(name: string, value: string): URL {
  if (/^https?:\/\//.test(value) && URL.canParse(value)) return new URL(value);
  throw new Failure(
    `${name} is "${withoutSecrets(value)}", which is not an address like https://login.example.com.`,
  );
}

function notToBeHad(url: URL, error: unknown): Failure {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  // The message may repeat the address.
  const reason = cause?.code ?? message.replaceAll(url.href, withoutSecrets(url));
  return new Failure(
    `The login provider's keys are not to be had from ${withoutSecrets(url)} (${reason}). The address comes from ` +
      "OIDC_ISSUER, or from OIDC_JWKS_URL where that is set.",
  );
}
