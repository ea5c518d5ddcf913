import type { NextRequest } from "next/server";

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
