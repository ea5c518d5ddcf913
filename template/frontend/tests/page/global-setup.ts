import { expectBuild, plainError } from "./built";
import { findChromium, whyNoChromium } from "./chromium";

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
