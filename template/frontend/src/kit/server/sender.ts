import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import type { NextRequest } from "next/server";
import { isDevelopment } from "@/kit/causes";
import { Failure, requestId } from "@/kit/server/failures";
import { processWide, type Sender } from "@/kit/server/limits";
import { developmentHosts, listed, setting } from "@/kit/settings";

/** Who may use the chat. The owner's src/lib/identity.ts says so. */
export type Access = {
  /** The owner of the conversations that a request may see; null for nobody. */
  identify: (request: NextRequest) => Promise<string | null>;
  /** Whether every browser that opens the page becomes a guest. */
  guestsAreWelcome: () => boolean;
  /** The message for a person whom `identify` does not know. */
  whyNobody: () => string;
};

/** Whether a request only reads. */
export function isRead({ method }: NextRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * Identifies the sender of a request, before any of its body is read.
 *
 * @throws {Failure} We do not know the sender, the request comes from a page that is not ours, or a
 * setting is wrong.
 */
export async function senderOf(request: NextRequest, access: Access): Promise<Sender> {
  if (!isRead(request)) expectOwnPage(request);
  const address = clientAddress(request);
  const owner = await access.identify(request);
  if (!owner) throw new Failure(access.whyNobody(), 401, "not-signed-in");
  return { owner, address };
}

/**
 * Makes sure that no page of another site changes something in the name of the person. Browsers
 * send our cookies even with requests from other sites of the same domain.
 *
 * A request that does not say where it comes from passes: its sender is no browser, or an old one.
 *
 * @throws {Failure} The request comes from a page that is not ours.
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
  // Only the host of the origin goes to the log, because anybody can write an origin.
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
  // An address is safe, because no website can point it at this machine.
  if (["localhost", ...developmentHosts()].includes(name) || isIP(name.replace(/^\[|\]$/g, ""))) return;
  throw new Failure(
    `In development this page answers at 127.0.0.1 and localhost, and was asked as ${host}. If a tunnel of yours has that ` +
      "name, add it to DEVELOPMENT_HOSTS in frontend/.env.local, and start again.",
    403,
    "dev-origin-blocked",
  );
}

// This leaves the scheme out, because perhaps only a server in front of this one knows whether it
// is https.
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host.replace(/:(80|443)$/, "") : null;
}

/**
 * The origin under which the browser sees the page, such as `https://chat.example.com`. A server in
 * front of this one sets it in x-forwarded-proto and x-forwarded-host.
 */
export function pageOrigin(request: NextRequest): string {
  const scheme = forwarded(request, "proto") ?? request.nextUrl.protocol;
  const hosts = [forwarded(request, "host"), request.headers.get("host"), request.nextUrl.host];
  const addresses = hosts.map((host) => `${scheme.startsWith("https") ? "https" : "http"}://${host ?? ""}`);
  return new URL(addresses.find((address) => URL.canParse(address)) ?? request.nextUrl).origin;
}

// Each server on the way adds its value to the end, so the first is from the server that the
// browser met.
function forwarded(request: NextRequest, what: "proto" | "host"): string | undefined {
  return request.headers.get(`x-forwarded-${what}`)?.split(",")[0]?.trim() || undefined;
}

/**
 * The network address of the browser. Usually this is the address of the connection. If the
 * connection comes from a trusted proxy, it is the last address in `x-forwarded-for` that is not a
 * trusted proxy: anybody can write the addresses before that one. An IPv6 address counts as its
 * network (`2001:db8:1:2::/64`), because every site has at least one such network.
 *
 * @returns null if the address is not known.
 * @throws {Failure} TRUSTED_PROXIES has an entry that is neither an address nor a range.
 */
export function clientAddress({ headers }: Request): string | null {
  const peer = parse(peers.getStore() ?? "");
  if (!peer) return null;
  const trusted = trustedProxies();
  // This reads no further than needed, because a browser may have written thousands of addresses.
  const forwarded = headers.get("x-forwarded-for")?.split(",") ?? [];
  let client: Address | null = peer;
  if (!setting("TRUSTED_PROXIES")) warnOfProxy(peer, parse(forwarded.at(-1) ?? peer.text));
  while (client && trusted.check(client.text, client.family) && forwarded.length > 0) {
    client = parse(forwarded.pop() ?? "");
  }
  return client && networkOf(client);
}

const peers = processWide("peers", () => new AsyncLocalStorage<string | undefined>());

/** Remembers the address of a request's connection for everything that is done for this request. */
export function rememberPeers(): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    // This is not in a header, because a browser could forge the header.
    peers.enterWith(request.socket.remoteAddress);
  });
}

/** Does work as if for a request that comes from an address. */
export function asFrom<T>(address: string, work: () => T): T {
  return peers.run(address, work);
}

let hasWarned = false;

// If the header is missing, Next adds it with the address of the connection. So the same address
// means that there is no proxy.
function warnOfProxy(peer: Address, forwarded: Address | null = peer): void {
  if (hasWarned || forwarded?.text === peer.text) return;
  hasWarned = true;
  console.warn(
    `${peer.text} sends an x-forwarded-for, which is not trusted. If it is your proxy, set TRUSTED_PROXIES=${peer.text}. ` +
      "Until then all visitors share the limits of one address.",
  );
}

type Address = { text: string; family: "ipv4" | "ipv6" };

// Servers write an address in several ways: with a port, with brackets, or as IPv4 within IPv6.
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
 * The servers whose `x-forwarded-for` is trusted.
 *
 * @throws {Failure} TRUSTED_PROXIES has an entry that is neither an address nor a range.
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
