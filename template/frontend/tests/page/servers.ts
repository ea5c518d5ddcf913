import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findBrowser, whyNoBrowser } from "./browser";

export const FRONTEND = fileURLToPath(new URL("../..", import.meta.url));
const BACKEND_TESTS = fileURLToPath(new URL("../../../backend/tests", import.meta.url));
/** The folder for screenshots and logs. Playwright empties it before each run. */
export const RESULTS = fileURLToPath(new URL("../../test-results", import.meta.url));

const NOT_BUILT =
  "The page is not built, but its tests need the build for production: run `npm run build` first.";

/**
 * Makes sure that the page is built.
 *
 * @throws {Error} The page is not built.
 */
export function expectBuild(): void {
  if (!existsSync(join(FRONTEND, ".next", "BUILD_ID"))) throw plainError(NOT_BUILT);
}

/** An error for people. It has no stack, because the place in the tests would help nobody. */
function plainError(reason: string): Error {
  return Object.assign(new Error(reason), { stack: reason });
}

/** A backend's address, and the secret that it shares with the page's server. */
export type Backend = { address: string; secret: string };

/** A running server: where it is, and how to stop it. */
export type Running<T> = { at: T; stop: () => Promise<void> };

type Environment = Record<string, string>;

const STARTED = "SERVERS_OF_THE_PAGE";

/**
 * Starts a backend and the page's server for all tests. Playwright calls this before the first
 * test.
 *
 * Without a browser the tests are skipped, but in CI a missing browser is an error.
 *
 * @returns A function that stops both after the last test.
 * @throws {Error} The page is not built or, in CI, there is no browser.
 */
export default async function startServers(): Promise<() => Promise<void>> {
  if (!findBrowser()) {
    const reason = whyNoBrowser();
    if (process.env.CI) throw plainError(reason);
    console.warn(`The tests of the page are skipped. ${reason}`);
    return async () => {};
  }
  expectBuild();
  const backend = await startBackend();
  const page = await startPage(backend.at);
  const basic = await startPage(backend.at, { NEXT_PUBLIC_CHAT: "basic" });
  process.env[STARTED] = JSON.stringify({ address: page.at, basic: basic.at, backend: backend.at });
  return async () => {
    await Promise.all([page.stop(), basic.stop()]);
    await backend.stop();
  };
}

/** The addresses of the servers that all tests share: the page, the page with the basic chat, and the backend. */
export function sharedServers(): { address: string; basic: string; backend: Backend } {
  return JSON.parse(process.env[STARTED] ?? "{}");
}

/**
 * Starts the project's backend, with an empty database of its own and the assistant of the tests.
 *
 * @param env Settings in addition to those of all tests.
 */
export async function startBackend(env: Environment = {}): Promise<Running<Backend>> {
  const settings = Object.entries(env).map((setting) => setting.join("="));
  const program = await Program.start("backend", {
    program: process.env.UV ?? "uv", // set by `uv run`, also where uv is not on the PATH
    args: ["run", "--no-sync", "python", "-m", "contract.serving", ...settings],
    folder: BACKEND_TESTS,
  });
  const line = await program.until(() => /^\{"address".*\}$/m.exec(program.output)?.[0]);
  return { at: JSON.parse(line), stop: () => program.closeInput() };
}

// The tests use guests and ChatKit's element, whatever login and chat the owner has set up.
const DEFAULTS = { OIDC_ISSUER: "", BACKEND_COOKIES: "", NEXT_PUBLIC_CHAT: "" };

/** The settings of a page's server in front of this backend. */
export function settingsFor({ address, secret }: Backend): Environment {
  return { ...DEFAULTS, BACKEND_URL: address, CHATKIT_SECRET: secret, NEXT_TELEMETRY_DISABLED: "1" };
}

/**
 * Starts the page's server as in production.
 *
 * @param env Settings that replace those of {@link settingsFor}.
 */
export async function startPage(backend: Backend, env: Environment = {}): Promise<Running<string>> {
  const port = await freePort();
  const settings = { ...settingsFor(backend), NODE_ENV: "production", PORT: String(port), ...env };
  const { at, stop } = await startNode("page", ["scripts/start.mjs"], port, settings);
  const { basePath } = JSON.parse(readFileSync(join(FRONTEND, ".next", "routes-manifest.json"), "utf8"));
  return { at: `${at}${basePath}`, stop };
}

/** Starts a Node program that serves at a port, and waits until it answers. */
export async function startNode(
  name: string,
  args: string[],
  port: number,
  env: Environment,
): Promise<Running<string>> {
  const program = await Program.start(name, { program: process.execPath, args, folder: FRONTEND, env });
  const address = `http://127.0.0.1:${port}`;
  await program.until(() =>
    fetch(address).then(
      (answer) => answer.text(),
      () => null,
    ),
  );
  return { at: address, stop: () => program.stop() };
}

/** A port that nobody listens on. The system gives such a one to nobody by itself, even seconds later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

const PATIENCE_MS = 120_000;

/**
 * What to run, in which folder, and with which variables in addition to the environment of the
 * tests.
 */
export type Command = { program: string; args: string[]; folder: string; env?: Record<string, string> };

let started = 0;

/**
 * A program that runs beside the tests. Its output goes into a log in the folder of the results.
 */
export class Program {
  private constructor(
    private readonly child: ChildProcess,
    private readonly log: string,
  ) {}

  /**
   * Starts a program.
   *
   * @param name The name of its log.
   * @throws {Error} The program does not exist.
   */
  static async start(name: string, { program, args, folder, env }: Command): Promise<Program> {
    mkdirSync(RESULTS, { recursive: true });
    const path = join(RESULTS, `${name}-${process.pid}-${++started}.log`);
    const log = openSync(path, "w");
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ["pipe", log, log],
    });
    closeSync(log);
    await once(child, "spawn");
    return new Program(child, path);
  }

  /** Everything that it has printed so far. */
  get output(): string {
    return readFileSync(this.log, "utf8");
  }

  /**
   * Waits until `look` finds something.
   *
   * @returns What `look` has found.
   * @throws {Error} The program ended, or was stopped because nothing was found in time. The
   * message has its output.
   */
  async until<T>(look: () => Promise<T | null | undefined> | T | null | undefined): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    while (!this.isOver && Date.now() < end) {
      const found = await look();
      if (found) return found;
      await pause(50);
    }
    const what = this.isOver ? "ended" : `was not ready after ${PATIENCE_MS / 1000} s`;
    await this.stop();
    throw new Error(`${this.child.spawnargs.join(" ")} ${what}:\n${this.output}`);
  }

  /** Closes its input, and waits until it ends by itself. */
  async closeInput(): Promise<void> {
    if (this.isOver) return;
    const ended = once(this.child, "exit");
    this.child.stdin?.end();
    await ended;
  }

  /** Stops it, with the processes that it has started. */
  async stop(): Promise<void> {
    if (this.isOver) return;
    const ended = once(this.child, "exit");
    if (process.platform === "win32") execFileSync("taskkill", ["/pid", `${this.child.pid}`, "/T", "/F"]);
    else this.child.kill();
    await ended;
  }

  private get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}
