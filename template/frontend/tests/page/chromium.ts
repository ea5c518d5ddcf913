import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "@playwright/test";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** For machines without a GPU, a network and a microphone, and for root, whom the sandbox does not serve. */
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

/** The browser of this machine: CHROMIUM, one on the PATH, or Playwright's own; null where there is none. */
export function findChromium(): string | null {
  const { CHROMIUM, PATH = "" } = process.env;
  if (CHROMIUM) return existsSync(CHROMIUM) ? CHROMIUM : null;
  const folders = PATH.split(delimiter).filter(Boolean);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, chromium.executablePath()].find(existsSync) ?? null;
}

/** What a person is told on whose machine there is no browser. */
export function whyNoChromium(): string {
  const { CHROMIUM } = process.env;
  if (CHROMIUM) return `CHROMIUM is ${CHROMIUM}, and there is no such file.`;
  return (
    "There is no Chromium on this machine, in which the page could be tested. Get one with your package manager, " +
    "or with `npx playwright install chromium` in frontend/; or set CHROMIUM to the path of one."
  );
}
