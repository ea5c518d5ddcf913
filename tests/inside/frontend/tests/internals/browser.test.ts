import { chromium } from "@playwright/test";
import { expect, test } from "vitest";
import { findBrowser, type Machine } from "../page/browser";

const STUB = '#!/bin/sh\nif ! [ -x /snap/bin/chromium ]; then exit 1; fi\nexec /snap/bin/chromium "$@"\n';

function machine(
  platform: NodeJS.Platform,
  env: Record<string, string>,
  ...files: (string | [string, string])[]
): Machine {
  const contents = new Map(files.map((file) => (typeof file === "string" ? [file, ""] : file)));
  return { platform, env, home: "/Users/jane", read: (path) => contents.get(path) ?? null };
}

const WINDOWS = {
  ProgramFiles: "C:\\Program Files",
  "ProgramFiles(x86)": "C:\\Program Files (x86)",
  LOCALAPPDATA: "C:\\Users\\Jane Doe\\AppData\\Local",
};
const EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe";
const OWN_CHROME = "C:\\Users\\Jane Doe\\AppData\\Local\\Google\\Chrome\\Application\\chrome.exe";
const MAC_EDGE = "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge";
const MAC_CHROME = "/Users/jane/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
const PATH = { PATH: "/usr/local/bin:/usr/bin" };

test.each([
  ["Edge, which every Windows has", machine("win32", WINDOWS, EDGE), EDGE],
  [
    "Chrome that a person has installed for themselves",
    machine("win32", WINDOWS, EDGE, OWN_CHROME),
    OWN_CHROME,
  ],
  ["Edge on a Mac", machine("darwin", PATH, MAC_EDGE), MAC_EDGE],
  ["Chrome in the person's own folder", machine("darwin", PATH, MAC_EDGE, MAC_CHROME), MAC_CHROME],
  ["Chrome on the PATH", machine("linux", PATH, "/usr/bin/google-chrome"), "/usr/bin/google-chrome"],
  ["Edge on the PATH", machine("linux", PATH, "/usr/bin/microsoft-edge"), "/usr/bin/microsoft-edge"],
  ["Playwright's own", machine("linux", PATH, chromium.executablePath()), chromium.executablePath()],
  [
    "CHROMIUM before all others",
    machine("linux", { CHROMIUM: "/my/c", ...PATH }, "/my/c", "/usr/bin/chromium"),
    "/my/c",
  ],
  ["CHROMIUM that is not there", machine("linux", { CHROMIUM: "/my/c", ...PATH }, "/usr/bin/chromium"), null],
  ["nothing", machine("darwin", PATH), null],
])("the browser is %s", (_name, here, browser) => {
  expect(findBrowser(here)).toBe(browser);
});

test("the script that wants the snap of Chromium is no browser without it", () => {
  const stub = ["/usr/bin/chromium-browser", STUB] as [string, string];
  expect(findBrowser(machine("linux", PATH, stub))).toBeNull();
  expect(findBrowser(machine("linux", PATH, stub, "/usr/bin/google-chrome"))).toBe("/usr/bin/google-chrome");
  expect(findBrowser(machine("linux", PATH, stub, "/snap/bin/chromium"))).toBe(stub[0]);
});
