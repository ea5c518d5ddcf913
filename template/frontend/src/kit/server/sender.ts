import { isIP } from "node:net";
import type { NextRequest } from "next/server";
import { isDevelopment } from "@/kit/causes";
import { clientAddress } from "@/kit/server/connections";
import { Failure, requestId } from "@/kit/server/failures";
import type { Sender } from "@/kit/server/limits";

/** Who may ask, which the owner's files say: src/lib/access.ts puts them together. */
export type Access = {
  /** The owner of the conversations that a request may see; null for nobody. */
  identify: (request: NextRequest) => Promise<string | null>;
  /** Does every browser that opens the page become a guest? */
  guestsAreWelcome: () => boolean;
  /** What a person is told whom `identify` takes for nobody. */
  whyNobody: () => string;
  /** The names besides localhost under which a browser may open the page in development. */
  developmentHosts: string[];
};

/** Does a request change nothing? */
export function isRead({ method }: NextRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * Who sends a request, which is known before any of its body is read.
 *
 * @throws {Failure} They are nobody that we know, or send it from another page than ours; or a setting is wrong.
 */
export async function senderOf(request: NextRequest, access: Access): Promise<Sender> {
  if (!isRead(request)) expectOwnPage(request, access);
  const address = clientAddress(request);
  const owner = await access.identify(request);
  if (!owner) throw new Failure(access.whyNobody(), 401, "not-signed-in");
  return { owner, address };
}

/**
 * Makes sure that no page of another site has a browser change something in its person's name: browsers send our cookies
 * along with requests from other sites of the same domain.
 *
 * Whoever says nothing of where the request comes from is no browser, or an old one.
 *
 * @throws {Failure} The request comes from another page than ours.
 */
function expectOwnPage(request: NextRequest, { developmentHosts }: Access): void {
  expectOwnName(request, developmentHosts);
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

function expectOwnName({ headers }: NextRequest, developmentHosts: string[]): void {
  const host = headers.get("host");
  if (!isDevelopment() || host === null) return;
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
  // An address is no name that could lead elsewhere.
  if (["localhost", ...developmentHosts].includes(name) || isIP(name.replace(/^\[|\]$/g, ""))) return;
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

/**
 * The origin under which the browser sees the page, such as `https://chat.example.com`: a server in front of
 * this one tells it by x-forwarded-proto and x-forwarded-host.
 */
export function pageOrigin(request: NextRequest): string {
  const scheme = forwarded(request, "proto") ?? request.nextUrl.protocol;
  const hosts = [forwarded(request, "host"), request.headers.get("host"), request.nextUrl.host];
  const addresses = hosts.map((host) => `${scheme.startsWith("https") ? "https" : "http"}://${host ?? ""}`);
  return new URL(addresses.find((address) => URL.canParse(address)) ?? request.nextUrl).origin;
}

// Each server on the way adds its own to the end: the first is the one that the browser met.
function forwarded(request: NextRequest, what: "proto" | "host"): string | undefined {
  return request.headers.get(`x-forwarded-${what}`)?.split(",")[0]?.trim() || undefined;
}
