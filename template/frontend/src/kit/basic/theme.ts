import type { ChatKitOptions, ColorScheme, FontObject, ThemeOption } from "@openai/chatkit";
import type { CSSProperties } from "react";

/** How the basic chat looks. */
export type Look = {
  /** The custom properties that the stylesheets use, for the root. */
  style: CSSProperties;
  scheme: ColorScheme;
  density: NonNullable<ThemeOption["density"]>;
  /** For {@link addFonts}. */
  fonts: readonly FontObject[];
};

const GAPS = { compact: "0.375rem", normal: "0.5rem", spacious: "0.75rem" };

/** Of controls and of cards. A control can have several lines, so a pill is not a half circle. */
const RADII = {
  pill: ["1.5rem", "1.5rem"],
  round: ["0.75rem", "1rem"],
  soft: ["0.375rem", "0.5rem"],
  sharp: ["0", "0"],
} as const;

const SANS = "system-ui, sans-serif";
const MONO = "ui-monospace, monospace";

/** Returns the look for ChatKit's option. What is invalid in it counts as missing. */
export function themeStyle(theme: ChatKitOptions["theme"]): Look {
  const options: ThemeOption = typeof theme === "string" ? { colorScheme: theme } : (theme ?? {});
  const { typography = {}, color = {} } = options;
  const scheme = options.colorScheme === "dark" ? "dark" : "light";
  const density = options.density && options.density in GAPS ? options.density : "normal";
  const [radius, radiusLarge] = RADII[options.radius ?? "pill"] ?? RADII.pill;
  const style = {
    colorScheme: scheme,
    ...colors(color, scheme),
    "--basic-radius": radius,
    "--basic-radius-large": radiusLarge,
    "--basic-gap": GAPS[density],
    "--basic-size": `${within(typography.baseSize, 14, 18, 16) / 16}rem`,
    "--basic-font": fontFamily(typography.fontFamily, SANS),
    "--basic-mono": fontFamily(typography.fontFamilyMono, MONO),
  };
  return { style, scheme, density, fonts: ownFonts(typography.fontSources) };
}

/** Returns a number of the owner between two others, or `other` if it is none. */
function within(value: unknown, least: number, most: number, other = 0): number {
  return typeof value === "number" && value >= least && value <= most ? value : other;
}

/** Hue and saturation of what says how a text is meant. */
const MEANINGS = {
  danger: [0, 72],
  warning: [30, 85],
  success: [145, 60],
  info: [212, 75],
  discovery: [268, 60],
} as const;

/** By how much each level of the accent colours the raised areas, such as the person's own messages. */
const ACCENT_STEP = 0.02;

function colors({ grayscale, accent, surface }: NonNullable<ThemeOption["color"]>, scheme: ColorScheme) {
  const isDark = scheme === "dark";
  const hue = within(grayscale?.hue, 0, 360);
  const tint = within(grayscale?.tint, 0, 9);
  const shade = within(grayscale?.shade, -4, 4);
  const grey = (saturation: number, lightness: number) => `hsl(${hue} ${tint * saturation}% ${lightness}%)`;

  const ground = chosen(
    surface?.background,
    isDark ? grey(2.5, 10 - shade) : grey(5, Math.min(100, 100 - shade)),
  );
  const text = chosen(surface?.foreground, isDark ? grey(2.5, 94) : grey(2.5, 11));
  // A browser knows more colours than this module. For what it must calculate, it takes the scheme's own.
  const below = parse(ground) ?? (isDark ? [24, 24, 24] : WHITE);
  const above = parse(text, below) ?? (isDark ? WHITE : BLACK);
  const main = chosen(accent?.primary, hex(above));
  const fill = parse(main, below);

  const between = parse(grey(5, 50)) ?? above;
  const tinted = mix(below, between, isDark ? 0.1 : 0.07);
  const raised = mix(tinted, fill ?? tinted, within(accent?.level, 0, 3) * ACCENT_STEP);
  const legible = (colour: Rgb) => hex(readable(colour, [below, raised]));
  const meanings = Object.entries(MEANINGS).map(([name, [of, saturation]]) => {
    const colour = parse(`hsl(${of} ${saturation}% ${isDark ? 65 : 40}%)`) ?? above;
    return [`--basic-${name}`, legible(colour)];
  });
  return {
    "--basic-surface": ground,
    "--basic-text": text,
    "--basic-muted": legible(mix(mix(below, above, 0.6), between, 0.3)),
    "--basic-raised": hex(raised),
    "--basic-line": hex(mix(below, between, isDark ? 0.35 : 0.28)),
    "--basic-accent": main,
    "--basic-on-accent": fill && contrast(fill, WHITE) < ENOUGH ? hex(BLACK) : hex(WHITE),
    // What cannot be calculated cannot be made legible either.
    "--basic-link": fill ? legible(fill) : text,
    ...Object.fromEntries(meanings),
  };
}

const COLOR = /^(?:#[\da-f]{3,8}|[a-z]+|(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color)a?\([\w\s.,%/+-]+\))$/i;

/** Returns the owner's colour, or the other one if it is none. It can contain no `var()` and no `url()`. */
function chosen(value: unknown, other: string): string {
  if (typeof value !== "string" || !COLOR.test(value)) return other;
  return typeof window === "undefined" || CSS.supports("color", value) ? value : other;
}

/** A colour, as red, green and blue from 0 to 255. */
type Rgb = readonly [number, number, number];

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

/** A colour as CSS writes it in hexadecimal digits. */
export const HEX = /^#(?:[\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/i;
const NUMBERS = /^(rgb|hsl)a?\(([^()]+)\)$/i;

/** Returns what is seen of a colour on another one; null if it is not a hex, rgb or hsl colour. */
function parse(colour: string, below: Rgb = WHITE): Rgb | null {
  if (HEX.test(colour)) return onto(below, fromHex(colour.slice(1)));
  const [, model, inside = ""] = NUMBERS.exec(colour) ?? [];
  const [x, y, z, alpha = "1"] = inside.split(/[\s,/]+/).filter(Boolean);
  if (!model || !x || !y || !z) return null;
  const numbers =
    model.toLowerCase() === "rgb"
      ? ([x, y, z].map((part) => number(part, 255)) as [number, number, number])
      : fromHsl(degrees(x), number(y.replace(/%?$/, "%")), number(z.replace(/%?$/, "%")));
  const parts = [...numbers, number(alpha)] as const;
  return parts.some(Number.isNaN) ? null : onto(below, parts);
}

function fromHex(digits: string): [number, number, number, number] {
  const long = digits.length < 6 ? digits.replace(/./g, "$&$&") : digits;
  const [red = 0, green = 0, blue = 0, alpha = 255] = (long.match(/../g) ?? []).map((two) =>
    Number(`0x${two}`),
  );
  return [red, green, blue, alpha / 255];
}

/** Reads a number, or a percentage of `whole`. */
function number(text: string, whole = 1): number {
  return text.endsWith("%") ? (Number(text.slice(0, -1)) / 100) * whole : Number(text);
}

function degrees(text: string): number {
  const [, value, unit = "deg"] = /^([-+\d.e]+)(deg|turn|rad|grad)?$/i.exec(text) ?? [];
  const whole = { deg: 360, turn: 1, rad: 2 * Math.PI, grad: 400 }[unit.toLowerCase()] ?? Number.NaN;
  return (Number(value) / whole) * 360;
}

function fromHsl(hue: number, saturation: number, lightness: number): Rgb {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const part = (start: number) => {
    const place = (((start + hue / 30) % 12) + 12) % 12;
    return 255 * (lightness - reach * Math.max(-1, Math.min(place - 3, 9 - place, 1)));
  };
  return [part(0), part(8), part(4)];
}

function onto(below: Rgb, [red, green, blue, alpha]: readonly [number, number, number, number]): Rgb {
  return mix(below, [red, green, blue], alpha);
}

/** Returns a mixture of two colours, in which the second one has this share. */
function mix(one: Rgb, other: Rgb, share: number): Rgb {
  const part = (from: number, to: number) => from + (to - from) * Math.min(1, Math.max(0, share));
  return [part(one[0], other[0]), part(one[1], other[1]), part(one[2], other[2])];
}

function hex(colour: Rgb): string {
  const two = (part: number) =>
    Math.round(Math.min(255, Math.max(0, part)))
      .toString(16)
      .padStart(2, "0");
  return `#${colour.map(two).join("")}`;
}

/** The contrast that WCAG 2 asks of a text. */
const ENOUGH = 4.5;

/** Returns the contrast of two colours as WCAG 2 defines it, from 1 to 21. */
function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Mixes a colour with black or white until it can be read on all of the others. */
function readable(colour: Rgb, grounds: readonly [Rgb, ...Rgb[]]): Rgb {
  const end = contrast(grounds[0], WHITE) > contrast(grounds[0], BLACK) ? WHITE : BLACK;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = mix(colour, end, share);
    // Rounding to whole numbers must not undo it.
    if (grounds.every((ground) => contrast(mixed, ground) >= ENOUGH + 0.05)) return mixed;
  }
  return end;
}

const FAMILY = /^[\p{L}\p{N}_][\p{L}\p{N}_ .-]*$|^-apple-system$/u;

/** Returns the owner's families and ours, each in quotes where CSS needs them. */
function fontFamily(value: unknown, ours: string): string {
  if (typeof value !== "string") return ours;
  const families = value.split(",").map((family) => family.trim().replace(/^(["'])(.*)\1$/, "$2"));
  if (!families.every((family) => FAMILY.test(family))) return ours;
  // Quotes would make another font of a general one, such as `serif`.
  const written = families.map((family) => (/^-?[a-z][a-z-]*$/i.test(family) ? family : `"${family}"`));
  return `${written.join(", ")}, ${ours}`;
}

/** The owner's fonts that the page's own server has. Another host would learn who is here. */
function ownFonts(fonts: readonly FontObject[] = []): FontObject[] {
  if (typeof window === "undefined") return [];
  const { href, origin } = window.location;
  return fonts.filter(
    ({ family, src }) =>
      FAMILY.test(family) && URL.canParse(src, href) && new URL(src, href).origin === origin,
  );
}

/** Makes fonts known to the document. Returns a function that takes them back. */
export function addFonts(fonts: readonly FontObject[]): () => void {
  const faces = fonts.map(({ family, src, weight, style, display, unicodeRange }) => {
    const address = new URL(src, window.location.href).href;
    const face = new FontFace(family, `url("${address}")`, {
      ...(weight !== undefined && { weight: `${weight}` }),
      ...(style && { style }),
      ...(display && { display }),
      ...(unicodeRange && { unicodeRange }),
    });
    document.fonts.add(face);
    face.loaded.catch(console.error);
    return face;
  });
  return () => {
    for (const face of faces) document.fonts.delete(face);
  };
}
