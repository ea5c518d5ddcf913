import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { RESULTS } from "./paths";

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
