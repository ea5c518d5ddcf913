import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "@playwright/test";
import { FRONTEND } from "./servers";

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

const NOT_BUILT =
  "The page is not built, and it is tested as it is in production: run `npm run build` first.";

/**
 * Makes sure that there is a page to start.
 *
 * @throws {Error} It is not built.
 */
export function expectBuild(): void {
  if (!existsSync(join(FRONTEND, ".next", "BUILD_ID"))) throw plainError(NOT_BUILT);
}

/** An error for people: where in the tests it was thrown would help nobody. */
function plainError(reason: string): Error {
  return Object.assign(new Error(reason), { stack: reason });
}

/** Says once what is missing. Without a browser the tests are skipped, but where CI runs nothing is. */
export default function requireWhatTestsNeed(): void {
  if (findChromium()) {
    expectBuild();
  } else {
    const reason = whyNoChromium();
    if (process.env.CI) throw plainError(reason);
    console.warn(`The tests of the page are skipped. ${reason}`);
  }
}
