import { readdirSync, readFileSync } from "node:fs";
import { NextRequest } from "next/server";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import Page from "@/app/page";
import { DOMAIN_KEYS, domainKey, expectDomainKey, PLACEHOLDER_DOMAIN_KEY } from "@/kit/settings";
import { proxy } from "@/proxy";
import nextConfig from "../next.config";
import lock from "../package-lock.json";

const BUILD = "phase-production-build";
const DEVELOPMENT = "phase-development-server";
const SERVER = "phase-production-server";

beforeEach(() => {
  vi.stubEnv("NODE_ENV", "development");
  vi.stubEnv("NEXT_PUBLIC_CHAT", "");
  vi.stubEnv("CHATKIT_SECRET", "a secret for the tests, longer than 32 characters");
});
afterEach(() => vi.unstubAllEnvs());

describe("sub-path", () => {
  test("the app is below the path that is set, and only below one that is a path", () => {
    vi.stubEnv("ALLOW_PLACEHOLDER_DOMAIN_KEY", "1");
    vi.stubEnv("FRONTEND_BASE_PATH", "/team/chat");
    const env = { FRONTEND_BASE_PATH: "/team/chat" };
    expect(nextConfig(BUILD)).toMatchObject({ basePath: "/team/chat", env });
    for (const path of ["chat", "/", "/chat/", "https://example.com/chat", "/a b"]) {
      vi.stubEnv("FRONTEND_BASE_PATH", path);
      expect(() => nextConfig(BUILD)).toThrow(`FRONTEND_BASE_PATH is "${path}"`);
    }
  });

  test("the page asks for nothing at the root of the domain", () => {
    const files = readdirSync("src/kit", { recursive: true, encoding: "utf8" });
    const ofThePage = files.filter((file) => /\.tsx?$/.test(file) && !/^server[/\\]/.test(file));
    expect(ofThePage.length).toBeGreaterThan(20);
    for (const file of ofThePage) {
      expect(readFileSync(`src/kit/${file}`, "utf8"), file).not.toMatch(/["'`]\/(?:api|pitfalls)\b/);
    }
  });
});

describe("csp-blocks-chatkit", () => {
  beforeEach(() => {
    vi.stubEnv("NODE_ENV", "production");
  });

  async function policy() {
    const response = await proxy(new NextRequest("http://127.0.0.1:3000/"));
    const text = response.headers.get("content-security-policy") ?? "";
    return new Map(text.split("; ").map((directive) => directive.split(/ (.*)/s, 2) as [string, string]));
  }

  test("ChatKit's script, its frame and what they ask for are allowed, and little else", async () => {
    const sources = await policy();
    for (const directive of ["script-src", "frame-src", "connect-src"]) {
      expect(sources.get(directive)).toContain("https://cdn.platform.openai.com");
    }
    expect(sources.get("script-src")).not.toContain("unsafe-inline");
    expect(sources.get("script-src")).not.toContain("unsafe-eval");
    expect(sources.get("default-src")).toBe("'self'");
    expect(sources.get("object-src")).toBe("'none'");
  });

  test("the basic chat is allowed nothing of OpenAI", async () => {
    vi.stubEnv("NEXT_PUBLIC_CHAT", "basic");
    const sources = await policy();
    expect([...sources.values()].join(" ")).not.toContain("openai.com");
    expect(sources.get("frame-src")).toBe("'none'");
  });

  test("no other site shows the page in a frame, where people would click what they do not see", async () => {
    expect((await policy()).get("frame-ancestors")).toBe("'self'");
  });

  test("previews of attachments are of our own origin, and of whatever https address", async () => {
    expect((await policy()).get("img-src")).toBe("'self' data: blob: https:");
  });

  test("each document has a nonce of its own", async () => {
    const [first, second] = [await policy(), await policy()];
    expect(first.get("script-src")).not.toBe(second.get("script-src"));
  });

  test("Next finds the nonce in the request that the document is made of", async () => {
    const response = await proxy(new NextRequest("http://127.0.0.1:3000/"));
    expect(response.headers.get("x-middleware-request-content-security-policy")).toBe(
      response.headers.get("content-security-policy"),
    );
  });
});

describe("domain-key", () => {
  test.each([
    ["nothing", ""],
    ["the placeholder", PLACEHOLDER_DOMAIN_KEY],
  ])("a build for production with %s says where to get a key, and what to do on localhost", (_, key) => {
    vi.stubEnv("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY", key);
    vi.stubEnv("ALLOW_PLACEHOLDER_DOMAIN_KEY", "");
    expect(() => nextConfig(BUILD)).toThrow(DOMAIN_KEYS);
    expect(() => nextConfig(BUILD)).toThrow("ALLOW_PLACEHOLDER_DOMAIN_KEY=1 npm run build");
    expect(() => nextConfig(SERVER)).not.toThrow();
    vi.stubEnv("ALLOW_PLACEHOLDER_DOMAIN_KEY", "1");
    expect(() => nextConfig(BUILD)).not.toThrow();
  });

  test("the basic chat needs no key, and a chat that does not exist is refused in words", () => {
    vi.stubEnv("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY", "");
    vi.stubEnv("ALLOW_PLACEHOLDER_DOMAIN_KEY", "");
    vi.stubEnv("NEXT_PUBLIC_CHAT", "basic");
    expect(() => nextConfig(BUILD)).not.toThrow();
    vi.stubEnv("NEXT_PUBLIC_CHAT", "simple");
    expect(() => nextConfig(SERVER)).toThrow('NEXT_PUBLIC_CHAT is "simple". Set it to chatkit or basic');
  });

  test("a key of one's own is taken, and read when the page is asked for", () => {
    vi.stubEnv("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY", "domain_pk_of_a_domain");
    expect(expectDomainKey).not.toThrow();
    expect(domainKey()).toBe("domain_pk_of_a_domain");
  });
});

test("key-baked-in: the key is that of the moment in which the page is asked for", () => {
  for (const key of ["domain_pk_of_one_server", "domain_pk_of_another"]) {
    vi.stubEnv("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY", key);
    expect(domainKey()).toBe(key);
  }
});

test("dev-origin-blocked: the development server lets the address live that `uv run dev` prints", () => {
  expect(nextConfig(DEVELOPMENT).allowedDevOrigins).toContain("127.0.0.1");
});

test("blank-screen: the document that the server makes of the page has the chat in it", () => {
  expect(renderToStaticMarkup(createElement(Page))).toContain("<openai-chatkit");
});

test("google-fonts: the build asks nobody for fonts", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.tsx?$/.test(name),
  );
  const sources = files.map((name) => readFileSync(`src/${name}`, "utf8"));
  expect(sources.filter((source) => source.includes("next/font/google"))).toEqual([]);
});

type Package = { version?: string; resolved?: string; optionalDependencies?: Record<string, string> };
const packages = lock.packages as Record<string, Package>;

/** Where Node looks for a package, from the nearest folder to the outermost. */
function candidates(from: string, name: string): string[] {
  const parents = from
    .split("/node_modules/")
    .map((_, depth, parts) => parts.slice(0, depth + 1).join("/node_modules/"));
  return [...parents.reverse().map((parent) => `${parent}/node_modules/${name}`), `node_modules/${name}`];
}

describe("lock-file-of-one-platform", () => {
  test("every optional dependency of every locked package has an entry", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !candidates(path, name).some((place) => place in packages))
        .map((name) => `${path} wants ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("no package is bound to one registry's address", () => {
    expect(Object.keys(packages).filter((path) => packages[path]?.resolved)).toEqual([]);
  });
});
