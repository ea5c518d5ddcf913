import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { Failure } from "@/kit/server/failures";
import { processWide } from "@/kit/server/limits";
import { setting } from "@/kit/settings";

/**
 * The network address of the browser: of IPv6 its network (`2001:db8:1:2::/64`), as every site has one of those at
 * least. It is that of the connection. Where that is a server which TRUSTED_PROXIES names, it is the last address in
 * `x-forwarded-for` that is none of these: whatever stands before it, anybody can write.
 *
 * @returns null where it is not known.
 * @throws {Failure} TRUSTED_PROXIES holds something else than addresses.
 */
export function clientAddress({ headers }: Request): string | null {
  const peer = parse(peerAddress() ?? "");
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

let hasWarned = false;

// Next adds the header where it is missing, with the address of the connection.
function warnOfProxy(peer: Address, forwarded: Address | null = peer): void {
  if (hasWarned || forwarded?.text === peer.text) return;
  hasWarned = true;
  console.warn(
    `${peer.text} sends an x-forwarded-for, which is not believed. If it is your proxy, set TRUSTED_PROXIES=${peer.text}: ` +
      "until then all visitors are one address to the limits.",
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

let known: { listed: string; list: BlockList } | undefined;

/**
 * The servers whose `x-forwarded-for` is believed.
 *
 * @throws {Failure} TRUSTED_PROXIES holds something else than addresses.
 */
export function trustedProxies(): BlockList {
  const listed = setting("TRUSTED_PROXIES");
  if (known?.listed === listed) return known.list;
  const list = new BlockList();
  for (const entry of listed.split(",").filter((part) => part.trim())) {
    const [written = "", length] = entry.trim().split("/");
    const address = parse(written);
    const bits = address?.family === "ipv4" ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (!address || !/^\d+$/.test(length ?? "0") || prefix > bits) {
      throw new Failure(
        `TRUSTED_PROXIES has "${entry.trim()}", which is no address, and no range like 10.0.0.0/8.`,
      );
    }
    list.addSubnet(address.text, prefix, address.family);
  }
  known = { listed, list };
  return list;
}

// Bodies that nobody counts elsewhere: those that were answered before their end, as with 401, and those that come to a
// page. The first go on for as long as most browsers need to send it all and look at their answer; Next waits for the
// others, and no page of ours takes any.
const LEFT_OVER = { most: 50, milliseconds: 2000 };
const TO_A_PAGE = { most: 10, milliseconds: 10_000 };

type Bounds = typeof LEFT_OVER;
type Exchange = { request: IncomingMessage };

const peers = processWide("peers", () => new AsyncLocalStorage<string | undefined>());
const isWatching = processWide("connections", () => ({ yes: false }));
const going = processWide("bodies", () => new Map<Bounds, number>());

/** Looks at every request before Next does, and after it. Once is enough for a process. */
export function watchConnections(): void {
  if (isWatching.yes) return;
  isWatching.yes = true;
  subscribe("http.server.request.start", (message) => {
    const { request } = message as Exchange;
    // What is done for the request from here on finds it. No header: until the first is set, that could be forged.
    peers.enterWith(request.socket.remoteAddress);
    if (hasBody(request) && !request.url?.startsWith("/api/")) endWithin(TO_A_PAGE, request);
  });
  subscribe("http.server.response.finish", (message) => {
    const { request } = message as Exchange;
    // Node would read on for as long as the sender likes.
    if (!request.complete) endWithin(LEFT_OVER, request);
  });
}

/** The address at the other end of the connection of the request that is being answered, where it is known. */
export function peerAddress(): string | undefined {
  return peers.getStore();
}

/** Does work as for a request that comes from an address. */
export function asFrom<T>(address: string, work: () => T): T {
  return peers.run(address, work);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Closes the connection of a request whose body has not ended in time, or at once where too many do so. */
function endWithin(bounds: Bounds, request: IncomingMessage): void {
  const { socket } = request;
  const others = going.get(bounds) ?? 0;
  if (others >= bounds.most) {
    socket.destroySoon();
    return;
  }
  going.set(bounds, others + 1);
  const timer = setTimeout(() => socket.destroy(), bounds.milliseconds);
  const over = () => {
    clearTimeout(timer);
    request.off("end", over);
    socket.off("close", over);
    going.set(bounds, (going.get(bounds) ?? 1) - 1);
  };
  request.on("end", over);
  socket.on("close", over);
}
