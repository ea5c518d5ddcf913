import { withoutSecrets } from "@/lib/disclosure";
import { setting } from "@/lib/environment";
import { Failure } from "@/lib/failure";

/** Where the backend answers, and who says so. */
export type BackendAddress = { url: URL; source: string };

const DEFAULT = "http://127.0.0.1:8000";

/**
 * The address of one of the backend's endpoints, read anew for each request: one build runs anywhere.
 *
 * @param path Of the endpoint, such as `/chatkit`.
 * @throws {Failure} The variable does not hold an http or https address.
 */
export function backendAddress(path: string): BackendAddress {
  for (const name of ["BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"]) {
    const value = setting(name).trim();
    if (value) return { url: endpoint(name, value, path), source: name };
  }
  return { url: endpoint("the default", DEFAULT, path), source: "the default, since BACKEND_URL is not set" };
}

function endpoint(name: string, base: string, path: string): URL {
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const words = `${name} is "${withoutSecrets(base)}", which is not an address like ${DEFAULT}.`;
    throw new Failure(words, 502, "backend-down");
  }
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  return url;
}
