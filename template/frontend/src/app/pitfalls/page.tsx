import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { Prose } from "@/components/prose";
import { isDevelopment } from "@/lib/disclosure";
import { type Pitfall, SECTIONS } from "@/lib/pitfalls";
import styles from "./pitfalls.module.css";

export const metadata: Metadata = { title: "Pitfalls", robots: { index: false } };

/** What can go wrong, and what to do: the panels of the chat lead here. Visitors find nothing. */
export default function Pitfalls() {
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
