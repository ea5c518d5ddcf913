import type { NextRequest } from "next/server";

export const REQUEST_ID = "x-request-id";

const WELL_FORMED = /^[A-Za-z0-9_-]{1,64}$/;
const made = new WeakMap<NextRequest, string>();

/**
 * What ties together what a person sees and the logs of both sides: the id that the browser sent, where it is
 * well-formed, else one of our own, the same however often this request is asked about.
 */
export function requestId(request: NextRequest): string {
  const sent = request.headers.get(REQUEST_ID) ?? "";
  if (WELL_FORMED.test(sent)) return sent;
  const id = made.get(request) ?? crypto.randomUUID();
  made.set(request, id);
  return id;
}

/** A message that names the request it is about; the backend's messages may do so already. */
export function namingRequest(message: string, id: string): string {
  return message.includes(`request ${id}`) ? message : `${message} (request ${id})`;
}
