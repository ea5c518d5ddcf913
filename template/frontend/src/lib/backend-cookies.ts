import { cookiesOf } from "@/lib/cookies";
import { setting } from "@/lib/environment";

/**
 * The cookies of a request that the backend may see: those that BACKEND_COOKIES names, with commas between the names,
 * such as the session of a login that the backend has. None by default.
 *
 * @returns A `Cookie` header with the values as the browser sent them, or null when there is nothing to send.
 */
export function backendCookies(request: Request): string | null {
  const names = setting("BACKEND_COOKIES")
    .split(",")
    .map((name) => name.trim());
  const passed = cookiesOf(request).filter(({ name }) => name && names.includes(name));
  return passed.map(({ name, value }) => `${name}=${value}`).join("; ") || null;
}
