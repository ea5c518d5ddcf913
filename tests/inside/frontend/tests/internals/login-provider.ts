import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { vi } from "vitest";
import { answerJson, listen } from "./fake-backend";

export const AUDIENCE = "this-app";

export type Key = {
  alg: string;
  kid?: string | undefined;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
};

/** A new pair of keys, whose id is the algorithm's name unless another is given. */
export async function newKey(alg = "ES256", kid = alg): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), alg, kid, use: "sig" } };
}

/** A token as a provider gives it to somebody called "ada", with what is wrong with it. */
export function sign(key: Key, claims: object): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ sub: "ada", aud: AUDIENCE, iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: key.alg, ...(key.kid !== undefined && { kid: key.kid }) })
    .sign(key.privateKey);
}

/** Starts a login provider for one test, and makes it this page's. */
export async function loginProvider(...keys: Key[]) {
  const provider = { issuer: "", keys, callsItself: "", status: 200, asked: [] as string[] };
  provider.issuer = provider.callsItself = await listen((request, response) => {
    provider.asked.push(request.url ?? "");
    const answers: Record<string, object> = {
      "/.well-known/openid-configuration": {
        issuer: provider.callsItself,
        jwks_uri: `${provider.issuer}/keys`,
      },
      "/keys": { keys: provider.keys.map(({ jwk }) => jwk) },
    };
    const found = answers[request.url ?? ""];
    answerJson(response, found ?? {}, found ? provider.status : 404);
  });
  vi.stubEnv("OIDC_ISSUER", provider.issuer);
  vi.stubEnv("OIDC_AUDIENCE", AUDIENCE);
  return provider;
}
