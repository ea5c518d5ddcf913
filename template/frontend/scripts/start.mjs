import { createRequire } from "node:module";

// `next start` reads PORT but not HOSTNAME, and listens on every interface unless it is told otherwise.
process.argv.splice(2, 0, "start", "-H", process.env.HOSTNAME || "127.0.0.1");
createRequire(import.meta.url)("next/dist/bin/next");
