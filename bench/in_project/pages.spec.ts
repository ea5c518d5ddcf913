import { writeFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test } from "./person";
import { freePort, Program, settingsFor, sharedServers } from "./servers";

/** The folders of other front ends by their names, how often each page is opened, and where the figures go. */
type Job = { others: Record<string, string>; rounds: number; figures: string };

/**
 * What a page's own server sends as scripts, styles and document, in kB, compressed; after how many milliseconds the
 * largest of it is painted; and how much it shifts, in thousandths of Chromium's measure.
 */
type Seen = { weight: number; painted: number; shifted: number };

declare global {
  interface Window {
    seen: Pick<Seen, "painted" | "shifted">;
  }
}

// A phone in the field: from this machine itself, whatever is loaded comes at once.
const NETWORK = { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 90_000 };
const CPU = { rate: 4 };

test("what pages weigh, and when they are there", async ({ newPerson }) => {
  test.setTimeout(900_000);
  const { others, rounds, figures }: Job = JSON.parse(process.env.JOB ?? "");
  const { address, basic, backend } = sharedServers();
  const sides = new Map([
    ["chatkit", address],
    ["basic", basic],
  ]);
  const programs: Program[] = [];
  for (const [name, folder] of Object.entries(others)) {
    const port = `${await freePort()}`;
    const env = { ...settingsFor(backend), NODE_ENV: "production", PORT: port };
    const command = { program: process.execPath, args: ["scripts/start.mjs"], folder, env };
    const program = await Program.start(name, command);
    programs.push(program);
    sides.set(name, `http://127.0.0.1:${port}`);
    await program.until(() => fetch(`http://127.0.0.1:${port}`).catch(() => null));
  }
  const seen: Record<string, Seen[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, at] of sides) {
      const person = await newPerson();
      if (name === "basic") person.cdn = "unwanted";
      const devtools = await person.context.newCDPSession(person.page);
      await devtools.send("Network.emulateNetworkConditions", NETWORK);
      await devtools.send("Emulation.setCPUThrottlingRate", CPU);
      await watch(person.page);
      await (name === "bare" ? person.page.goto(at) : person.open(at));
      const figures = await look(person.page);
      await person.context.close();
      // The first round warms the servers up.
      if (round > 0) seen[name] = [...(seen[name] ?? []), figures];
    }
  }
  for (const program of programs) await program.stop();
  writeFileSync(figures, JSON.stringify(seen));
});

/** Follows the page's own paints and shifts: what is in the stand-in's shadow root has no element here. */
async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const seen = { painted: 0, shifted: 0 };
    window.seen = seen;
    const follow = <T extends PerformanceEntry>(type: string, note: (entry: T) => void) => {
      const observer = new PerformanceObserver((list) => (list.getEntries() as T[]).forEach(note));
      observer.observe({ type, buffered: true });
    };
    follow<LargestContentfulPaint>("largest-contentful-paint", ({ element, startTime }) => {
      if (element) seen.painted = startTime;
    });
    follow<PerformanceEntry & { value: number }>("layout-shift", ({ value }) => {
      seen.shifted += value * 1000;
    });
  });
}

async function look(page: Page): Promise<Seen> {
  await expect.poll(() => page.evaluate(() => window.seen.painted)).toBeGreaterThan(0);
  return page.evaluate(async () => {
    // The last shift is reported after its frame.
    for (const _ of [1, 2, 3]) await new Promise(requestAnimationFrame);
    const size = (entry: PerformanceEntry) => (entry as PerformanceResourceTiming).encodedBodySize;
    const files = performance
      .getEntriesByType("resource")
      .filter(({ name }) => name.includes("/_next/static/"));
    const loaded = [...performance.getEntriesByType("navigation"), ...files].map(size);
    const weight = loaded.reduce((sum, bytes) => sum + bytes) / 1000;
    return { ...window.seen, weight };
  });
}
