import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { NextRequest } from "next/server";
import { withoutSecrets } from "@/kit/causes";
import { certificateAdvice, Failure, requestId } from "@/kit/server/failures";
import { cookieOf } from "@/kit/server/guest";
import { setting } from "@/kit/settings";

/** The login provider, as the settings describe it. */
export type OidcProvider = KeySource & { audience: string; cookie: string };

// The algorithms with which only the provider can sign. With HS256, anybody could sign with the
// provider's public key as the secret.
const ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");
const CLOCK_TOLERANCE_SECONDS = 5;
const SUBJECT_CHARACTERS = 200;
// Some databases cannot tell such a name from another. The backend refuses them too.
const NOT_KEPT = /[\0\p{Surrogate}\u{fffd}]| $/u;

/**
 * The login provider, or null if OIDC_ISSUER is not set.
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
 * The owner `oidc:<sub>` that the provider's token names. A request carries it as a bearer token or
 * in a cookie.
 *
 * @returns null if there is no token, or if the token has expired, is for another audience or is
 * signed by somebody else.
 * @throws {Failure} The provider's keys cannot be fetched, or there are two cookies of that name.
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

// jose checks `iat` only if a token has a maximum age.
function expectPast(payload: JWTPayload): void {
  if ((payload.iat ?? 0) <= Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS) return;
  throw new errors.JWTClaimValidationFailed('"iat" claim is in the future', payload, "iat", "check_failed");
}

function ownerOf(payload: JWTPayload): string {
  // jose's types say `string | undefined`, but a token can hold anything.
  const subject: unknown = payload.sub;
  // The length is in code points, as in the backend.
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

/** Where a provider's keys are. If `jwksUrl` is empty, the issuer says where. */
type KeySource = { issuer: string; jwksUrl: string };

const PATIENCE_MS = 5000;
// A token with an unknown key makes us fetch the keys again, but not more often than this, because
// anybody can make such a token. The backend has the same limit.
const COOLDOWN_MS = 5000;
const known = new Map<string, Promise<JWTVerifyGetKey>>();

/**
 * The provider's public keys. They are fetched once, and again when they are old or a token has a
 * new one.
 *
 * @throws {Failure} The provider does not say where its keys are. The result throws one if it
 * cannot fetch them.
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
      // A token without a key id does not show whether the provider has changed its key.
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
  // The message may repeat the address, with a password in it.
  const reason = cause?.code ?? message.replaceAll(url.href, withoutSecrets(url));
  return new Failure(
    `The login provider's keys cannot be fetched from ${withoutSecrets(url)} (${reason}). The address comes from ` +
      `OIDC_ISSUER, or from OIDC_JWKS_URL where that is set.${certificateAdvice(cause?.code)}`,
  );
}
