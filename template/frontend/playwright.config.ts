import { availableParallelism } from "node:os";
import { defineConfig } from "@playwright/test";
import { FLAGS, findBrowser } from "./tests/page/browser";
import type { Options } from "./tests/page/person";
import { RESULTS } from "./tests/page/servers";

const executablePath = findBrowser();

// All tests share one backend and one page's server, because each person is a new guest. No test is
// retried: what works only sometimes is broken.
export default defineConfig<Options>({
  testDir: "tests",
  testMatch: "**/*.spec.ts",
  outputDir: RESULTS,
  globalSetup: "./tests/page/servers.ts",
  fullyParallel: true,
  workers: Math.min(4, availableParallelism()),
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: "list",
  projects: [
    { name: "chatkit" },
    { name: "basic", testMatch: "page/conversation.spec.ts", use: { chat: "basic" } },
  ],
  use: {
    screenshot: "only-on-failure",
    launchOptions: { args: FLAGS, ...(executablePath && { executablePath }) },
  },
});
