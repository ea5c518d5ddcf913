import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { asFrom, clientAddress } from "@/kit/server/sender";

beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => {}));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function addressOf(peer: string, forwarded?: string, trusted = ""): string | null {
  vi.stubEnv("TRUSTED_PROXIES", trusted);
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return asFrom(peer, () => clientAddress(new Request("http://page.example", { headers })));
}

test("a proxy that nobody trusts is named in the log, once, with what to set", () => {
  for (const peer of ["10.0.0.1", "10.0.0.2"]) addressOf(peer, "203.0.113.7");
  expect(vi.mocked(console.warn).mock.calls.flat()).toEqual([
    "10.0.0.1 sends an x-forwarded-for, which is not trusted. If it is your proxy, set TRUSTED_PROXIES=10.0.0.1. " +
      "Until then all visitors share the limits of one address.",
  ]);
});

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1::7", "2001:db8:1::/64"],
  ["2001:db8:1:2::7", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80::/64"],
  ["::1", "::/64"],
])("of a connection from %s it is %s", (peer, expected) => {
  expect(addressOf(peer)).toBe(expected);
});

test("it is not known outside of a server, and never taken from a header there", () => {
  vi.stubEnv("TRUSTED_PROXIES", "0.0.0.0/0,::/0");
  const headers = { "x-forwarded-for": "203.0.113.7" };
  expect(clientAddress(new Request("http://page.example", { headers }))).toBeNull();
});

test.each([
  ["nobody is trusted", "10.0.0.1", "203.0.113.7", "", "10.0.0.1"],
  ["another server is trusted", "10.0.0.1", "203.0.113.7", "10.0.0.2", "10.0.0.1"],
])("a forwarded address is not believed where %s", (_, peer, forwarded, trusted, expected) => {
  expect(addressOf(peer, forwarded, trusted)).toBe(expected);
});

test.each([
  ["by its address", "10.0.0.1", "203.0.113.7", "10.0.0.1", "203.0.113.7"],
  ["by its range", "10.9.8.7", "203.0.113.7", "192.168.0.0/16, 10.0.0.0/8", "203.0.113.7"],
  ["as IPv4 within IPv6", "::ffff:10.0.0.1", "203.0.113.7", "10.0.0.1", "203.0.113.7"],
  ["as IPv6", "fd00::5", "2001:db8:1:2::7", "fd00::/8", "2001:db8:1:2::/64"],
  ["and writes ports", "10.0.0.1", "203.0.113.7:5678", "10.0.0.1", "203.0.113.7"],
  ["and writes brackets", "10.0.0.1", "[2001:db8:1:2::7]:5678", "10.0.0.1", "2001:db8:1:2::/64"],
  ["and says nothing", "10.0.0.1", undefined, "10.0.0.1", "10.0.0.1"],
  ["behind another", "10.0.0.1", "203.0.113.7, 10.0.0.9", "10.0.0.0/8", "203.0.113.7"],
  ["and a browser wrote more", "10.0.0.1", "198.51.100.1, 203.0.113.7", "10.0.0.1", "203.0.113.7"],
  ["and all are", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"],
])("it is the one that a server forwards that is trusted %s", (_, peer, forwarded, trusted, expected) => {
  expect(addressOf(peer, forwarded, trusted)).toBe(expected);
});

test("it is not known where a trusted server forwards no address", () => {
  expect(addressOf("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1")).toBeNull();
});

test("of thousands of addresses that a browser wrote none is parsed", () => {
  const parsed = vi.spyOn(globalThis, "URL");
  expect(addressOf("10.0.0.1", `${"::1,".repeat(3900)}203.0.113.7`, "10.0.0.1")).toBe("203.0.113.7");
  expect(parsed.mock.calls.filter(([url]) => String(url).includes("[::1]"))).toEqual([]);
});

test.each(["proxy.example", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "fd00::/129"])(
  "TRUSTED_PROXIES=%s is refused with words",
  (trusted) => {
    expect(() => addressOf("10.0.0.1", "203.0.113.7", trusted)).toThrow(
      `TRUSTED_PROXIES has "${trusted}", which is no address, and no range like 10.0.0.0/8.`,
    );
  },
);
