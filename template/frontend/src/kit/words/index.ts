import { useEffect, useSyncExternalStore } from "react";
import type { en } from "@/kit/words/en";
import { page } from "@/kit/words/page";

/** The words of one language, by their names in en.ts. */
export type Words = Readonly<Record<keyof typeof en, string>>;

/** Those of the page itself, by their names in page.ts. */
export type PageWords = Pick<Words, keyof typeof page>;

/** A language that the page speaks. */
export type Language = "en" | keyof typeof OTHERS;

// The page starts with English alone, and loads the one language that the person needs.
const OTHERS = {
  ar: async (): Promise<Words> => (await import("@/kit/words/ar")).ar,
  de: async (): Promise<Words> => (await import("@/kit/words/de")).de,
  es: async (): Promise<Words> => (await import("@/kit/words/es")).es,
  ja: async (): Promise<Words> => (await import("@/kit/words/ja")).ja,
  zh: async (): Promise<Words> => (await import("@/kit/words/zh")).zh,
};

/** The languages that the page speaks. */
export const LANGUAGES = ["en", ...Object.keys(OTHERS)] as readonly Language[];

const loaded = new Map<Language, Words>();
const listeners = new Set<() => void>();

/** Puts values into a text, each in the place of its name in braces. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/**
 * Returns a text of page.ts in the language of `words`. What follows it in brackets, such as the id of a
 * request, stays as it is, and so does any other text.
 */
export function translated(text: string, words: PageWords): string {
  const names = Object.keys(page) as (keyof PageWords)[];
  const name = names.find((one) => text === page[one] || text.startsWith(`${page[one]} (`));
  return name ? words[name] + text.slice(page[name].length) : text;
}

/** Returns the language for a BCP 47 tag such as `de-AT`; English if the page does not speak it. */
export function languageOf(tag: string): Language {
  const [wanted] = tag.toLowerCase().split(/[-_]/);
  return LANGUAGES.find((language) => language === wanted) ?? "en";
}

/** Returns the words of a language; undefined if they are not loaded. Nobody has to load English. */
export function wordsOf(language: Language): Words | undefined {
  return loaded.get(language);
}

/** Loads the words for a BCP 47 tag, unless they are there or English. */
export async function loadWords(tag: string): Promise<void> {
  const language = languageOf(tag);
  if (language === "en" || loaded.has(language)) return;
  loaded.set(language, await OTHERS[language]());
  for (const onChange of listeners) onChange();
}

/** Some words, and what tells a browser how to read and lay them out. */
export type Spoken<W = Words> = { words: W; language: Language; dir: "ltr" | "rtl" };

/**
 * Returns the words for a locale. They are English on the server, and until the others are loaded.
 *
 * @param english The words that are needed, in English.
 * @param locale A BCP 47 tag; by default the browser's language.
 */
export function useWords<W extends PageWords>(english: W, locale?: string): Spoken<W> {
  const preferred = useSyncExternalStore(subscribeToBrowser, browserLanguage, () => "en");
  const wanted = languageOf(locale ?? preferred);
  const words = useSyncExternalStore(
    subscribe,
    () => wordsOf(wanted),
    () => undefined,
  );
  useEffect(() => {
    loadWords(wanted).catch(console.error);
  }, [wanted]);
  const language = words ? wanted : "en";
  // Each language has all words.
  return { words: (words ?? english) as W, language, dir: language === "ar" ? "rtl" : "ltr" };
}

function subscribe(onChange: () => void): () => void {
  listeners.add(onChange);
  return () => listeners.delete(onChange);
}

function subscribeToBrowser(onChange: () => void): () => void {
  window.addEventListener("languagechange", onChange);
  return () => window.removeEventListener("languagechange", onChange);
}

function browserLanguage(): string {
  return navigator.language;
}
