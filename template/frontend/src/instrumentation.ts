/** Next.js calls this once, before its server answers anybody. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { expectSettings } = await import("@/lib/start");
    const { watchConnections } = await import("@/lib/connections");
    try {
      expectSettings();
    } catch (error) {
      // Next would go on, and answer nobody.
      console.error(error instanceof Error ? error.message : error);
      process.exit(1);
    }
    watchConnections();
  }
}
