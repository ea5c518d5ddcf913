import { fileURLToPath } from "node:url";

/** Where things lie. */
export const FRONTEND = fileURLToPath(new URL("../..", import.meta.url));
export const BACKEND = fileURLToPath(new URL("../../../backend", import.meta.url));
/** What the tests leave behind: pictures and logs. Playwright empties it before each run. */
export const RESULTS = fileURLToPath(new URL("../../test-results", import.meta.url));
