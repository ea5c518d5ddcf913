import { setting } from "@/lib/environment";

/**
 * The cookies of a request that the backend may see: those that BACKEND_COOKIES names, with commas between the names,
 * such as the session of a login that the backend has. None by default.
 *
 * @returns A `Cookie` header with the values as the browser sent them, or null when there is nothing to send.
 */
export function backendCookies({ headers }: Request): string | null {
  const names = setting("BACKEND_COOKIES")
    .split(",")
    .map((name) => name.trim());
  const cookies = (headers.get("cookie") ?? "").split(";").map((cookie) => cookie.trim());
  const passed = cookies.filter((cookie) => {
    const [name] = cookie.split("=", 1);
    return name && names.includes(name.trim());
  });
  return passed.join("; ") || null;
}
