import { existsSync } from "node:fs";
import { join } from "node:path";
import { FRONTEND } from "./paths";

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
export function plainError(reason: string): Error {
  return Object.assign(new Error(reason), { stack: reason });
}
