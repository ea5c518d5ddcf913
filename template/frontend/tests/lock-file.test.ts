import { describe, expect, test } from "vitest";
import lock from "../package-lock.json";

type Package = { version?: string; resolved?: string; optionalDependencies?: Record<string, string> };
const packages = lock.packages as Record<string, Package>;

/** Where Node looks for a package, from the nearest folder to the outermost. */
function candidates(from: string, name: string): string[] {
  const parents = from
    .split("/node_modules/")
    .map((_, depth, parts) => parts.slice(0, depth + 1).join("/node_modules/"));
  return [...parents.reverse().map((parent) => `${parent}/node_modules/${name}`), `node_modules/${name}`];
}

describe("lock-file-of-one-platform", () => {
  test("every optional dependency of every locked package has an entry", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !candidates(path, name).some((place) => place in packages))
        .map((name) => `${path} wants ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("no package is bound to one registry's address", () => {
    expect(Object.keys(packages).filter((path) => packages[path]?.resolved)).toEqual([]);
  });
});
