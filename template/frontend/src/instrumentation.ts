/** Next.js calls this once, before its server answers the first request. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { start } = await import("@/kit/server/status");
    start();
  }
}
