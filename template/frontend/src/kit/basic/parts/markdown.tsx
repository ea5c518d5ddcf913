import {
  Lexer,
  type MarkedToken,
  type Token,
  Tokenizer,
  type TokenizerExtensionFunction,
  type Tokens,
} from "marked";
import { createContext, Fragment, memo, type ReactNode, useContext, useMemo } from "react";
import { useBasic } from "@/kit/basic/context";
import { CopyButton, Picture, SafeLink, withoutOverrides } from "@/kit/basic/parts/parts";
import styles from "@/kit/basic/parts/parts.module.css";
import type { Annotation, EntitySource, Source } from "@/kit/basic/protocol";
import { fill } from "@/kit/words";

/** Quotes and lists, or emphasis and links, that are nested more deeply than this remain as written. */
const DEEPEST = 50;
/** Emphasis in a paragraph that is longer remains as written, because marked takes quadratic time for it. */
const LONGEST_PARAGRAPH = 10_000;
/** Plain text is read in pieces that are not longer. */
const PIECE = 500;
/** A longer text is shown as written. */
const LONGEST_TEXT = 200_000;

type MathToken = { type: "math"; raw: string };

// An end of it is not looked for everywhere, or many beginnings would take quadratic time.
const MATH = /^(?:\\\([\s\S]{1,2000}?\\\)|\\\[[\s\S]{1,2000}?\\\]|\$\$[\s\S]{1,2000}?\$\$)/;
const MATH_BLOCK = /^ {0,3}(?:\\\[[\s\S]{1,9000}?\\\]|\$\$[\s\S]{1,9000}?\$\$)[ \t]*(?:\n+|$)/;

function math(pattern: RegExp): TokenizerExtensionFunction {
  return (text) => {
    const [raw] = pattern.exec(text) ?? [];
    return raw && !/\n[ \t]*\n[\s\S]*\S/.test(raw) ? { type: "math", raw } : undefined;
  };
}

/** Reads Markdown as marked does, but within bounds, as the text may be written to block the page. */
class BoundedTokenizer extends Tokenizer {
  #depth = 0;

  override blockquote(text: string) {
    return this.#nested(() => super.blockquote(text));
  }

  override list(text: string) {
    return this.#nested(() => super.list(text));
  }

  override link(text: string) {
    return this.#nested(() => super.link(text));
  }

  override reflink(...given: Parameters<Tokenizer["reflink"]>) {
    return this.#nested(() => super.reflink(...given));
  }

  override emStrong(...given: Parameters<Tokenizer["emStrong"]>) {
    if (given[1].length > LONGEST_PARAGRAPH) return undefined;
    return this.#nested(() => super.emStrong(...given));
  }

  override del(...given: Parameters<Tokenizer["del"]>) {
    if (given[1].length > LONGEST_PARAGRAPH) return undefined;
    return this.#nested(() => super.del(...given));
  }

  override inlineText(text: string) {
    // For each piece marked looks through all that follows, so what follows is short, and ends between words.
    const near = text.slice(0, PIECE);
    const end = near.length < text.length ? near.search(/\s+\S*$/) : -1;
    // For marked `$` is a letter like others, so its text would go on over the beginning of a formula.
    const formula = near.indexOf("$$", 1);
    return super.inlineText(near.slice(0, Math.min(...[end, formula].filter((place) => place > 0), PIECE)));
  }

  #nested<T>(read: () => T): T | undefined {
    if (this.#depth >= DEEPEST) return undefined;
    this.#depth += 1;
    try {
      return read();
    } finally {
      this.#depth -= 1;
    }
  }
}

function newLexer(): Lexer {
  const extensions = { renderers: {}, childTokens: {}, inline: [math(MATH)], block: [math(MATH_BLOCK)] };
  return new Lexer({ gfm: true, tokenizer: new BoundedTokenizer(), extensions });
}

/** Reads a text with `read`. One that marked cannot read is a single piece of text. */
function lex(text: string, read: (lexer: Lexer) => Token[]): { tokens: Token[]; links: string } {
  const asWritten: Tokens.HTML = { type: "html", raw: text, text, pre: false, block: true };
  if (text.length > LONGEST_TEXT) return { tokens: [asWritten], links: "" };
  try {
    const lexer = newLexer();
    return { tokens: read(lexer), links: JSON.stringify(lexer.tokens.links) };
  } catch (error) {
    console.error("Markdown:", error);
    return { tokens: [asWritten], links: "" };
  }
}

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

/** Shows what a model or server has written in Markdown. HTML in it is shown as text. */
export function Markdown({ text, annotations, inline }: Props) {
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
}

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
      const alt = withoutOverrides(textOf(token.tokens));
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

/** The plain text of tokens. */
function textOf(tokens: readonly Token[]): string {
  return tokens
    .map((token) =>
      "tokens" in token && token.tokens ? textOf(token.tokens) : wordsOf(token as MarkedToken),
    )
    .join("");
}

/** The plain text of a token without others in it. Only in its raw form all entities are still there. */
function wordsOf(token: MarkedToken | MathToken): string {
  if (token.type === "text") return decoded(token.raw);
  return token.type === "escape" || token.type === "codespan" ? token.text : token.raw;
}

/** Returns a text with the characters that its entities stand for. A name that few know remains as it is. */
function decoded(text: string): string {
  const entity = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z][A-Za-z\d]{1,31}));/g;
  return text.replace(entity, (written, decimal?: string, hex?: string, name?: string) => {
    if (name) return NAMED.get(name) ?? written;
    const code = decimal ? Number(decimal) : Number.parseInt(hex ?? "", 16);
    const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : "\ufffd";
  });
}

// The names of the characters from 160 to 255, in their order.
const LATIN = `nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml \
Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml \
times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash \
ugrave uacute ucirc uuml yacute thorn yuml`;

const OTHERS = `amp & lt < gt > quot " apos ' hellip … ndash – mdash — lsquo ‘ rsquo ’ ldquo “ rdquo ” sbquo ‚ \
bdquo „ lsaquo ‹ rsaquo › bull • dagger † permil ‰ prime ′ Prime ″ euro € trade ™ larr ← uarr ↑ rarr → darr ↓ \
harr ↔ lArr ⇐ rArr ⇒ hArr ⇔ forall ∀ part ∂ exist ∃ empty ∅ nabla ∇ isin ∈ notin ∉ prod ∏ sum ∑ minus − \
radic √ prop ∝ infin ∞ ang ∠ and ∧ or ∨ cap ∩ cup ∪ int ∫ sim ∼ cong ≅ asymp ≈ ne ≠ equiv ≡ le ≤ ge ≥ sub ⊂ \
sup ⊃ oplus ⊕ perp ⊥ check ✓ cross ✗ alpha α beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι \
kappa κ lambda λ mu μ nu ν xi ξ omicron ο pi π rho ρ sigma σ tau τ upsilon υ phi φ chi χ psi ψ omega ω \
Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω`;

const NAMED = new Map(LATIN.split(" ").map((name, index) => [name, String.fromCodePoint(160 + index)]));
for (const [, name, character] of OTHERS.matchAll(/(\S+) (\S+)/g)) NAMED.set(name ?? "", character ?? "");
