/** Next.js calls this once, before its server answers anybody. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { trustedProxies } = await import("@/lib/client-address");
  const { watchConnections } = await import("@/lib/connections");
  trustedProxies();
  watchConnections();
}
