import type { NextRequest } from "next/server";
import { handleDocument } from "@/kit/server/guest";
import { contentSecurityPolicy } from "@/lib/content-security-policy";
import * as access from "@/lib/identity";

/**
 * Handles the requests for all documents. Next.js calls this file "proxy" (formerly "middleware").
 * The proxy to the backend is src/app/api/chatkit/route.ts.
 */
export function proxy(request: NextRequest): Promise<Response> {
  return handleDocument(request, access, contentSecurityPolicy);
}

// Documents only: no API, no files, and nothing that the page's own router fetches in advance. A document that
// the browser fetches in advance is opened as it came, without asking again: its cookie must be there.
export const config = {
  matcher: [
    // Below a path (FRONTEND_BASE_PATH) the second source is not also that of the page itself.
    { source: "/", missing: [{ type: "header", key: "next-router-prefetch" }] },
    {
      source: "/((?!api/|_next/|.*\\.).*)",
      missing: [{ type: "header", key: "next-router-prefetch" }],
    },
  ],
};
