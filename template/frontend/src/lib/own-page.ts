import { isIP } from "node:net";
import type { NextRequest } from "next/server";
import { DEVELOPMENT_HOSTS } from "@/lib/development-hosts";
import { isDevelopment } from "@/lib/disclosure";
import { Failure } from "@/lib/failure";
import { pageOrigin } from "@/lib/page-origin";
import { requestId } from "@/lib/request-id";

/** Does a request change nothing? */
export function isRead({ method }: NextRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * Makes sure that no page of another site has a browser change something in its person's name: browsers send our cookies
 * along with requests from other sites of the same domain.
 *
 * Whoever says nothing of where the request comes from is no browser, or an old one.
 *
 * @throws {Failure} The request comes from another page than ours.
 */
export function expectOwnPage(request: NextRequest): void {
  expectOwnName(request);
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  const here = pageOrigin(request);
  const isOurs =
    site === null
      ? origin === null || hostOf(origin) === hostOf(here)
      : site === "same-origin" || site === "none";
  if (isOurs) return;
  // Of the origin no more than the host: anybody can write it, and it goes to the log.
  const from = site ?? hostOf(origin ?? "") ?? "null";
  console.warn(
    `A request from another page is refused (request ${requestId(request)}): the browser says ${from}, and the ` +
      `page is at ${here} by the headers host, x-forwarded-host and x-forwarded-proto.`,
  );
  throw new Failure(
    "This request comes from another page. Open the page of this chat, and try again there.",
    403,
  );
}

function expectOwnName({ headers }: NextRequest): void {
  const host = headers.get("host");
  if (!isDevelopment() || host === null) return;
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
  // An address is no name that could lead elsewhere.
  if (["localhost", ...DEVELOPMENT_HOSTS].includes(name) || isIP(name.replace(/^\[|\]$/g, ""))) return;
  throw new Failure(
    `In development this page answers at 127.0.0.1 and localhost, and was asked as ${host}. If a tunnel of yours has that ` +
      "name, add it to DEVELOPMENT_HOSTS in src/lib/development-hosts.ts.",
    403,
    "dev-origin-blocked",
  );
}

// Without the scheme: whether it is https, only a server in front of this one may know.
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host.replace(/:(80|443)$/, "") : null;
}
