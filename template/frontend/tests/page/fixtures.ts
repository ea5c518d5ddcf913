import { type BrowserContextOptions, test as base, expect } from "@playwright/test";
import { findChromium, whyNoChromium } from "./chromium";
import { Person } from "./person";
import {
  type Backend,
  type Orphan,
  type Running,
  startBackend,
  startDevelopment,
  startOrphan,
  startPage,
} from "./servers";

export { expect };

const START = { scope: "worker", timeout: 240_000 } as const;

type OfTests = {
  withChromium: undefined;
  /** Brings somebody with a new browser, which in the end must have had nothing to complain of. */
  newPerson: (options?: BrowserContextOptions) => Promise<Person>;
  /** Somebody who has the page open. */
  person: Person;
  /** Starts one more page's server, with other settings, and returns its address. */
  startOtherPage: (env: Record<string, string>) => Promise<string>;
  /** Where the page is in development. */
  developmentAddress: string;
};

type OfWorkers = {
  /** The project's backend. */
  backend: Backend;
  /** Where the page is, built for production, with the backend behind it. */
  address: string;
  /** A page that has no backend, or one of a test's own. */
  orphan: Orphan;
  development: string | null;
};

/** Tests of the page in a browser: real page, real backend, and a stand-in for OpenAI's element. */
export const test = base.extend<OfTests, OfWorkers>({
  withChromium: [
    async ({ browserName }, use) => {
      test.skip(browserName === "chromium" && !findChromium(), whyNoChromium());
      await use(undefined);
    },
    { auto: true },
  ],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here what a fixture needs.
  backend: [async ({}, use) => during(startBackend(), use), START],
  address: [async ({ backend }, use) => during(startPage(backend), use), START],
  orphan: [async ({ backend }, use) => during(startOrphan(backend), use), START],
  development: [
    async ({ backend }, use) => {
      const running = await startDevelopment(backend);
      await use(running?.at ?? null);
      await running?.stop();
    },
    START,
  ],
  developmentAddress: async ({ development }, use) => {
    test.skip(!development, "`uv run dev` is running, and Next allows only one of its kind in a folder");
    await use(development ?? "");
  },

  startOtherPage: async ({ backend }, use) => {
    const pages: Running<string>[] = [];
    await use(async (env) => {
      const page = await startPage(backend, env);
      pages.push(page);
      return page.at;
    });
    await Promise.all(pages.map((page) => page.stop()));
  },

  newPerson: async ({ browser }, use) => {
    const people: Person[] = [];
    await use(async (options) => {
      const person = await Person.enter(browser, options);
      people.push(person);
      return person;
    });
    for (const { context } of people) await context.close();
    expect(people.flatMap(({ problems }) => problems)).toEqual([]);
  },

  person: async ({ newPerson, address }, use) => {
    const person = await newPerson();
    await person.open(address);
    await use(person);
  },
});

async function during<T>(starting: Promise<Running<T>>, use: (at: T) => Promise<void>): Promise<void> {
  const { at, stop } = await starting;
  await use(at);
  await stop();
}
