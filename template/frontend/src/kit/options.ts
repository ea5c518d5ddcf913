import type { ChatKitOptions, ColorScheme, ThemeOption } from "@openai/chatkit";
import { useSyncExternalStore } from "react";
import { ASSISTANT, PAGE_CONTEXT } from "@/kit/settings";

type Composer = NonNullable<ChatKitOptions["composer"]>;

/**
 * A `fetch` that tells the server the chat's language, its assistant, and what the owner says about the page.
 *
 * @param send Sends the requests. By default, the browser's `fetch` does.
 */
export function fetchWith(
  locale?: string,
  pageContext?: () => Record<string, string>,
  assistant?: string,
  send: typeof fetch = (...request) => fetch(...request),
): typeof fetch {
  return (address, options) => {
    const headers = new Headers(options?.headers ?? (address instanceof Request ? address.headers : {}));
    // Without a locale ChatKit speaks the browser's language, which the browser itself sends.
    if (locale) headers.set("accept-language", locale);
    if (assistant) headers.set(ASSISTANT, assistant);
    const context = new URLSearchParams(pageContext?.()).toString();
    if (context) headers.set(PAGE_CONTEXT, context);
    return send(address, { ...options, headers });
  };
}

/**
 * Tells of each conversation that is loaded how the server has answered, because ChatKit's errors do not.
 *
 * @param note Called with the status of the answer; null if there is none.
 */
export function noting(ask: typeof fetch, note: (status: number | null) => void): typeof fetch {
  return async (address, options) => {
    const isLoad = typeof options?.body === "string" && options.body.includes('"threads.get_by_id"');
    if (isLoad) note(null);
    const response = await ask(address, options);
    if (isLoad) note(response.status);
    return response;
  };
}

/** Other names that systems have for types of files. The backend knows them too, in `kit/attachments/content.py`. */
export const TYPE_ALIASES: Record<string, string[]> = {
  "application/json": ["text/json"],
  "application/pdf": ["application/x-pdf"],
  "image/jpeg": ["image/jpg", "image/pjpeg"],
  "image/png": ["image/x-png"],
  "text/csv": [
    "application/csv",
    "application/vnd.ms-excel",
    "application/x-csv",
    "text/comma-separated-values",
    "text/x-csv",
  ],
  "text/markdown": ["text/x-markdown"],
};

/** Lets files through whose type the sender's system calls by another name, or does not know. */
export function withAliases(composer: Composer): Composer {
  const { attachments } = composer;
  if (!attachments?.accept) return composer;
  const accept = { ...attachments.accept };
  for (const [type, endings] of Object.entries(attachments.accept)) {
    for (const alias of [...(TYPE_ALIASES[type] ?? []), "application/octet-stream"]) {
      accept[alias] = [...new Set([...(accept[alias] ?? []), ...endings])];
    }
  }
  return { ...composer, attachments: { ...attachments, accept } };
}

const DARK = "(prefers-color-scheme: dark)";

/** The theme of the config. It follows the system's colour scheme unless the config sets one. */
export function useTheme(theme: ChatKitOptions["theme"]): ThemeOption {
  const system = useSyncExternalStore<ColorScheme>(subscribe, systemScheme, () => "light");
  return { colorScheme: system, ...(typeof theme === "string" ? { colorScheme: theme } : theme) };
}

function subscribe(onChange: () => void): () => void {
  const query = matchMedia(DARK);
  query.addEventListener("change", onChange);
  return () => query.removeEventListener("change", onChange);
}

function systemScheme(): ColorScheme {
  return matchMedia(DARK).matches ? "dark" : "light";
}
