import { defineConfig } from "@playwright/test";
import { FLAGS, findChromium } from "./tests/page/chromium";
import { RESULTS } from "./tests/page/servers";

const executablePath = findChromium();

// One worker: all tests share a backend and a page's server. Not retried: what works at times is broken.
export default defineConfig({
  testDir: "tests",
  testMatch: "**/*.spec.ts",
  outputDir: RESULTS,
  globalSetup: "./tests/page/chromium.ts",
  workers: 1,
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
