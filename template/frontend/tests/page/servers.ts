import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Where things lie. */
export const FRONTEND = fileURLToPath(new URL("../..", import.meta.url));
export const BACKEND = fileURLToPath(new URL("../../../backend", import.meta.url));
/** What the tests leave behind: pictures and logs. Playwright empties it before each run. */
export const RESULTS = fileURLToPath(new URL("../../test-results", import.meta.url));

/** A backend that answers as the demo assistant, and the secret by which it believes the page's server. */
export type Backend = { address: string; secret: string };

/** Where a page is, and where its server looks for its backend: there is none, and a test may put one of its own. */
export type Orphan = { address: string; backend: string };

/** A running server, the process that it is, and how to end it. */
export type Running<T> = { at: T; pid: number; stop: () => Promise<void> };

type Environment = Record<string, string>;

// Guests, whatever login the owner has set up.
const GUESTS = { OIDC_ISSUER: "", BACKEND_COOKIES: "" };

/** Starts the project's backend, on an empty database of its own. */
export async function startBackend(): Promise<Running<Backend>> {
  const program = await Program.start("backend", {
    program: process.env.UV ?? "uv", // set by `uv run`, also where uv is not on the PATH
    args: ["run", "--no-sync", "python", "tests/page_backend.py"],
    folder: BACKEND,
  });
  const line = await program.until(() => /^\{"address".*\}$/m.exec(program.output)?.[0]);
  return { at: JSON.parse(line), pid: program.pid, stop: () => program.closeInput() };
}

/**
 * Starts the page's server as in production.
 *
 * @param env Its settings, in the place of those that lead to the backend of the tests.
 */
export async function startPage(backend: Backend, env: Environment = {}): Promise<Running<string>> {
  const port = await freePort();
  const settings = { ...settingsFor(backend), NODE_ENV: "production", PORT: String(port), ...env };
  return startNode("page", ["scripts/start.mjs"], port, settings);
}

/** Starts the page's server with nobody at its backend's address. */
export async function startOrphan(backend: Backend): Promise<Running<Orphan>> {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const page = await startPage(backend, { BACKEND_URL: nobody });
  return { ...page, at: { address: page.at, backend: nobody } };
}

/**
 * Starts Next's development server as `uv run dev` does.
 *
 * @returns Nothing where one runs already: Next allows a single one in a folder.
 */
export async function startDevelopment(backend: Backend): Promise<Running<string> | null> {
  const port = await freePort();
  const next = ["node_modules/next/dist/bin/next", "dev", "-H", "127.0.0.1", "-p", String(port)];
  const settings = { ...settingsFor(backend), NODE_ENV: "development" };
  return startNode("development", next, port, settings).catch((error: Error) => {
    if (error.message.includes("already running")) return null;
    throw error;
  });
}

function settingsFor({ address, secret }: Backend): Environment {
  return { ...GUESTS, BACKEND_URL: address, CHATKIT_SECRET: secret, NEXT_TELEMETRY_DISABLED: "1" };
}

async function startNode(
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
  return { at: address, pid: program.pid, stop: () => program.stop() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const PATIENCE_MS = 120_000;

/** What to run: in which folder, and with what in its environment besides that of the tests. */
export type Command = { program: string; args: string[]; folder: string; env?: Record<string, string> };

let started = 0;

/** A program that runs beside the tests. What it prints goes into a log among their results. */
export class Program {
  private constructor(
    private readonly child: ChildProcess,
    private readonly log: string,
  ) {}

  /**
   * Starts a program.
   *
   * @param name Of its log.
   * @throws {Error} It is not there.
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

  /** The id of its process. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** All that it printed so far. */
  get output(): string {
    return readFileSync(this.log, "utf8");
  }

  /**
   * Waits while it runs until something is there.
   *
   * @returns What `look` has found.
   * @throws {Error} It has ended, or is ended as nothing was there in time; with all that it printed.
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

  /** Lets it read to the end of its input, and waits until it has ended by itself. */
  async closeInput(): Promise<void> {
    if (this.isOver) return;
    const ended = once(this.child, "exit");
    this.child.stdin?.end();
    await ended;
  }

  /** Ends it, with the processes that it has started. */
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
