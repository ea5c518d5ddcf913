import { bundle } from "../stand-in/bundle";

/** Makes the document of a page of a test's own from a module beside the tests, with its styles in it. */
export async function pageOf(module: string): Promise<{ document: string; script: string }> {
  const { script, styles } = await bundle("internals", module);
  const head = `<meta charset="utf-8"><title>Alone</title><style>${styles}</style>`;
  const document = `<!doctype html><html lang="en"><head>${head}</head><body></body></html>`;
  return { document, script };
}
