import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import type { NextRequest } from "next/server";
import { isDevelopment } from "@/kit/causes";
import { Failure, requestId } from "@/kit/server/failures";
import { processWide, type Sender } from "@/kit/server/limits";
import { developmentHosts, listed, setting } from "@/kit/settings";

/** Who may ask, as the owner's src/lib/identity.ts says. */
export type Access = {
  /** The owner of the conversations that a request may see; null for nobody. */
  identify: (request: NextRequest) => Promise<string | null>;
  /** Does every browser that opens the page become a guest? */
  guestsAreWelcome: () => boolean;
  /** What a person is told whom `identify` takes for nobody. */
  whyNobody: () => string;
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
  if (!isRead(request)) expectOwnPage(request);
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
function expectOwnPage(request: NextRequest): void {
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
  if (["localhost", ...developmentHosts()].includes(name) || isIP(name.replace(/^\[|\]$/g, ""))) return;
  throw new Failure(
    `In development this page answers at 127.0.0.1 and localhost, and was asked as ${host}. If a tunnel of yours has that ` +
      "name, add it to DEVELOPMENT_HOSTS in frontend/.env.local, and start again.",
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

/**
 * The network address of the browser: of IPv6 its network (`2001:db8:1:2::/64`), as every site has one of those at
 * least. It is that of the connection. Where that is a server which TRUSTED_PROXIES names, it is the last address in
 * `x-forwarded-for` that is none of these: whatever stands before it, anybody can write.
 *
 * @returns null where it is not known.
 * @throws {Failure} TRUSTED_PROXIES holds something else than addresses.
 */
export function clientAddress({ headers }: Request): string | null {
  const peer = parse(peers.getStore() ?? "");
  if (!peer) return null;
  const trusted = trustedProxies();
  // Read no further than needed: there may be thousands that a browser wrote.
  const forwarded = headers.get("x-forwarded-for")?.split(",") ?? [];
  let client: Address | null = peer;
  if (!setting("TRUSTED_PROXIES")) warnOfProxy(peer, parse(forwarded.at(-1) ?? peer.text));
  while (client && trusted.check(client.text, client.family) && forwarded.length > 0) {
    client = parse(forwarded.pop() ?? "");
  }
  return client && networkOf(client);
}

const peers = processWide("peers", () => new AsyncLocalStorage<string | undefined>());

/** Remembers, for all that is done for a request, from which address its connection comes. */
export function rememberPeers(): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    // No header: until the first is set, that could be forged.
    peers.enterWith(request.socket.remoteAddress);
  });
}

/** Does work as for a request that comes from an address. */
export function asFrom<T>(address: string, work: () => T): T {
  return peers.run(address, work);
}

let hasWarned = false;

// Next adds the header where it is missing, with the address of the connection.
function warnOfProxy(peer: Address, forwarded: Address | null = peer): void {
  if (hasWarned || forwarded?.text === peer.text) return;
  hasWarned = true;
  console.warn(
    `${peer.text} sends an x-forwarded-for, which is not trusted. If it is your proxy, set TRUSTED_PROXIES=${peer.text}. ` +
      "Until then all visitors share the limits of one address.",
  );
}

type Address = { text: string; family: "ipv4" | "ipv6" };

// An address as servers write it: perhaps with a port, perhaps with brackets, perhaps IPv4 within IPv6.
function parse(written: string): Address | null {
  const address = written
    .trim()
    .replace(/^\[([^\]]*)\](:\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    .replace(/%.*$/, "");
  if (isIP(address) === 4) return { text: address, family: "ipv4" };
  if (isIP(address) !== 6) return null;
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(text) ?? [];
  if (!high || !low) return { text, family: "ipv6" };
  const bytes = [high, low].flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 255]);
  return { text: bytes.join("."), family: "ipv4" };
}

function networkOf({ text, family }: Address): string {
  if (family === "ipv4") return text;
  const [before = [], after = []] = text.split("::").map((part) => part.split(":").filter(Boolean));
  const zeros = Array(8 - before.length - after.length).fill("0");
  const network = [...before, ...zeros, ...after].slice(0, 4).join(":");
  return `${new URL(`http://[${network}::]`).hostname.slice(1, -1)}/64`;
}

let known: { written: string; list: BlockList } | undefined;

/**
 * The servers whose `x-forwarded-for` is believed.
 *
 * @throws {Failure} TRUSTED_PROXIES holds something else than addresses.
 */
export function trustedProxies(): BlockList {
  const written = setting("TRUSTED_PROXIES");
  if (known?.written === written) return known.list;
  const list = new BlockList();
  for (const entry of listed("TRUSTED_PROXIES")) {
    const [host = "", length] = entry.split("/");
    const address = parse(host);
    const bits = address?.family === "ipv4" ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (!address || !/^\d+$/.test(length ?? "0") || prefix > bits) {
      throw new Failure(`TRUSTED_PROXIES has "${entry}", which is no address, and no range like 10.0.0.0/8.`);
    }
    list.addSubnet(address.text, prefix, address.family);
  }
  known = { written, list };
  return list;
}
