import { existsSync } from "node:fs";
import { join } from "node:path";
import { findChromium, whyNoChromium } from "./chromium";
import { FRONTEND } from "./paths";

const NOT_BUILT =
  "The page is not built, and it is tested as it is in production: run `npm run build` first.";

/** Says once what is missing. Without a browser the tests are skipped, but where CI runs nothing is. */
export default function requireWhatTestsNeed(): void {
  if (!findChromium()) {
    const reason = whyNoChromium();
    if (process.env.CI) throw missing(reason);
    console.warn(`The tests of the page are skipped. ${reason}`);
  } else if (!existsSync(join(FRONTEND, ".next", "BUILD_ID"))) {
    throw missing(NOT_BUILT);
  }
}

function missing(reason: string): Error {
  // Where in this file it was thrown would help nobody.
  return Object.assign(new Error(reason), { stack: reason });
}
