import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  // Not isolated: no test leaves anything behind, and each file would load Next anew.
  test: { isolate: false, include: ["tests/**/*.test.ts"], testTimeout: 60_000 },
});
