import { defineConfig } from "@playwright/test";
import own from "../../../playwright.config";

// The project that somebody has just started answers: no other server is needed, and no build.
export default defineConfig({
  ...own,
  testDir: ".",
  testMatch: "first-visit.ts",
  globalSetup: [],
  projects: [{ name: "newcomer" }],
});
