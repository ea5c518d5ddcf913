export const dynamic = "force-dynamic";

/** Whether the page's server runs. It asks nobody: whether a person can chat is at /api/status. */
export function GET(): Response {
  return Response.json({ status: "ok" }, { headers: { "cache-control": "no-store" } });
}
