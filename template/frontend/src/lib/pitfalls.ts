import { CAUSES, type Slug } from "@/lib/causes";
import { isDevelopment } from "@/lib/disclosure";
import sections from "@/pitfalls.json";

/** What people trip over, as `uv run doctor`, the page's panels and docs/pitfalls.md tell it. */
export type Pitfall = {
  slug: string;
  title: string;
  /** What a person sees. */
  symptom: string;
  /** What is printed or logged, word by word. */
  errors: string[];
  cause: string;
  cure: string;
  /** How this project keeps it from happening, or notices it. */
  prevented: string;
};

export const SECTIONS: { section: string; pitfalls: Pitfall[] }[] = sections;

/** What a panel says to the owner of each cause, besides what was seen. */
export type Advice = Partial<Record<Slug, Pick<Pitfall, "title" | "cure">>>;

/**
 * The words for the panels, which are in the page from the start: a page that cannot load has to have them. There are
 * none outside development, where visitors have no use for them.
 */
export function adviceForPanels(): Advice {
  if (!isDevelopment()) return {};
  const pitfalls = new Map(SECTIONS.flatMap((section) => section.pitfalls).map((one) => [one.slug, one]));
  const entries = CAUSES.map((slug) => {
    const { title, cure } = pitfalls.get(slug) ?? { title: slug, cure: "" };
    return [slug, { title, cure }] as const;
  });
  return Object.fromEntries(entries);
}
