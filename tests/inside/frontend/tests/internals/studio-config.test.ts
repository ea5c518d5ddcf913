import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { chatkitConfig } from "@/chatkit.config";
import type { StudioExport } from "@/kit/chat";
import { fetchWith, TYPE_ALIASES, withAliases } from "@/kit/options";

// The form in which ChatKit Studio exports: what matters is that the compiler takes it.
const exported: StudioExport = {
  api: {
    // TODO: configure your ChatKit API integration (URL, auth, uploads).
  },
  theme: {
    colorScheme: "dark",
    radius: "pill",
    density: "compact",
    color: {
      grayscale: { hue: 204, tint: 7, shade: 1 },
      accent: { primary: "#262f5a", level: 1 },
      surface: { background: "#0e1013", foreground: "#1a1c20" },
    },
    typography: {
      baseSize: 14,
      fontFamily: "Lora, serif",
      fontSources: [
        {
          family: "Lora",
          src: "https://fonts.gstatic.com/s/lora/v37/0QIvMX1D_JOuMwr7I_FMl_E.woff2",
          weight: 400,
          style: "normal",
          display: "swap",
        },
      ],
    },
  },
  composer: {
    placeholder: "Ask a question…",
    attachments: { enabled: true, maxCount: 5, maxSize: 10485760 },
    tools: [
      {
        id: "search_docs",
        label: "Search docs",
        shortLabel: "Docs",
        placeholderOverride: "Search documentation",
        icon: "notebook",
        pinned: true,
      },
    ],
    models: [{ id: "fast", label: "Fast", description: "For daily use", default: true }],
  },
  startScreen: {
    greeting: "",
    prompts: [{ icon: "circle-question", label: "What is it?", prompt: "What is it?" }],
  },
};

test("studio-config-not-applied: an export is taken as it is, and the server's address is not in it", () => {
  expect(exported.api).toEqual({});
  expect(chatkitConfig).not.toHaveProperty("api.url");
});

test("csv-of-excel: what a system calls by another name, or does not know, is let through", () => {
  const { accept } =
    withAliases({ attachments: { enabled: true, accept: { "text/csv": [".csv"] } } }).attachments ?? {};
  expect(accept?.["text/csv"]).toEqual([".csv"]);
  expect(accept?.["application/vnd.ms-excel"]).toEqual([".csv"]);
  expect(accept?.["application/octet-stream"]).toEqual([".csv"]);
  expect(accept).not.toHaveProperty("image/jpg");
  expect(withAliases({ placeholder: "Write" })).toEqual({ placeholder: "Write" });
});

test("csv-of-excel: the backend knows the same names", () => {
  const source = readFileSync("../backend/src/kit/attachments/content.py", "utf8");
  const table = source.split("ALIASES = {")[1]?.split("}")[0] ?? "";
  const known = [...table.matchAll(/"([^"]+)":/g)].map(([, name]) => name);
  expect(Object.values(TYPE_ALIASES).flat().sort()).toEqual(known.sort());
});

test("the locale of the config is the language that the server is told", async () => {
  const sent = vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response());
  const options = { method: "POST", headers: { "content-type": "application/json" } };
  await fetchWith("de-CH", () => ({ article: "a/17" }), "support")("/api/chatkit", options);
  await fetchWith()("/api/chatkit", options);
  const headers = sent.mock.calls.map(([, given]) => Object.fromEntries(new Headers(given?.headers)));
  expect(headers).toEqual([
    {
      ...options.headers,
      "accept-language": "de-CH",
      "x-assistant": "support",
      "x-page-context": "article=a%2F17",
    },
    options.headers,
  ]);
  sent.mockRestore();
});
