import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { NextRequest } from "next/server";
import { withoutSecrets } from "@/kit/causes";
import { Failure, requestId } from "@/kit/server/failures";
import { cookieOf } from "@/kit/server/guest";
import { setting } from "@/kit/settings";

/** The login provider, as the settings describe it. */
export type OidcProvider = KeySource & { audience: string; cookie: string };

// Signatures that only the provider can make. With HS256 its public key would do as a secret.
const ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");
const CLOCK_TOLERANCE_SECONDS = 5;
const SUBJECT_CHARACTERS = 200;
// Not every database tells such names apart from others. The backend refuses them too.
const NOT_KEPT = /[\0\p{Surrogate}\u{fffd}]| $/u;

/**
 * The provider of the login, or null when OIDC_ISSUER is not set.
 *
 * @throws {Failure} OIDC_AUDIENCE is missing.
 */
export function oidcProvider(): OidcProvider | null {
  const issuer = setting("OIDC_ISSUER").trim();
  if (!issuer) return null;
  const audience = setting("OIDC_AUDIENCE").trim();
  if (!audience) {
    throw new Failure(
      "OIDC_ISSUER is set and OIDC_AUDIENCE is not: set it to what your provider writes into a token's `aud`, " +
        "such as the client id. Without it, a login to any other app would be accepted.",
    );
  }
  return {
    issuer,
    audience,
    jwksUrl: setting("OIDC_JWKS_URL").trim(),
    cookie: setting("OIDC_COOKIE").trim(),
  };
}

/**
 * The owner `oidc:<sub>` of the provider's token that a request carries, as its bearer token or in a cookie;
 * or null when it carries none, or one that is expired, meant for somebody else or signed by somebody else.
 *
 * @throws {Failure} The provider's keys are not to be had, or there are two such cookies.
 */
export async function oidcOwner(request: NextRequest, provider: OidcProvider): Promise<string | null> {
  const token = bearerToken(request) ?? (provider.cookie && cookieOf(request, provider.cookie));
  if (!token) return null;
  try {
    const { payload } = await jwtVerify(token, await providerKeys(provider), {
      issuer: provider.issuer,
      audience: provider.audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ["exp", "sub"],
    });
    expectPast(payload);
    return ownerOf(payload);
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    console.warn(`A login is refused (request ${requestId(request)}): ${error.message}`);
    return null;
  }
}

// jose looks at `iat` only where a token must not be old.
function expectPast(payload: JWTPayload): void {
  if ((payload.iat ?? 0) <= Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS) return;
  throw new errors.JWTClaimValidationFailed('"iat" claim is in the future', payload, "iat", "check_failed");
}

function ownerOf(payload: JWTPayload): string {
  // Not `string | undefined` as jose's types say: it is whatever the token holds.
  const subject: unknown = payload.sub;
  // By code points, as the backend counts.
  if (
    typeof subject === "string" &&
    subject !== "" &&
    [...subject].length <= SUBJECT_CHARACTERS &&
    !NOT_KEPT.test(subject)
  ) {
    return `oidc:${subject}`;
  }
  throw new errors.JWTClaimValidationFailed('unexpected "sub" claim value', payload, "sub", "check_failed");
}

function bearerToken(request: NextRequest): string | undefined {
  return request.headers.get("authorization")?.match(/^bearer +(\S+)$/i)?.[1];
}

/** Whose keys are wanted; without an address of its own, the key set is found by the issuer. */
type KeySource = { issuer: string; jwksUrl: string };

const PATIENCE_MS = 5000;
// How often tokens of unknown keys, which anybody can make, have the keys asked for anew. The backend has the same.
const COOLDOWN_MS = 5000;
const known = new Map<string, Promise<JWTVerifyGetKey>>();

/**
 * The keys with which a provider signs, asked for once and again when they are old or a new one turns up.
 *
 * @throws {Failure} The provider does not say where its keys are; so does the result when they are not there.
 */
function providerKeys(source: KeySource): Promise<JWTVerifyGetKey> {
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
    `The login provider's keys cannot be fetched from ${withoutSecrets(url)} (${reason}). The address comes from ` +
      "OIDC_ISSUER, or from OIDC_JWKS_URL where that is set.",
  );
}
