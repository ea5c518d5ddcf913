import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { posix, win32 } from "node:path";
import { chromium } from "@playwright/test";

/** Flags for a machine without a GPU, network or microphone, and for root, who has no sandbox. */
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

/** What finding a browser depends on. */
export type Machine = {
  platform: NodeJS.Platform;
  env: Record<string, string | undefined>;
  home: string;
  /** The text of a file that is small, or "" of a large one; null if there is none. */
  read: (path: string) => string | null;
};

const ON_THE_PATH = [
  "chromium",
  "google-chrome",
  "google-chrome-stable",
  "microsoft-edge",
  "microsoft-edge-stable",
  "chromium-browser",
];
const OF_MACOS = ["Google Chrome", "Chromium", "Microsoft Edge"];
const OF_WINDOWS = [
  "Google\\Chrome\\Application\\chrome.exe",
  "Chromium\\Application\\chrome.exe",
  "Microsoft\\Edge\\Application\\msedge.exe",
];

/** The browser that Ubuntu's `chromium-browser`, which is a script, starts if somebody has installed it. */
const SNAP = "/snap/bin/chromium";

const LONGEST_SCRIPT = 10_000;

/** This machine. */
export const HERE: Machine = {
  platform: process.platform,
  env: process.env,
  home: homedir(),
  read: (path) => {
    if (!existsSync(path)) return null;
    return statSync(path).size > LONGEST_SCRIPT ? "" : readFileSync(path, "utf8");
  },
};

/**
 * The browser for the tests: CHROMIUM, Playwright's own, or an installed Chrome, Chromium or Edge;
 * null if there is none.
 */
export function findBrowser(machine: Machine = HERE): string | null {
  const { CHROMIUM } = machine.env;
  const paths = CHROMIUM ? [CHROMIUM] : [chromium.executablePath(), ...usualPaths(machine)];
  return paths.find((path) => works(path, machine)) ?? null;
}

function usualPaths({ platform, env, home }: Machine): string[] {
  if (platform === "win32") {
    const folders = [env.ProgramFiles, env["ProgramFiles(x86)"], env.LOCALAPPDATA];
    return join(OF_WINDOWS, folders, win32.join);
  }
  const onThePath = join(ON_THE_PATH, (env.PATH ?? "").split(":"), posix.join);
  if (platform !== "darwin") return onThePath;
  const apps = OF_MACOS.map((name) => `${name}.app/Contents/MacOS/${name}`);
  return [...join(apps, ["/Applications", `${home}/Applications`], posix.join), ...onThePath];
}

function join(programs: string[], folders: (string | undefined)[], path: typeof posix.join): string[] {
  return programs.flatMap((program) => folders.flatMap((folder) => (folder ? [path(folder, program)] : [])));
}

function works(path: string, { read }: Machine): boolean {
  const content = read(path);
  if (content === null) return false;
  return !content.includes(SNAP) || read(SNAP) !== null;
}

/** The sentence for a person whose machine has no browser. */
export function whyNoBrowser(): string {
  const { CHROMIUM } = process.env;
  if (CHROMIUM) return `CHROMIUM is ${CHROMIUM}, and there is no such file.`;
  return (
    "They need Chrome, Chromium or Edge, which this machine does not have. Install one, " +
    "or run `npx playwright install chromium` in frontend/, or set CHROMIUM to the path of one."
  );
}
