import type { NextRequest } from "next/server";
import { handleRoute } from "@/kit/server/proxy";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/**
 * The routes of the backend that a browser may ask for, at /api/backend/…: add yours. `{…}` stands for one part of a path,
 * of letters, digits, - and _. All others are not there.
 */
const ROUTES = ["GET /conversations/{conversation_id}/count"];

function answer(request: NextRequest): Promise<Response> {
  return handleRoute(request, access, ROUTES);
}

export { answer as DELETE, answer as GET, answer as PATCH, answer as POST, answer as PUT };
