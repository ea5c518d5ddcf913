/**
 * A setting of the page's server, read anew whenever it is asked for: one build runs anywhere.
 *
 * @returns An empty text where it is not set.
 */
export function setting(name: string): string {
  // Not by `process.env[name]`: in place of what a bundler recognises, a name that it can compute included, it writes
  // the value that a `NEXT_PUBLIC_…` has at build.
  const value: unknown = Reflect.get(process.env, name);
  return typeof value === "string" ? value : "";
}
