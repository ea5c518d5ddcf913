import type { NextRequest } from "next/server";
import { Failure } from "@/lib/failure";
import { pageOrigin } from "@/lib/page-origin";
import { requestId } from "@/lib/request-id";

/**
 * Makes sure that no page of another site has a browser change something in its person's name: browsers send our cookies
 * along with requests from other sites of the same domain.
 *
 * Whoever says nothing of where the request comes from is no browser, or an old one.
 *
 * @throws {Failure} The request comes from another page than ours.
 */
export function expectOwnPage(request: NextRequest): void {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  const here = pageOrigin(request);
  const isOurs =
    site === null
      ? origin === null || hostOf(origin) === hostOf(here)
      : site === "same-origin" || site === "none";
  if (isOurs) return;
  console.warn(
    `A request from another page is refused (request ${requestId(request)}): the browser says ${site ?? origin}, and the ` +
      `page is at ${here} by the headers host, x-forwarded-host and x-forwarded-proto.`,
  );
  throw new Failure(
    "This request comes from another page. Open the page of this chat, and try again there.",
    403,
  );
}

// Without the scheme: whether it is https, only a server in front of this one may know.
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host.replace(/:(80|443)$/, "") : null;
}
