import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { NextConfig } from "next";
import { PHASE_PRODUCTION_BUILD, PHASE_PRODUCTION_SERVER } from "next/constants";
import { chosenBasePath, chosenChat, developmentHosts, expectDomainKey } from "./src/kit/settings";

const frontend = fileURLToPath(new URL(".", import.meta.url));
const basePath = chosenBasePath();
const development = process.env.NODE_ENV === "development";
const port = process.env.PORT ?? "3000";
const page = `http://127.0.0.1:${port}${basePath}`;
const AT_LOCALHOST = [{ type: "header" as const, key: "host", value: `localhost:${port}` }];
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
  // A browser keeps the cookies of localhost and of 127.0.0.1 apart: under two names it would be two guests.
  // Not in src/proxy.ts, where Next takes the two names for one and would make a loop of it.
  redirects: async () =>
    development
      ? [
          {
            source: "/:path((?!api/).*)",
            has: AT_LOCALHOST,
            destination: `${page}/:path`,
            permanent: false,
          },
          // Below a path, the source above is not also that of the page itself.
          ...(basePath
            ? [
                { source: "/", has: AT_LOCALHOST, destination: page, permanent: false },
                { source: "/", basePath: false as const, destination: basePath, permanent: false },
              ]
            : []),
        ]
      : [],
  // Without a root Next looks for lock files in the folders above, and may take a stranger's for ours.
  turbopack: { root: frontend },
  outputFileTracingRoot: frontend,
  // File systems that report no changes, such as /mnt/c in WSL, have to be asked.
  ...(pollIntervalMs > 0 && { watchOptions: { pollIntervalMs } }),
};

/** The path below which the last build has put the app. A server has no other, see `expectSettings`. */
function builtBasePath(): string {
  const manifest = `${frontend}/.next/routes-manifest.json`;
  if (!existsSync(manifest)) return basePath; // Next says what is missing
  return JSON.parse(readFileSync(manifest, "utf8")).basePath;
}

/** The settings of Next.js, for the command that reads them. */
export default function nextConfig(phase: string): NextConfig {
  chosenChat();
  // `next typegen` says that it is a build.
  if (phase === PHASE_PRODUCTION_BUILD && process.argv[2] !== "typegen") expectDomainKey();
  const below = phase === PHASE_PRODUCTION_SERVER ? builtBasePath() : basePath;
  // Our own code reads the path too, also in the browser.
  return { ...config, basePath: below, env: { ...config.env, FRONTEND_BASE_PATH: below } };
}
