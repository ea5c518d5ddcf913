import { useEffect, useSyncExternalStore } from "react";
import { en } from "@/kit/words/en";

/** The words of one language, by their names in en.ts. */
export type Words = Readonly<Record<keyof typeof en, string>>;

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

const loaded = new Map<Language, Words>([["en", en]]);
const listeners = new Set<() => void>();

/** Puts values into a text, each in the place of its name in braces. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** Returns the language for a BCP 47 tag such as `de-AT`; English if the page does not speak it. */
export function languageOf(tag: string): Language {
  const [wanted] = tag.toLowerCase().split(/[-_]/);
  return LANGUAGES.find((language) => language === wanted) ?? "en";
}

/** Returns the words of a language, or the English ones until they are loaded. */
export function wordsOf(language: Language): Words {
  return loaded.get(language) ?? en;
}

/** Loads the words for a BCP 47 tag, unless they are there. */
export async function loadWords(tag: string): Promise<Words> {
  const language = languageOf(tag);
  const known = loaded.get(language);
  if (known || language === "en") return known ?? en;
  const words = await OTHERS[language]();
  loaded.set(language, words);
  for (const onChange of listeners) onChange();
  return words;
}

/** The words of the page, and what tells a browser how to read and lay them out. */
export type Spoken = { words: Words; language: Language; dir: "ltr" | "rtl" };

/**
 * Returns the words for a locale, by default the browser's. They are English on the server, and
 * until the others are loaded.
 */
export function useWords(locale?: string): Spoken {
  const preferred = useSyncExternalStore(subscribeToBrowser, browserLanguage, () => "en");
  const wanted = languageOf(locale ?? preferred);
  const words = useSyncExternalStore(
    subscribe,
    () => wordsOf(wanted),
    () => en,
  );
  useEffect(() => {
    loadWords(wanted).catch(console.error);
  }, [wanted]);
  const language = words === en ? "en" : wanted;
  return { words, language, dir: language === "ar" ? "rtl" : "ltr" };
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
