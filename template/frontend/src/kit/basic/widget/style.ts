import type { CSSProperties } from "react";
import { HEX } from "@/kit/basic/theme";

/** A part of a widget as the server sends it. Any of its values may be of a wrong type. */
export type Node = Readonly<Record<string, unknown>>;

/** Whether a value has fields. */
export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns a text, or "" in the place of what is none. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Returns a number that is not absurd; undefined in the place of any other value. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && value < 10_000 ? value : undefined;
}

/** Returns a number of things, which is whole and at least 1. */
export function countOf(value: unknown): number | undefined {
  const count = numberOf(value);
  return count !== undefined && count >= 1 ? Math.floor(count) : undefined;
}

/** Returns the value if it is one of those that are known. */
export function oneOf<T extends string>(value: unknown, known: readonly T[]): T | undefined {
  return known.find((one) => one === value);
}

/** Looks a value up in a table. Names such as `constructor` are in no table. */
export function lookUp<T>(table: Readonly<Record<string, T>>, value: unknown): T | undefined {
  return typeof value === "string" && Object.hasOwn(table, value) ? table[value] : undefined;
}

const LENGTH = /^(?:\d{1,4}(?:\.\d{1,4})?(?:px|rem|em|%|vh|vw|fr)?|auto)$/;

/** ChatKit's unit of spacing in rem. */
const UNIT = 0.25;

/** Returns a length, in pixels if it has no unit. */
export function lengthOf(value: unknown): string | undefined {
  const number = numberOf(value);
  if (number !== undefined) return `${number}px`;
  if (typeof value !== "string" || !LENGTH.test(value)) return undefined;
  return /\d$/.test(value) ? `${value}px` : value;
}

/** Returns a distance, in ChatKit's units of spacing if it has no unit. */
function distanceOf(value: unknown): string | undefined {
  const number = numberOf(value);
  return number === undefined ? lengthOf(value) : `${number * UNIT}rem`;
}

/** What ChatKit calls the colours of texts, surfaces and borders. */
const TOKENS: Record<string, string> = {
  prose: "var(--basic-text)",
  primary: "var(--basic-text)",
  emphasis: "var(--basic-text)",
  secondary: "var(--basic-muted)",
  tertiary: "var(--basic-muted)",
  success: "var(--basic-success)",
  warning: "var(--basic-warning)",
  caution: "var(--basic-warning)",
  danger: "var(--basic-danger)",
  info: "var(--basic-info)",
  discovery: "var(--basic-discovery)",
  surface: "var(--basic-surface)",
  "surface-secondary": "var(--basic-raised)",
  "surface-tertiary": "var(--basic-raised)",
  "surface-elevated": "var(--basic-surface)",
  "surface-elevated-secondary": "var(--basic-raised)",
  default: "var(--basic-line)",
  subtle: "var(--basic-line)",
  strong: "var(--basic-muted)",
};

/** The hues of ChatKit's palette. Gray has none. */
const HUES: Record<string, number | null> = {
  red: 25,
  orange: 50,
  yellow: 90,
  green: 150,
  blue: 255,
  purple: 300,
  pink: 355,
  gray: null,
};

const PALETTE = /^([a-z]+)-(\d{1,4})$/;
const FUNCTION = /^(?:rgba?|hsla?|oklch)\((?:[\d\s.,%/-]|deg){1,60}\)$/i;
const NAME = /^[a-z]{3,30}$/i;

/**
 * Returns a colour, which may differ between light and dark.
 *
 * Only what is surely a colour comes through, because a style of the server must not load anything.
 */
export function colorOf(value: unknown): string | undefined {
  if (!isNode(value)) return plainColorOf(value);
  const [light, dark] = [plainColorOf(value.light), plainColorOf(value.dark)];
  return light && dark ? `light-dark(${light}, ${dark})` : (light ?? dark);
}

function plainColorOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const token = lookUp(TOKENS, value) ?? paletteColorOf(value);
  return token ?? (HEX.test(value) || FUNCTION.test(value) || NAME.test(value) ? value : undefined);
}

function paletteColorOf(value: string): string | undefined {
  const [, name, digits] = PALETTE.exec(value) ?? [];
  const shade = Number(digits);
  if (name === "alpha" && shade <= 100) return `color-mix(in srgb, var(--basic-text) ${shade}%, transparent)`;
  const hue = lookUp(HUES, name);
  if (hue === undefined || shade > 1000) return undefined;
  const lightness = (1 - shade * 0.00085).toFixed(3);
  // Colours that are nearly white or black have little chroma.
  const chroma = hue === null ? 0 : 0.2 * Math.sin((Math.PI * Math.min(shade + 40, 960)) / 1000);
  return `oklch(${lightness} ${chroma.toFixed(3)} ${hue ?? 0})`;
}

const GRADIENT = /^linear-gradient\((.{1,400})\)$/i;
const DIRECTION = /^(?:\d{1,3}deg|to (?:top|bottom|left|right)(?: (?:left|right))?)$/;
const STOP = /^(.+?)(?:\s+(\d{1,3}%))?$/;
const COMMA = /,(?![^(]*\))/;

/** Returns a background: a colour, or a gradient of colours. */
function backgroundOf(value: unknown): CSSProperties {
  const color = colorOf(value);
  if (color) return { backgroundColor: color };
  const [, inside] = GRADIENT.exec(textOf(value)) ?? [];
  if (!inside) return {};
  const parts = inside.split(COMMA).map((part, index) => {
    const trimmed = part.trim();
    if (index === 0 && DIRECTION.test(trimmed)) return trimmed;
    const [, stop, place] = STOP.exec(trimmed) ?? [];
    const of = plainColorOf(stop);
    return of && (place ? `${of} ${place}` : of);
  });
  return parts.every(Boolean) ? { backgroundImage: `linear-gradient(${parts.join(", ")})` } : {};
}

type Sides<T> = { top: T; right: T; bottom: T; left: T };

/** Reads what may be said of all sides at once, of two, or of one. */
function sidesOf<T>(value: unknown, read: (side: unknown) => T | undefined): Sides<T | undefined> {
  if (isNode(value) && !("size" in value)) {
    const { x, y, top = y, right = x, bottom = y, left = x } = value;
    return { top: read(top), right: read(right), bottom: read(bottom), left: read(left) };
  }
  // A text may have up to four values, in the order of CSS.
  const [first, second = first, third = first, fourth = second] =
    typeof value === "string" ? value.trim().split(/\s+/) : [value];
  return { top: read(first), right: read(second), bottom: read(third), left: read(fourth) };
}

/** Returns the inner distances. A part that is flush with its container undoes them: see widget.module.css. */
function paddingOf(value: unknown): CSSProperties {
  const { top, right, bottom, left } = sidesOf(value, distanceOf);
  const inset = left === right && left !== "auto" ? left : undefined;
  return {
    paddingBlockStart: top,
    paddingInlineEnd: right,
    paddingBlockEnd: bottom,
    paddingInlineStart: left,
    ...(inset && { "--inset": inset }),
  } as CSSProperties;
}

function marginOf(value: unknown): CSSProperties {
  const { top, right, bottom, left } = sidesOf(value, distanceOf);
  return { marginBlockStart: top, marginInlineEnd: right, marginBlockEnd: bottom, marginInlineStart: left };
}

const LINES = ["solid", "dashed", "dotted", "double", "groove", "ridge", "inset", "outset"] as const;

function borderOf(value: unknown): CSSProperties {
  const { top, right, bottom, left } = sidesOf(value, lineOf);
  return { borderBlockStart: top, borderInlineEnd: right, borderBlockEnd: bottom, borderInlineStart: left };
}

function lineOf(value: unknown): string | undefined {
  const { size, style, color } = isNode(value) ? value : { size: value };
  const width = numberOf(size);
  if (width === undefined) return undefined;
  return `${width}px ${oneOf(style, LINES) ?? "solid"} ${colorOf(color) ?? "var(--basic-line)"}`;
}

const RADII: Record<string, string> = {
  none: "0",
  "2xs": "0.125rem",
  xs: "0.25rem",
  sm: "0.375rem",
  md: "0.5rem",
  lg: "0.625rem",
  xl: "0.75rem",
  "2xl": "1rem",
  "3xl": "1.25rem",
  "4xl": "1.5rem",
  full: "999rem",
  "100%": "100%",
};

const JUSTIFY: Record<string, string> = {
  start: "start",
  center: "center",
  end: "end",
  between: "space-between",
  around: "space-around",
  evenly: "space-evenly",
  stretch: "stretch",
};

/** Where something is within its place. */
export const ALIGNMENTS = ["start", "center", "end"] as const;
const ALIGN = [...ALIGNMENTS, "baseline", "stretch"] as const;
const WRAP = ["nowrap", "wrap", "wrap-reverse"] as const;
const RATIO = /^\d{1,4}(?:\.\d{1,4})?(?:\s*\/\s*\d{1,4}(?:\.\d{1,4})?)?$/;
const FLEX = /^(?:none|auto|\d{1,3}(?: \d{1,3}(?: (?:auto|\d{1,4}(?:px|rem|em|%)?))?)?)$/;

/** The style of anything that has a size: ChatKit's `BlockProps`, and what widgets.py adds to them. */
export function blockStyle(node: Node): CSSProperties {
  const { size, minSize, maxSize } = node;
  return {
    width: lengthOf(node.width ?? size),
    height: lengthOf(node.height ?? size),
    minWidth: lengthOf(node.minWidth ?? minSize),
    minHeight: lengthOf(node.minHeight ?? minSize),
    maxWidth: lengthOf(node.maxWidth ?? maxSize),
    maxHeight: lengthOf(node.maxHeight ?? maxSize),
    aspectRatio: matching(node.aspectRatio, RATIO),
    borderRadius: lookUp(RADII, node.radius),
    flex: matching(node.flex, FLEX),
    ...marginOf(node.margin),
    ...backgroundOf(node.background),
  };
}

/** The style of what holds other parts: ChatKit's `BoxBaseProps`. */
export function boxStyle(node: Node, direction?: "row" | "col"): CSSProperties {
  const towards = oneOf(node.direction, ["row", "col"]) ?? direction;
  return {
    ...blockStyle(node),
    ...(towards && { flexDirection: towards === "row" ? "row" : "column" }),
    alignItems: oneOf(node.align, ALIGN),
    justifyContent: lookUp(JUSTIFY, node.justify),
    flexWrap: oneOf(node.wrap, WRAP),
    gap: distanceOf(node.gap),
    ...paddingOf(node.padding),
    ...borderOf(node.border),
  };
}

function matching(value: unknown, pattern: RegExp): string | undefined {
  const text = typeof value === "number" ? textOf(numberOf(value)) : textOf(value);
  return pattern.test(text) ? text : undefined;
}

const WEIGHTS: Record<string, number> = { normal: 400, medium: 500, semibold: 600, bold: 700 };

/** The style of a text. `sizes` are those that its type has, in em. */
export function textStyle(node: Node, sizes: Readonly<Record<string, number>>): CSSProperties {
  const size = lookUp(sizes, node.size);
  const lines = countOf(node.minLines);
  return {
    color: colorOf(node.color),
    fontSize: size === undefined ? undefined : `${size}em`,
    fontWeight: lookUp(WEIGHTS, node.weight),
    textAlign: oneOf(node.textAlign, ALIGNMENTS),
    width: lengthOf(node.width),
    minHeight: lines && `${lines}lh`,
    WebkitLineClamp: countOf(node.maxLines),
    ...(node.italic === true && { fontStyle: "italic" }),
    ...(node.lineThrough === true && { textDecoration: "line-through" }),
  };
}

/** The heights of controls in rem. None is too small to be hit. */
const HEIGHTS: Record<string, number> = {
  "3xs": 1.5,
  "2xs": 1.5,
  xs: 1.75,
  sm: 2,
  md: 2.25,
  lg: 2.5,
  xl: 2.75,
  "2xl": 3,
  "3xl": 3.5,
};

/** The style of a button or of another control. */
export function controlStyle(node: Node): CSSProperties {
  const height = lookUp(HEIGHTS, node.size);
  return {
    minHeight: height && `${height}rem`,
    minWidth: node.uniform === true ? `${height ?? 2.25}rem` : undefined,
    ...(node.uniform === true && { paddingInline: 0 }),
    ...(node.pill === true && { borderRadius: "999rem" }),
    ...(node.block === true && { width: "100%" }),
  };
}

/** The style of a line between two parts. */
export function dividerStyle(node: Node): CSSProperties {
  const spacing = distanceOf(node.spacing);
  return {
    borderBlockStartWidth: lengthOf(node.size),
    borderBlockStartColor: colorOf(node.color),
    marginBlockStart: spacing,
    marginBlockEnd: spacing,
  };
}

const FITS = ["cover", "contain", "fill", "scale-down", "none"] as const;
const POSITION = /^(?:(?:top|bottom)(?: (?:left|right))?|left|right|center)$/;

/** The style of an image. */
export function imageStyle(node: Node): CSSProperties {
  return {
    ...blockStyle(node),
    objectFit: oneOf(node.fit, FITS),
    objectPosition: matching(node.position, POSITION),
  };
}

const COLUMNS: Record<string, string> = { xs: "4rem", sm: "7rem", md: "11rem", lg: "16rem", xl: "22rem" };
const VERTICAL: Record<string, string> = { start: "top", center: "middle", end: "bottom" };

/** The style of a cell of a table. */
export function cellStyle(node: Node): CSSProperties {
  return {
    width: lengthOf(node.width) ?? lookUp(COLUMNS, node.colSize),
    textAlign: oneOf(node.align, ALIGNMENTS),
    verticalAlign: lookUp(VERTICAL, node.vAlign),
    ...paddingOf(node.padding),
  };
}
