import { join } from "node:path";
import { build } from "esbuild";
import { FRONTEND } from "../page/servers";

/** Bundles a module of the tests, with all that it imports, into one script and one stylesheet. */
export async function bundle(...path: string[]): Promise<{ script: string; styles: string }> {
  const { outputFiles } = await build({
    entryPoints: [join(FRONTEND, "tests", ...path)],
    bundle: true,
    format: "iife",
    charset: "utf8",
    outdir: "out",
    write: false,
    define: { "process.env.NODE_ENV": '"production"', "process.env.FRONTEND_BASE_PATH": '""' },
    loader: { ".module.css": "local-css" },
  });
  const textOf = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  return { script: textOf(".js"), styles: textOf(".css") };
}

let standIn: Promise<string> | null = null;

/** The stand-in for OpenAI's element, as the one script that a browser loads. */
export function standInScript(): Promise<string> {
  standIn ??= bundle("stand-in", "element.tsx").then(
    ({ script, styles }) => `window.standInStyles = ${JSON.stringify(styles)};\n${script}`,
  );
  return standIn;
}
