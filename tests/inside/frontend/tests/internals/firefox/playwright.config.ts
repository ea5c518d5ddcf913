import { defineConfig } from "@playwright/test";
import own from "../../../playwright.config";
import type { Options } from "../../page/person";

// A Firefox that the system has, at the path in CHROMIUM: Playwright's own is not to be had everywhere.
export default defineConfig<Options>({
  ...own,
  testDir: ".",
  testMatch: ["alone.ts", "conversation.ts"],
  globalSetup: "../../page/servers.ts",
  projects: [
    {
      name: "firefox",
      use: {
        chat: "basic",
        browserName: "firefox",
        channel: "moz-firefox",
        launchOptions: { executablePath: process.env.CHROMIUM ?? "" },
      },
    },
  ],
});
