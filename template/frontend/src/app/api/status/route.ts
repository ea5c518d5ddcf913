import type { NextRequest } from "next/server";
import { answerStatus } from "@/lib/status";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** Whether this browser's person can chat: the page asks once, when it is opened. */
export function GET(request: NextRequest): Promise<Response> {
  return answerStatus(request);
}
