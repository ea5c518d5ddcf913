import type { NextRequest } from "next/server";
import { handleAttachments } from "@/kit/server/proxy";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

/** ChatKit uploads a file here when its `uploadStrategy` is `direct`. */
export function POST(request: NextRequest): Promise<Response> {
  return handleAttachments(request, access);
}
