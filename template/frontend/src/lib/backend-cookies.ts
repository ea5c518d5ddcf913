import { cookieOf, OF_THIS_HOST } from "@/lib/cookies";
import { setting } from "@/lib/environment";

/**
 * The cookies of a request that the backend may see: those that BACKEND_COOKIES names, with commas between the names,
 * such as the session of a login that the backend has. None by default. Where the backend calls one `__Host-…`, so that
 * no other site of the domain can set it, its name may stand there with or without that.
 *
 * @returns A `Cookie` header with the values as the browser sent them, or null when there is nothing to send.
 * @throws {Failure} There are two of one name.
 */
export function backendCookies(request: Request): string | null {
  const names = setting("BACKEND_COOKIES")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean)
    .flatMap((name) => (name.startsWith(OF_THIS_HOST) ? name : [OF_THIS_HOST + name, name]));
  const passed = names
    .map((name) => [name, cookieOf(request, name)])
    .filter(([, value]) => value !== undefined);
  return passed.map((cookie) => cookie.join("=")).join("; ") || null;
}
