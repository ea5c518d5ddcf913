import { availableParallelism } from "node:os";
import { defineConfig } from "@playwright/test";
import { FLAGS, findChromium, RESULTS } from "./tests/page/servers";

const executablePath = findChromium();

// All tests share a backend and a page's server: whoever comes is a new guest. Not retried: what works at times is broken.
export default defineConfig({
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
  use: {
    screenshot: "only-on-failure",
    launchOptions: { args: FLAGS, ...(executablePath && { executablePath }) },
  },
});
