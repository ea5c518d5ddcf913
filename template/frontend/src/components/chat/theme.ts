import type { ChatKitOptions, ColorScheme, ThemeOption } from "@openai/chatkit";
import { useSyncExternalStore } from "react";

const DARK = "(prefers-color-scheme: dark)";

/** The theme of the config, light or dark as the system is unless the config says which. */
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
