import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { processWide } from "@/lib/process-wide";

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
