import type { NextRequest } from "next/server";
import { handleRoute } from "@/kit/server/proxy";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/**
 * The backend's routes that a browser may call at /api/backend/…: add yours. `{…}` stands for one
 * segment of the path, made of letters, digits, - and _. All other routes answer 404.
 */
const ROUTES = ["GET /conversations/{conversation_id}/count"];

function answer(request: NextRequest): Promise<Response> {
  return handleRoute(request, access, ROUTES);
}

export { answer as DELETE, answer as GET, answer as PATCH, answer as POST, answer as PUT };
