import type { NextRequest } from "next/server";
import { PAGE_NAMES } from "@/components/chat/page-context";
import { handleChatKit } from "@/kit/server/proxy";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** ChatKit's one endpoint: every request of the page goes through here to the backend. */
export function POST(request: NextRequest): Promise<Response> {
  return handleChatKit(request, access, PAGE_NAMES);
}
