import { Failure } from "@/lib/failure";

/** Where the backend answers ChatKit, and who says so. */
export type BackendAddress = { url: URL; source: string };

const DEFAULT = "http://127.0.0.1:8000";

/**
 * The address of the backend's ChatKit endpoint, read anew for each request: one build runs anywhere.
 *
 * @throws {Failure} The variable does not hold an http or https address.
 */
export function backendAddress(): BackendAddress {
  for (const name of ["BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"]) {
    // By a computed name: Next writes the value of a literal `process.env.NEXT_PUBLIC_…` into the build.
    const value = process.env[name]?.trim();
    if (value) return { url: chatkitUrl(name, value), source: name };
  }
  return { url: chatkitUrl("the default", DEFAULT), source: "the default, since BACKEND_URL is not set" };
}

function chatkitUrl(name: string, base: string): URL {
  const address = `${base.replace(/\/+$/, "")}/chatkit`;
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new Failure(`${name} is "${base}", which is not an address like ${DEFAULT}.`);
  }
  return url;
}
