/**
 * What this process has one of: Next may load a module once for each route, and once more for src/instrumentation.ts.
 *
 * @param make Makes it, when it is first asked for.
 */
export function processWide<T>(name: string, make: () => T): T {
  const all = globalThis as Record<symbol, unknown>;
  const key = Symbol.for(`chatkit: ${name}`);
  all[key] ??= make();
  return all[key] as T;
}
