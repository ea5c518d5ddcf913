import { createRequire } from "node:module";

// `next start` reads PORT, but listens on every interface by default. The address does not come
// from HOSTNAME, because containers and many shells set that to the machine's own name.
process.argv.splice(2, 0, "start", "-H", process.env.FRONTEND_HOST || "127.0.0.1");
createRequire(import.meta.url)("next/dist/bin/next");
