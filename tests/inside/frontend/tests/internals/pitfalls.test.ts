import { afterEach, expect, test, vi } from "vitest";
import { CAUSES } from "@/kit/causes";
import { adviceForPanels, SECTIONS } from "@/kit/pitfalls";

afterEach(() => vi.unstubAllEnvs());

const pitfalls = SECTIONS.flatMap(({ pitfalls }) => pitfalls);

test("each pitfall is there once, with words for everything", () => {
  const slugs = pitfalls.map(({ slug }) => slug);
  expect(slugs).toEqual([...new Set(slugs)]);
  for (const { errors, ...words } of pitfalls) {
    for (const text of [...Object.values(words), ...errors]) expect(text).toMatch(/\S/);
  }
});

test.each(CAUSES)("a panel has words for %s", (slug) => {
  expect(pitfalls.map((pitfall) => pitfall.slug)).toContain(slug);
  vi.stubEnv("NODE_ENV", "development");
  expect(adviceForPanels()[slug]?.cure).toMatch(/\S/);
});
