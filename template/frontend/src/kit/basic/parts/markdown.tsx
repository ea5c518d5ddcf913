import type { MarkedToken, Token, Tokens } from "marked";
import { createContext, Fragment, memo, type ReactNode, useContext, useMemo } from "react";
import { useBasic } from "@/kit/basic/context";
import { decoded, lex, type MathToken, wordsIn, wordsOf } from "@/kit/basic/parts/lexer";
import { CopyButton, Picture, SafeLink, withoutOverrides } from "@/kit/basic/parts/parts";
import styles from "@/kit/basic/parts/parts.module.css";
import type { Annotation, EntitySource, Source } from "@/kit/basic/protocol";
import { fill } from "@/kit/words";

/** A source of an answer, with the number that refers to it. */
export type NumberedSource = { source: Source; number: number };

/** Returns the sources of an answer, each once, in the order of their numbers. */
export function numbered(annotations: readonly Annotation[]): NumberedSource[] {
  const sources = new Map(annotations.map(({ source }) => [keyOf(source), source]));
  return [...sources.values()].map((source, index) => ({ source, number: index + 1 }));
}

function keyOf(source: Source): string {
  if (source.type === "url") return `url ${source.url}`;
  return source.type === "file" ? `file ${source.filename}` : `entity ${source.id}`;
}

type Props = {
  text: string;
  annotations?: readonly Annotation[] | undefined;
  /** Only emphasis, links and the like, without paragraphs. */
  inline?: boolean | undefined;
};

/**
 * Shows what a model or server has written in Markdown. HTML in it is shown as text.
 *
 * It is drawn anew only for another text, because to read a long one takes time.
 */
export const Markdown = memo(function Markdown({ text, annotations, inline }: Props) {
  const { tokens, links } = useMemo(
    () => lex(text, (lexer) => (inline ? lexer.inlineTokens(text) : lexer.lex(text))),
    [text, inline],
  );
  if (inline) return <Inline tokens={tokens} />;
  const marks = marksOf(text, tokens, annotations ?? []);
  const depths = tokens.flatMap((token) => (token.type === "heading" ? [token.depth as number] : []));
  return (
    <HighestHeading value={Math.min(...depths)}>
      <div className={styles.markdown}>
        {eachOf(tokens, (token, key, index) => (
          <TopBlock key={key} token={token as MarkedToken} links={links} marks={marks[index] ?? []} />
        ))}
      </div>
    </HighestHeading>
  );
});

/** Draws a list whose entries only grow and only at the end, so that the place of each is its key. */
function eachOf<T>(
  entries: readonly T[],
  draw: (entry: T, key: string, index: number) => ReactNode,
): ReactNode[] {
  return entries.map((entry, index) => draw(entry, String(index), index));
}

type TopBlockProps = { token: MarkedToken | MathToken; links: string; marks: readonly NumberedSource[] };

/**
 * While an answer is being written, only its last block changes, so the others are not drawn anew. The
 * same text has another meaning only if a link it refers to is defined later.
 */
const TopBlock = memo(
  function TopBlock({ token, marks }: TopBlockProps) {
    if (token.type === "space" || token.type === "def") return marks.length > 0 && <Marks marks={marks} />;
    const isParagraph = token.type === "paragraph";
    return (
      <div dir="auto">
        {isParagraph ? (
          <p>
            <Inline tokens={token.tokens} />
            <Marks marks={marks} />
          </p>
        ) : (
          <Block token={token} />
        )}
        {!isParagraph && <Marks marks={marks} />}
      </div>
    );
  },
  (before, after) =>
    before.token.raw === after.token.raw &&
    before.token.type === after.token.type &&
    before.links === after.links &&
    JSON.stringify(before.marks) === JSON.stringify(after.marks),
);

/** The references that each block has, in the order of the blocks. */
function marksOf(
  text: string,
  tokens: readonly Token[],
  annotations: readonly Annotation[],
): NumberedSource[][] {
  const marks: NumberedSource[][] = tokens.map(() => []);
  const sources = new Map(numbered(annotations).map((known) => [keyOf(known.source), known]));
  for (const { source, index } of annotations) {
    // marked counts each end of a line as one character.
    const place = text.slice(0, index ?? text.length).replaceAll("\r\n", "\n").length;
    const here = marks[blockAt(tokens, place)];
    const known = sources.get(keyOf(source));
    if (known && here && !here.includes(known)) here.push(known);
  }
  return marks;
}

/** The index of the block that ends at or after a place, or of the last one that is visible. */
function blockAt(tokens: readonly Token[], place: number): number {
  let end = 0;
  let last = 0;
  for (const [index, { type, raw }] of tokens.entries()) {
    end += raw.length;
    if (type === "space" || type === "def") continue;
    last = index;
    if (end >= place) break;
  }
  return last;
}

function Marks({ marks }: { marks: readonly NumberedSource[] }) {
  const { words } = useBasic();
  return marks.map(({ source, number }) => (
    <Fragment key={number}>
      {" "}
      <Mark source={source} label={fill(words.sourceOf, { number, title: withoutOverrides(source.title) })}>
        {number}
      </Mark>
    </Fragment>
  ));
}

function Mark({ source, label, children }: { source: Source; label: string; children: ReactNode }) {
  const { options } = useBasic();
  const open = options.entities?.onClick;
  if (source.type === "url") {
    return (
      <SafeLink href={source.url} label={label} className={styles.mark}>
        {children}
      </SafeLink>
    );
  }
  if (source.type === "entity" && source.interactive && open) {
    return (
      <button
        type="button"
        className={styles.mark}
        aria-label={label}
        title={label}
        onClick={() => open(entityOf(source))}
      >
        {children}
      </button>
    );
  }
  return (
    <span role="img" className={styles.mark} aria-label={label} title={label}>
      {children}
    </span>
  );
}

/** Returns an entity as the handlers of the options take it. */
export function entityOf({ id, title, icon, group, interactive, data }: EntitySource) {
  return {
    id,
    title,
    ...(icon && { icon }),
    ...(group && { group }),
    ...(interactive !== undefined && { interactive }),
    ...(data && { data }),
  };
}

function Blocks({ tokens }: { tokens: readonly Token[] }) {
  return eachOf(tokens, (token, key) => <Block key={key} token={token as MarkedToken} />);
}

function Block({ token }: { token: MarkedToken | MathToken }): ReactNode {
  switch (token.type) {
    case "paragraph":
      return (
        <p>
          <Inline tokens={token.tokens} />
        </p>
      );
    case "heading":
      return <Heading heading={token} />;
    case "code":
      return <Code text={token.text} language={token.codeBlockStyle ? "" : decoded(token.lang ?? "")} />;
    case "blockquote":
      return (
        <blockquote>
          <Blocks tokens={token.tokens} />
        </blockquote>
      );
    case "list":
      return <List list={token} />;
    case "table":
      return <Table table={token} />;
    case "hr":
      return <hr />;
    case "math":
      return (
        <p>
          <Formula text={token.raw} />
        </p>
      );
    case "html":
      return <p className={styles.asWritten}>{withoutOverrides(token.raw.trimEnd())}</p>;
    case "space":
    case "def":
      return null;
    default: // a list without blank lines has its texts here, not in paragraphs
      return <Inline tokens={[token]} />;
  }
}

const HEADINGS = ["h2", "h3", "h4", "h5", "h6"] as const;

/** The depth of the highest heading in a text, 1 to 6. */
const HighestHeading = createContext(1);

/** The chat has the first level. Some models begin with the third, and a level left out confuses a reader. */
function Heading({ heading: { depth, tokens } }: { heading: Tokens.Heading }) {
  const Level = HEADINGS[depth - useContext(HighestHeading)] ?? "h6";
  return (
    <Level>
      <Inline tokens={tokens} />
    </Level>
  );
}

function List({ list: { ordered, start, items } }: { list: Tokens.List }) {
  const entries = eachOf(items, ({ task, tokens }, key) => (
    <li key={key} className={task ? styles.task : undefined}>
      <Blocks tokens={tokens} />
    </li>
  ));
  return ordered ? <ol start={start === "" ? undefined : start}>{entries}</ol> : <ul>{entries}</ul>;
}

function Table({ table: { header, rows } }: { table: Tokens.Table }) {
  const { words } = useBasic();
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset groups controls
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a person without a mouse has to scroll it
    <div className={styles.table} role="group" aria-label={words.table} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {eachOf(header, (cell, key) => (
              <th key={key} scope="col" style={alignmentOf(cell)}>
                <Inline tokens={cell.tokens} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {eachOf(rows, (row, key) => (
            <tr key={key}>
              {eachOf(row, (cell, column) => (
                <td key={column} style={alignmentOf(cell)}>
                  <Inline tokens={cell.tokens} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function alignmentOf({ align }: Tokens.TableCell) {
  if (!align) return undefined;
  const sides = { left: "start", center: "center", right: "end" } as const;
  return { textAlign: sides[align] };
}

function Code({ text, language }: { text: string; language: string }) {
  const { words } = useBasic();
  const name = withoutOverrides(language).split(/[\s{,]/, 1)[0];
  const code = readable(text).replace(/\n$/, "");
  return (
    <figure className={styles.code} aria-label={name || words.code} dir="ltr">
      <figcaption>
        <span>{name}</span>
        <CopyButton text={code} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a person without a mouse has to scroll it */}
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </figure>
  );
}

/** What a person copies has to be what they have read, so code has no invisible marks of direction. */
function readable(code: string): string {
  return code.replace(/[\u202A-\u202E\u2066-\u2069]/g, "");
}

function Formula({ text }: { text: string }) {
  return (
    <code className={`${styles.math} math`} dir="ltr">
      {readable(text.trim())}
    </code>
  );
}

type InlineProps = { tokens: readonly Token[]; inLink?: boolean };

function Inline({ tokens, inLink = false }: InlineProps) {
  return eachOf(tokens, (token, key) => <Span key={key} token={token as MarkedToken} inLink={inLink} />);
}

function Span({ token, inLink }: { token: MarkedToken | MathToken; inLink: boolean }): ReactNode {
  switch (token.type) {
    case "strong":
      return (
        <strong>
          <Inline tokens={token.tokens} inLink={inLink} />
        </strong>
      );
    case "em":
      return (
        <em>
          <Inline tokens={token.tokens} inLink={inLink} />
        </em>
      );
    case "del":
      return (
        <del>
          <Inline tokens={token.tokens} inLink={inLink} />
        </del>
      );
    case "link":
      return (
        <SafeLink href={token.autolink ? token.href : decoded(token.href)}>
          {token.autolink ? token.text : <Inline tokens={token.tokens} inLink />}
        </SafeLink>
      );
    case "image": {
      const alt = withoutOverrides(wordsIn(token.tokens));
      // A button to load it cannot be inside of a link.
      return inLink ? alt : <Picture src={decoded(token.href)} alt={alt} />;
    }
    case "codespan":
      return <code dir="ltr">{readable(token.text)}</code>;
    case "math":
      return <Formula text={token.raw} />;
    case "br":
      return <br />;
    case "checkbox":
      return <Checkbox isChecked={token.checked} />;
    case "text":
      if (token.tokens) return <Inline tokens={token.tokens} inLink={inLink} />;
  }
  return withoutOverrides(wordsOf(token));
}

function Checkbox({ isChecked }: { isChecked: boolean }) {
  const { words } = useBasic();
  return <input type="checkbox" checked={isChecked} disabled aria-label={words.done} />;
}
