import { join } from "node:path";
import { build } from "esbuild";
import { FRONTEND } from "./paths";

let building: Promise<string> | null = null;

/** The stand-in for OpenAI's element, as the one script that a browser loads. */
export function standInScript(): Promise<string> {
  building ??= bundle();
  return building;
}

async function bundle(): Promise<string> {
  const entry = join(FRONTEND, "tests", "stand-in", "stand-in-chatkit.ts");
  const options = { bundle: true, format: "iife", charset: "utf8", write: false } as const;
  const { outputFiles } = await build({ ...options, entryPoints: [entry] });
  return outputFiles.map(({ text }) => text).join("");
}
