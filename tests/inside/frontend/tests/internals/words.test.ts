import { describe, expect, test } from "vitest";
import {
  fill,
  LANGUAGES,
  type Language,
  languageOf,
  loadWords,
  translated,
  type Words,
  wordsOf,
} from "@/kit/words";
import { en } from "@/kit/words/en";

/** What is the same in English and in another language. */
const SAME: Record<string, (keyof Words)[]> = {
  de: ["chat", "start", "widget", "details", "code"],
  es: ["chat", "widget"],
};

const KEYS = Object.keys(en) as (keyof Words)[];

async function loaded(language: Language): Promise<Words> {
  await loadWords(language);
  return wordsOf(language) ?? en;
}

function placesIn(text: string): string[] {
  return [...text.matchAll(/\{\w*\}?/g)].map(([place]) => place).sort();
}

describe.each(LANGUAGES.filter((language) => language !== "en"))("the words in %s", (language) => {
  test("stay when they are loaded", async () => {
    const words = await loaded(language);
    expect(words).not.toBe(en);
    expect(await loaded(language)).toBe(words);
  });

  test("are those of English, in its order, and none is empty", async () => {
    const words = await loaded(language);
    expect(Object.keys(words)).toEqual(KEYS);
    expect(KEYS.filter((key) => !words[key].trim())).toEqual([]);
  });

  test("have the places that English has", async () => {
    const words = await loaded(language);
    for (const key of KEYS) expect(placesIn(words[key]), key).toEqual(placesIn(en[key]));
  });

  test("are translated", async () => {
    const words = await loaded(language);
    expect(KEYS.filter((key) => words[key] === en[key])).toEqual(SAME[language] ?? []);
  });
});

test.each([
  ["en", "en"],
  ["en-GB", "en"],
  ["de-AT", "de"],
  ["es-419", "es"],
  ["zh-TW", "zh"],
  ["zh-Hant", "zh"],
  ["JA", "ja"],
  ["ar_EG", "ar"],
  ["fr-CA", "en"],
  ["den", "en"],
  ["", "en"],
])("the language of the tag %j is %s", (tag, language) => {
  expect(languageOf(tag)).toBe(language);
});

test("a value stays as it is, whatever is in it", () => {
  expect(fill("Rename {title}", { title: "$& {name}" })).toBe("Rename $& {name}");
  expect(fill("Rename {title}", {})).toBe("Rename {title}");
});

test("what the page says is translated, and what an owner or the backend says is not", async () => {
  const words = await loaded("de");
  expect(translated(en.unavailable, words)).toBe(words.unavailable);
  expect(translated(`${en.unavailable} (request 7)`, words)).toBe(`${words.unavailable} (request 7)`);
  expect(translated("Too many messages.", words)).toBe("Too many messages.");
});
