import { defineConfig } from "@playwright/test";
import own from "../../../playwright.config";
import type { Options } from "../../page/person";

// Not tests of anything: scripts/pictures.py of the template runs them for the pictures of its documents.
export default defineConfig<Options>({
  ...own,
  testDir: ".",
  testMatch: "take.ts",
  globalSetup: [],
  workers: 1,
  projects: [{ name: "pictures", use: { chat: "basic" } }],
});
