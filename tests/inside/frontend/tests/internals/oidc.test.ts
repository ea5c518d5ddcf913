import { exportJWK, exportSPKI, importJWK, SignJWT } from "jose";
import { NextRequest } from "next/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { identify } from "@/lib/identity";
import { proxy } from "@/proxy";
import { cases } from "../../../backend/tests/oidc-cases.json";
import { fakeBackend, listenInspected, unusedUrl } from "./fake-backend";
import { AUDIENCE, type Key, loginProvider, newKey, sign } from "./login-provider";
import { claimsOf, eventsOf, messageOf, pageRequest, post, stubSecret } from "./page-request";

const LIST = { type: "threads.list", params: {} };
const CREATE = { type: "threads.create", params: {} };

beforeEach(() => {
  stubSecret();
  vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function ownerOf(token: string): Promise<string | null> {
  return identify(await pageRequest("/api/chatkit", { headers: { authorization: `Bearer ${token}` } }));
}

/** A provider with one key, and what makes tokens of it. */
async function provided() {
  const key = await newKey();
  const provider = await loginProvider(key);
  return { key, provider, token: (claims = {}) => sign(key, { iss: provider.issuer, ...claims }) };
}

describe("a token of the provider", () => {
  test.each(["RS256", "PS256", "ES256", "ES384", "EdDSA"])("signed with %s names the owner", async (alg) => {
    const key = await newKey(alg);
    const { issuer } = await loginProvider(await newKey("ES256", "another"), key);
    expect(await ownerOf(await sign(key, { iss: issuer }))).toBe("oidc:ada");
  });

  test("for several audiences, ours among them, does", async () => {
    const { token } = await provided();
    expect(await ownerOf(await token({ aud: ["another", AUDIENCE] }))).toBe("oidc:ada");
  });

  test("may come from a clock that is a little ahead", async () => {
    const { token } = await provided();
    const now = Math.floor(Date.now() / 1000);
    expect(await ownerOf(await token({ nbf: now + 4 }))).toBe("oidc:ada");
    expect(await ownerOf(await token({ nbf: now + 60 }))).toBeNull();
  });

  test("is of now: none comes from the future", async () => {
    const { token } = await provided();
    const now = Math.floor(Date.now() / 1000);
    expect(await ownerOf(await token({ iat: now + 4 }))).toBe("oidc:ada");
    expect(await ownerOf(await token({ iat: now + 60 }))).toBeNull();
  });

  test("names no key where exactly one fits its algorithm", async () => {
    const [key, another] = [await newKey("ES256"), await newKey("RS256")];
    const provider = await loginProvider(key, another);
    const { kid: _, ...nameless } = key;
    expect(await ownerOf(await sign(nameless, { iss: provider.issuer }))).toBe("oidc:ada");
    provider.keys = [key, await newKey("ES256", "next")];
    vi.stubEnv("OIDC_JWKS_URL", `${provider.issuer}/keys`);
    expect(await ownerOf(await sign(nameless, { iss: provider.issuer }))).toBeNull();
  });

  test("is not taken from two cookies of one name", async () => {
    const { token } = await provided();
    vi.stubEnv("OIDC_COOKIE", "login");
    const cookie = `login=${await token()}; login=${await token({ sub: "eve" })}`;
    const response = await post(LIST, { cookie });
    expect(response.status).toBe(401);
    expect(await messageOf(response)).toContain("two cookies");
  });

  test("comes as the bearer, else in the cookie", async () => {
    const { token } = await provided();
    vi.stubEnv("OIDC_COOKIE", "login");
    const cookie = `login=${await token({ sub: "of-the-cookie" })}`;
    const inCookie = await pageRequest("/api/chatkit", { cookie });
    expect(await identify(inCookie)).toBe("oidc:of-the-cookie");
    const headers = { authorization: `bearer ${await token({ sub: "of-the-header" })}` };
    expect(await identify(await pageRequest("/api/chatkit", { cookie, headers }))).toBe("oidc:of-the-header");
    const basic = { authorization: "Basic YTpi" };
    expect(await identify(await pageRequest("/api/chatkit", { cookie, headers: basic }))).toBe(
      "oidc:of-the-cookie",
    );
    vi.stubEnv("OIDC_COOKIE", "");
    expect(await identify(inCookie)).toBeNull();
    expect(await identify(await pageRequest("/api/chatkit", { cookie: `=${await token()}` }))).toBeNull();
  });

  test("makes the owner whom the backend is told, and goes no further itself", async () => {
    const { token } = await provided();
    const backend = await fakeBackend();
    const sent = await token();
    expect((await post(LIST, { headers: { authorization: `Bearer ${sent}` } })).status).toBe(200);
    expect((await claimsOf(backend.received[0]?.request)).sub).toBe("oidc:ada");
    expect(JSON.stringify(backend.received[0]?.request.headers)).not.toContain(sent);
  });
});

describe("nobody is whoever brings a token", () => {
  const PAST = Math.floor(Date.now() / 1000) - 60;
  test.each<[string, object]>([
    ["of another issuer", { iss: "https://elsewhere.example" }],
    ["for another audience", { aud: "another-app" }],
    ["for no audience", { aud: undefined }],
    ["that has expired", { exp: PAST }],
    ["that never expires", { exp: undefined }],
    ["about nobody", { sub: undefined }],
    ["about an empty name", { sub: "" }],
    ["about a number", { sub: 7 }],
    ["about a name of 201 characters", { sub: "a".repeat(201) }],
  ])("%s", async (_, claims) => {
    const { token } = await provided();
    expect(await ownerOf(await token(claims))).toBeNull();
    expect(console.warn).toHaveBeenCalledOnce();
  });

  test("but a name of 200 characters, of any kind, is one", async () => {
    const { token } = await provided();
    for (const sub of ["a".repeat(200), "\u{1f642}".repeat(200)]) {
      expect(await ownerOf(await token({ sub }))).toBe(`oidc:${sub}`);
    }
  });

  test("signed with another key", async () => {
    const { provider } = await provided();
    const sameName = await newKey();
    expect(await ownerOf(await sign(sameName, { iss: provider.issuer }))).toBeNull();
    const otherName = await newKey("ES256", "another");
    expect(await ownerOf(await sign(otherName, { iss: provider.issuer }))).toBeNull();
  });

  test("without a signature, or signed with the public key as a secret", async () => {
    const { key, provider, token } = await provided();
    const payload = (await token()).split(".")[1];
    const none = Buffer.from(JSON.stringify({ alg: "none", kid: key.kid })).toString("base64url");
    expect(await ownerOf(`${none}.${payload}.`)).toBeNull();
    const forged = await new SignJWT({ sub: "ada", aud: AUDIENCE, iss: provider.issuer })
      .setProtectedHeader({ alg: "HS256", kid: "ES256" })
      .setExpirationTime("5m")
      .sign(new TextEncoder().encode(await exportSPKI(key.publicKey)));
    expect(await ownerOf(forged)).toBeNull();
  });

  test.each(["", "x", "a.b.c", "e30.e30.e30"])("that is none: %j", async (token) => {
    await provided();
    expect(await ownerOf(token)).toBeNull();
  });

  test("and the log says why, for the owner of the page", async () => {
    const { token } = await provided();
    const sent = await token({ aud: "another-app" });
    const headers = { authorization: `Bearer ${sent}`, "x-request-id": "o1" };
    expect(await identify(await pageRequest("/api/chatkit", { headers }))).toBeNull();
    const [line] = vi.mocked(console.warn).mock.calls.map(String);
    expect(line).toMatch(/request o1.*"aud"/);
    expect(line).not.toContain(sent);
  });
});

// The backend's own tests read them too.
describe("a token is judged as by the backend", () => {
  const keys = Promise.all([
    newKey("RS256", "stranger"),
    newKey("RS256", "rsa"),
    newKey("ES256", "ec"),
    newKey("ES256", "ec-2"),
    newKey("EdDSA", "ed").then(ofAnyAlgorithm),
    newKey("RS256", "any").then(ofAnyAlgorithm),
  ]);
  function ofAnyAlgorithm(key: Key): Key {
    const { alg: _, ...jwk } = key.jwk;
    return { ...key, jwk };
  }
  type Case = {
    name: string;
    key?: string;
    kid?: string | null;
    algorithm?: string;
    claims?: Record<string, unknown>;
    believed: boolean;
  };
  test.each<Case>(cases)("$name", async (judged) => {
    const { key = "rsa", kid = "rsa", algorithm: alg = "RS256", claims = {}, believed } = judged;
    const [stranger, ...published] = await keys;
    const { issuer } = await loginProvider(...published);
    const signer = published.find((one) => one.kid === key) ?? stranger;
    const now = Math.floor(Date.now() / 1000);
    const said = Object.entries(claims).map(([name, value]) => {
      if (value === null) return [name, undefined];
      if (name === "aud" && Array.isArray(value)) return [name, [...value, AUDIENCE]];
      return [name, ["exp", "iat", "nbf"].includes(name) ? now + Number(value) : value];
    });
    const privateKey = (await importJWK(await exportJWK(signer.privateKey), alg)) as CryptoKey;
    const named = { ...signer, alg, privateKey, kid: kid ?? undefined };
    const token = await sign(named, { iss: issuer, ...Object.fromEntries(said) });
    expect(await ownerOf(token)).toBe(believed ? "oidc:ada" : null);
  });
});

describe("with a login there are no guests", () => {
  test("a guest is asked to sign in", async () => {
    await provided();
    const backend = await fakeBackend();
    for (const request of [LIST, CREATE]) {
      const response = await post(request);
      expect(response.status).toBe(401);
      expect(await messageOf(response)).toContain("Sign in");
    }
    expect(backend.received).toEqual([]);
  });

  test("the document brings no guest", async () => {
    const open = () => proxy(new NextRequest("http://127.0.0.1:3000/"));
    expect((await open()).headers.get("set-cookie")).not.toBeNull();
    await provided();
    expect((await open()).headers.get("set-cookie")).toBeNull();
  });
});

describe("the provider's keys", () => {
  test("are asked for once", async () => {
    const { provider, token } = await provided();
    for (let times = 0; times < 3; times++) expect(await ownerOf(await token())).toBe("oidc:ada");
    expect(provider.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  test("may change: a new one is found, an old one is forgotten", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { key, provider, token } = await provided();
    expect(await ownerOf(await token())).toBe("oidc:ada");
    const next = await newKey("ES256", "next");
    provider.keys = [next];
    vi.setSystemTime(Date.now() + 5000);
    expect(await ownerOf(await sign(next, { iss: provider.issuer }))).toBe("oidc:ada");
    expect(await ownerOf(await sign(key, { iss: provider.issuer }))).toBeNull();
  });

  test("may change without a name: the new one is found all the same", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const nameless = async () => {
      const { kid: _, ...key } = await newKey("RS256");
      return key;
    };
    const [key, next] = [await nameless(), await nameless()];
    const provider = await loginProvider();
    for (const current of [key, next]) {
      provider.keys = [current];
      expect(await ownerOf(await sign(current, { iss: provider.issuer }))).toBe("oidc:ada");
      vi.setSystemTime(Date.now() + 5000);
    }
    expect(await ownerOf(await sign(key, { iss: provider.issuer }))).toBeNull();
  });

  test("are where OIDC_JWKS_URL says", async () => {
    const { key, provider } = await provided();
    vi.stubEnv("OIDC_ISSUER", "https://login.example.com/");
    vi.stubEnv("OIDC_JWKS_URL", `${provider.issuer}/keys`);
    expect(await ownerOf(await sign(key, { iss: "https://login.example.com/" }))).toBe("oidc:ada");
    expect(provider.asked).toEqual(["/keys"]);
  });
});

describe("what is wrong with the provider is said in words", () => {
  async function complaint(): Promise<string> {
    await fakeBackend();
    const headers = { authorization: `Bearer ${await sign(await newKey(), {})}` };
    const response = await post(LIST, { headers });
    expect(response.status).toBe(502);
    const [event] = await eventsOf(await post(CREATE, { headers }));
    const message = await messageOf(response);
    const words = message.replace(/ \(request .*\)$/, "");
    expect(event).toMatchObject({ type: "error", message: expect.stringContaining(words) });
    return words;
  }

  test("it is down", async () => {
    await provided();
    const url = await unusedUrl();
    vi.stubEnv("OIDC_ISSUER", url);
    expect(await complaint()).toBe(
      `The login provider's keys cannot be fetched from ${url}/.well-known/openid-configuration (ECONNREFUSED). ` +
        "The address comes from OIDC_ISSUER, or from OIDC_JWKS_URL where that is set.",
    );
    vi.stubEnv("OIDC_JWKS_URL", `${url}/keys`);
    expect(await complaint()).toContain(`${url}/keys (ECONNREFUSED)`);
  });

  test("tls-inspected: its certificate is not trusted", async () => {
    await provided();
    const url = await listenInspected();
    vi.stubEnv("OIDC_ISSUER", url);
    expect(await complaint()).toMatch(/\(DEPTH_ZERO_SELF_SIGNED_CERT\)\..* set NODE_EXTRA_CA_CERTS /);
    vi.stubEnv("OIDC_JWKS_URL", `${url}/keys`);
    expect(await complaint()).toMatch(/\(DEPTH_ZERO_SELF_SIGNED_CERT\)\..* set NODE_EXTRA_CA_CERTS /);
    vi.stubEnv("OIDC_JWKS_URL", `${await listenInspected(true)}/keys`);
    const said = await complaint();
    expect(said).toMatch(/\(CERT_HAS_EXPIRED\)\..* The server needs another certificate, /);
    expect(said).not.toContain("NODE_EXTRA_CA_CERTS");
  });

  test("it answers with an error, and is asked again when it is well", async () => {
    const { provider, token } = await provided();
    provider.status = 503;
    expect(await complaint()).toContain("(it answered 503)");
    provider.status = 200;
    expect(await ownerOf(await token())).toBe("oidc:ada");
  });

  test("it has keys that are none", async () => {
    const { provider } = await provided();
    vi.stubEnv("OIDC_JWKS_URL", `${provider.issuer}/.well-known/openid-configuration`);
    expect(await complaint()).toContain("openid-configuration (JSON Web Key Set malformed)");
  });

  test("it goes by another name", async () => {
    const { provider } = await provided();
    provider.callsItself = `${provider.issuer}/`;
    expect(await complaint()).toContain(`it calls itself ${provider.issuer}/: set OIDC_ISSUER to that`);
  });

  test.each([
    ["OIDC_ISSUER", "login.example.com", 'OIDC_ISSUER is "login.example.com", which is not an address'],
    ["OIDC_JWKS_URL", "/keys", 'OIDC_JWKS_URL is "/keys", which is not an address'],
    ["OIDC_AUDIENCE", "", "OIDC_ISSUER is set and OIDC_AUDIENCE is not"],
  ])("%s is %j", async (name, value, words) => {
    await provided();
    vi.stubEnv(name, value);
    expect(await complaint()).toContain(words);
  });
});
