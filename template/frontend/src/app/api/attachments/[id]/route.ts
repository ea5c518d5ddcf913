import type { NextRequest } from "next/server";
import { handleAttachments } from "@/kit/server/proxy";
import * as access from "@/lib/identity";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

type Context = { params: Promise<{ id: string }> };

async function answer(request: NextRequest, { params }: Context): Promise<Response> {
  return handleAttachments(request, access, (await params).id);
}

/** Downloads an attachment. */
export const GET = answer;

/** The second phase of an upload when ChatKit's `uploadStrategy` is `two_phase`. */
export const POST = answer;
