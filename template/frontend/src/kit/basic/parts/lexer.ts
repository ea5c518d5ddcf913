import {
  Lexer,
  type MarkedToken,
  type Token,
  Tokenizer,
  type TokenizerExtensionFunction,
  type Tokens,
} from "marked";

/** Quotes and lists, or emphasis and links, that are nested more deeply than this remain as written. */
const DEEPEST = 50;
/** Emphasis in a paragraph that is longer remains as written, because marked takes quadratic time for it. */
const LONGEST_PARAGRAPH = 10_000;
/** Plain text is read in pieces that are not longer. */
const PIECE = 500;
/** A longer text is shown as written. */
const LONGEST_TEXT = 200_000;

/** A formula in TeX, which is shown as written. */
export type MathToken = { type: "math"; raw: string };

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
export function lex(text: string, read: (lexer: Lexer) => Token[]): { tokens: Token[]; links: string } {
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

/** Returns what a text in Markdown says, without its signs: each block, entry or row in a line. */
export function plainText(text: string): string {
  const { tokens } = lex(text, (lexer) => lexer.lex(text));
  return tokens.flatMap(linesOf).filter(Boolean).join("\n");
}

function linesOf(block: Token): string[] {
  const token = block as MarkedToken | MathToken;
  switch (token.type) {
    case "space":
    case "def":
    case "hr":
      return [];
    case "code":
      return [token.text];
    case "blockquote":
      return token.tokens.flatMap(linesOf);
    case "list":
      return token.items.flatMap(({ tokens }) => tokens.flatMap(linesOf));
    case "table":
      return [token.header, ...token.rows].map((row) => row.map(({ tokens }) => wordsIn(tokens)).join(", "));
    default:
      return [wordsIn([token]).trim()];
  }
}

/** The plain text of the tokens within a block. */
export function wordsIn(tokens: readonly Token[]): string {
  return tokens
    .map((token) =>
      "tokens" in token && token.tokens ? wordsIn(token.tokens) : wordsOf(token as MarkedToken),
    )
    .join("");
}

/** The plain text of a token without others in it. Only in its raw form all entities are still there. */
export function wordsOf(token: MarkedToken | MathToken): string {
  switch (token.type) {
    case "text":
      return decoded(token.raw);
    case "escape":
    case "codespan":
      return token.text;
    case "checkbox":
      return "";
    default:
      return token.raw;
  }
}

/** Returns a text with the characters that its entities stand for. A name that few know remains as it is. */
export function decoded(text: string): string {
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
