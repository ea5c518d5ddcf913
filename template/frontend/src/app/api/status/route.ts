import type { NextRequest } from "next/server";
import { handleStatus } from "@/kit/server/status";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** Whether this browser's person can chat: the page asks once, when it is opened. */
export function GET(request: NextRequest): Promise<Response> {
  return handleStatus(request, access);
}
