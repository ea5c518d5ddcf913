import { test as base, expect, type Person } from "../page/person";
import {
  type Backend,
  freePort,
  type Running,
  settingsFor,
  sharedServers,
  startBackend,
  startNode,
  startPage,
} from "../page/servers";

export { expect };

const START = { scope: "worker", timeout: 240_000 } as const;

/** Where a page is, and where its server looks for its backend: there is none, and a test may put one of its own. */
export type Orphan = { address: string; backend: string };

type OfTests = {
  /** Starts one more page's server, with other settings, and returns its address. */
  startOtherPage: (env: Record<string, string>) => Promise<string>;
  /** Where the page is in development. */
  developmentAddress: string;
  /** Somebody who has the page open with the demo assistant behind it. */
  visitorOfTheDemo: Person;
};

type OfWorkers = {
  /** A page that has no backend, or one of a test's own. */
  orphan: Orphan;
  /** A page at whose backend the demo assistant answers. */
  demo: string;
  development: string | null;
};

/** Tests of other pages than the one that the project's own tests are about. */
export const test = base.extend<OfTests, OfWorkers>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here what a fixture needs.
  orphan: [async ({}, use) => during(startOrphan(), use), START],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here what a fixture needs.
  demo: [async ({}, use) => during(startDemo(), use), START],
  development: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here what a fixture needs.
    async ({}, use) => {
      const running = await startDevelopment(sharedServers().backend);
      await use(running?.at ?? null);
      await running?.stop();
    },
    START,
  ],
  developmentAddress: async ({ development }, use) => {
    test.skip(!development, "`uv run dev` is running, and Next allows only one of its kind in a folder");
    await use(development ?? "");
  },
  visitorOfTheDemo: async ({ newPerson, demo }, use) => {
    const person = await newPerson();
    await person.open(demo);
    await use(person);
  },

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here what a fixture needs.
  startOtherPage: async ({}, use) => {
    const pages: Running<string>[] = [];
    await use(async (env) => {
      const page = await startPage(sharedServers().backend, env);
      pages.push(page);
      return page.at;
    });
    await Promise.all(pages.map((page) => page.stop()));
  },
});

async function during<T>(starting: Promise<Running<T>>, use: (at: T) => Promise<void>): Promise<void> {
  const { at, stop } = await starting;
  await use(at);
  await stop();
}

/** Starts the page's server with nobody at its backend's address. */
async function startOrphan(): Promise<Running<Orphan>> {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const page = await startPage(sharedServers().backend, { BACKEND_URL: nobody });
  return { ...page, at: { address: page.at, backend: nobody } };
}

async function startDemo(): Promise<Running<string>> {
  const backend = await startBackend({ ASSISTANT: "demo", TEST_ASSISTANT: "" });
  const page = await startPage(backend.at);
  const stop = async () => {
    await page.stop();
    await backend.stop();
  };
  return { ...page, stop };
}

/**
 * Starts Next's development server as `uv run dev` does.
 *
 * @returns Nothing where one runs already: Next allows a single one in a folder.
 */
async function startDevelopment(backend: Backend): Promise<Running<string> | null> {
  const port = await freePort();
  const next = ["node_modules/next/dist/bin/next", "dev", "-H", "127.0.0.1", "-p", String(port)];
  const settings = { ...settingsFor(backend), NODE_ENV: "development" };
  return startNode("development", next, port, settings).catch((error: Error) => {
    if (error.message.includes("already running")) return null;
    throw error;
  });
}
