import { notFound } from "next/navigation";
import { CAUSES, isDevelopment, type Slug } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import { type Advice, Prose } from "@/kit/panel";
import sections from "./pitfalls.json";

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

/**
 * The words for the panels, which are in the page from the start: a page that cannot load has to have them. There are
 * none outside development, where visitors have no use for them.
 */
export function adviceForPanels(): Partial<Record<Slug, Advice>> {
  if (!isDevelopment()) return {};
  const pitfalls = new Map(SECTIONS.flatMap((section) => section.pitfalls).map((one) => [one.slug, one]));
  const entries = CAUSES.map((slug) => {
    const { title, cure } = pitfalls.get(slug) ?? { title: slug, cure: "" };
    return [slug, { title, cure }] as const;
  });
  return Object.fromEntries(entries);
}

/** What can go wrong, and what to do: the panels of the chat lead here. Visitors find nothing. */
export function Pitfalls() {
  if (!isDevelopment()) notFound();
  return (
    <main className={styles.page}>
      <h1>Pitfalls</h1>
      {SECTIONS.map(({ section, pitfalls }) => (
        <section key={section}>
          <h2>{section}</h2>
          {pitfalls.map((pitfall) => (
            <Entry key={pitfall.slug} {...pitfall} />
          ))}
        </section>
      ))}
    </main>
  );
}

function Entry({ slug, title, symptom, errors, cause, cure, prevented }: Pitfall) {
  return (
    <article id={slug}>
      <h3>
        {title} <a href={`#${slug}`}>{slug}</a>
      </h3>
      <p>
        <Prose text={symptom} />
      </p>
      {errors.map((error) => (
        <pre key={error}>{error}</pre>
      ))}
      <dl>
        <dt>Why</dt>
        <dd>
          <Prose text={cause} />
        </dd>
        <dt>What to do</dt>
        <dd>
          <Prose text={cure} />
        </dd>
        <dt>Here</dt>
        <dd>
          <Prose text={prevented} />
        </dd>
      </dl>
    </article>
  );
}
