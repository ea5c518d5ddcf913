import { BlockList, isIP } from "node:net";
import { peerAddress } from "@/lib/connections";
import { setting } from "@/lib/environment";
import { Failure } from "@/lib/failure";

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
