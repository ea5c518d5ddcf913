import { createRequire } from "node:module";

// `next start` reads PORT, and listens on every interface unless it is told otherwise. Not HOSTNAME: that is
// the machine's own name in containers and in many shells.
process.argv.splice(2, 0, "start", "-H", process.env.FRONTEND_HOST || "127.0.0.1");
createRequire(import.meta.url)("next/dist/bin/next");
