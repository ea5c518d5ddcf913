import type { NextRequest } from "next/server";
import { answerAttachments } from "@/lib/attachments-proxy";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** ChatKit uploads a file here when its `uploadStrategy` is `direct`. */
export function POST(request: NextRequest): Promise<Response> {
  return answerAttachments(request);
}
