import type { NextRequest } from "next/server";
import { answerChatKit } from "@/lib/chatkit-proxy";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** ChatKit's one endpoint: every request of the page goes through here to the backend. */
export function POST(request: NextRequest): Promise<Response> {
  return answerChatKit(request);
}
