import { join } from "node:path";
import { build } from "esbuild";
import { FRONTEND } from "../page/servers";

/** Makes the document of a page of a test's own from a module beside the tests, with its styles in it. */
export async function pageOf(module: string): Promise<{ document: string; script: string }> {
  const { outputFiles } = await build({
    entryPoints: [join(FRONTEND, "tests", "internals", module)],
    bundle: true,
    format: "iife",
    jsx: "automatic",
    charset: "utf8",
    outdir: "out",
    write: false,
    define: { "process.env.NODE_ENV": '"production"', "process.env.FRONTEND_BASE_PATH": '""' },
    loader: { ".module.css": "local-css" },
  });
  const named = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  const head = `<meta charset="utf-8"><title>Alone</title><style>${named(".css")}</style>`;
  const document = `<!doctype html><html lang="en"><head>${head}</head><body></body></html>`;
  return { document, script: named(".js") };
}
