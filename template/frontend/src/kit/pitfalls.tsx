import { notFound } from "next/navigation";
import { CAUSES, isDevelopment, type Slug } from "@/kit/causes";
import styles from "@/kit/kit.module.css";
import type { Advice } from "@/kit/panel";
import { Prose } from "@/kit/prose";
import { BASE_PATH } from "@/kit/settings";
import sections from "./pitfalls.json";

/** A pitfall. `uv run doctor`, the page's panels and docs/pitfalls.md show the same texts. */
export type Pitfall = {
  slug: string;
  title: string;
  /** What a person sees. */
  symptom: string;
  /** Texts that are printed or logged, word for word. */
  errors: string[];
  cause: string;
  cure: string;
  /** How this project prevents or detects it. */
  prevented: string;
};

export const SECTIONS: { section: string; pitfalls: Pitfall[] }[] = sections;

/**
 * The advice in the panels. The document has it from the start, because a page that cannot load
 * anything else needs it too. Production has none, because visitors have no use for it.
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

/** The page of all pitfalls, to which the panels of the chat link. Visitors get a 404. */
export function Pitfalls() {
  if (!isDevelopment()) notFound();
  return (
    <main className={styles.page}>
      <p>
        <a href={`${BASE_PATH}/`}>Back to the chat</a>
      </p>
      <h1>Pitfalls</h1>
      <nav aria-label="All pitfalls">
        {SECTIONS.map(({ section, pitfalls }) => (
          <details key={section}>
            <summary>
              {section} ({pitfalls.length})
            </summary>
            <ul>
              {pitfalls.map(({ slug, title }) => (
                <li key={slug}>
                  <a href={`#${slug}`}>{title}</a>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </nav>
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
