import { type NextRequest, NextResponse } from "next/server";
import { Failure, logFailure, REQUEST_ID, requestId } from "@/kit/server/failures";
import { GUEST_SECONDS, guestCookie, guestOf, newGuest, schemeOf, signGuest } from "@/kit/server/guest";
import { type Access, isRead } from "@/kit/server/sender";

const POLICY = "content-security-policy";

/**
 * Gives a document its guest cookie, before the page can ask for anything: were the cookie set by an API call, two calls
 * at once would make two guests. And its content security policy.
 *
 * @param contentSecurityPolicy What the document may load, by the nonce of its own scripts.
 */
export async function handleDocument(
  request: NextRequest,
  { guestsAreWelcome }: Access,
  contentSecurityPolicy: (nonce: string) => string,
): Promise<Response> {
  const policy = contentSecurityPolicy(Buffer.from(crypto.randomUUID()).toString("base64"));
  // Next finds the nonce for its own scripts in the request.
  const headers = new Headers(request.headers);
  headers.set(POLICY, policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set(POLICY, policy);
  response.headers.set(REQUEST_ID, requestId(request));
  try {
    // A form of another site comes without our cookie: its person would be made a new guest, and lose their history.
    if (isRead(request) && guestsAreWelcome()) await welcome(request, response);
  } catch (error) {
    // The page comes all the same, and takes no cookie away: it asks for its status, and says what is wrong.
    if (!(error instanceof Failure && error.status < 500)) logFailure(request, error);
  }
  return response;
}

async function welcome(request: NextRequest, response: NextResponse): Promise<void> {
  const guest = (await guestOf(request)) ?? newGuest();
  const scheme = schemeOf(request);
  // Also for who is known: by then the cookie may have another name, or another secret.
  response.cookies.set(guestCookie(scheme), await signGuest(guest, scheme), {
    httpOnly: true,
    sameSite: "lax",
    secure: scheme === "https:",
    path: "/",
    maxAge: GUEST_SECONDS,
  });
  // Documents that the build has made may be kept by anybody on the way, by what Next says of them.
  response.headers.set("cache-control", "private, no-store");
}
