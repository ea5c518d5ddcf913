import { errors, type JWTPayload, jwtVerify } from "jose";
import type { NextRequest } from "next/server";
import { cookieOf } from "@/lib/cookies";
import { setting } from "@/lib/environment";
import { Failure } from "@/lib/failure";
import { type KeySource, providerKeys } from "@/lib/oidc-keys";
import { requestId } from "@/lib/request-id";

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
        "such as the client id. Without it a login to any other app would do.",
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
