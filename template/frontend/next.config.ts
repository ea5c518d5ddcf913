import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { NextConfig } from "next";
import { PHASE_PRODUCTION_BUILD, PHASE_PRODUCTION_SERVER } from "next/constants";
import { chosenBasePath, chosenChat, developmentHosts, expectDomainKey } from "./src/kit/settings";

const frontend = fileURLToPath(new URL(".", import.meta.url));
const development = process.env.NODE_ENV === "development";
const port = process.env.PORT ?? "3000";
const pollIntervalMs = Number(process.env.WATCH_POLL_MS);

const SECURITY_HEADERS = [
  { key: "x-content-type-options", value: "nosniff" },
  { key: "referrer-policy", value: "strict-origin-when-cross-origin" },
  // Dictation happens in ChatKit's frame.
  {
    key: "permissions-policy",
    value: 'camera=(), geolocation=(), microphone=(self "https://cdn.platform.openai.com")',
  },
];

const config: NextConfig = {
  // With BUILD_STANDALONE=1 the build has a server with just the files that it needs: see the Dockerfile.
  ...(process.env.BUILD_STANDALONE === "1" && { output: "standalone" }),
  // The page is opened at 127.0.0.1, which counts as cross-origin to the "localhost" of the dev server:
  // without this nothing would hydrate.
  allowedDevOrigins: developmentHosts(),
  // Next would write an AGENTS.md into the project, and `copier update` refuses a changed working tree.
  agentRules: false,
  // Next's badge would lie on the box in which people write.
  devIndicators: false,
  poweredByHeader: false,
  // The styles are 2 kB: within the document they keep no browser from painting.
  experimental: { inlineCss: true },
  // src/lib/content-security-policy.ts has what depends on the document.
  headers: async () => [{ source: "/:path*", headers: SECURITY_HEADERS }],
  redirects: async () => (development ? toOneName(chosenBasePath()) : []),
  // Without a root Next looks for lock files in the folders above, and may take a stranger's for ours.
  turbopack: { root: frontend },
  outputFileTracingRoot: frontend,
  // File systems that report no changes, such as /mnt/c in WSL, have to be asked.
  ...(pollIntervalMs > 0 && { watchOptions: { pollIntervalMs } }),
};

type Redirect = Awaited<ReturnType<NonNullable<NextConfig["redirects"]>>>[number];

/**
 * Leads from localhost to 127.0.0.1. A browser keeps the cookies of the two apart, so under two names it would be
 * two guests. This is not in src/proxy.ts, where Next takes the two names for one and would make a loop of it.
 */
function toOneName(basePath: string): Redirect[] {
  const page = `http://127.0.0.1:${port}${basePath}`;
  const has: Redirect["has"] = [{ type: "header", key: "host", value: `localhost:${port}` }];
  const anyPage = { source: "/:path((?!api/).*)", has, destination: `${page}/:path`, permanent: false };
  if (!basePath) return [anyPage];
  return [
    anyPage,
    // Below a path, the source of any page is not also that of the first one.
    { source: "/", has, destination: page, permanent: false },
    { source: "/", basePath: false, destination: basePath, permanent: false },
  ];
}

/** The path below which the last build has put the app. A server has no other, see `expectSettings`. */
function builtBasePath(): string | null {
  const manifest = `${frontend}/.next/routes-manifest.json`;
  // Without a build, Next says what is missing.
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).basePath : null;
}

/** The settings of Next.js, for the command that reads them. */
export default function nextConfig(phase: string): NextConfig {
  chosenChat();
  // `next typegen` says that it is a build.
  if (phase === PHASE_PRODUCTION_BUILD && process.argv[2] !== "typegen") expectDomainKey();
  const chosen = chosenBasePath();
  const basePath = (phase === PHASE_PRODUCTION_SERVER ? builtBasePath() : null) ?? chosen;
  // Our own code reads the path too, also in the browser.
  return { ...config, basePath, env: { ...config.env, FRONTEND_BASE_PATH: basePath } };
}
