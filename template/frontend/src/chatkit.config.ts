import type { StudioExport } from "@/kit/chat";

/**
 * How the chat looks: paste the object of your export of ChatKit Studio (https://chatkit.studio/playground) over the one
 * below, as it is. Every option that ChatKit knows is typed, and what it does not know is underlined: it would refuse to
 * start.
 */
export const chatkitConfig: StudioExport = {
  theme: {
    radius: "round",
    density: "normal",
    color: { accent: { primary: "#4f46e5", level: 2 }, grayscale: { hue: 240, tint: 4 } },
    typography: { baseSize: 16, fontFamily: "system-ui, sans-serif" },
  },
  history: { enabled: true, showRename: true, showDelete: true },
  thread: { autoScroll: true },
  startScreen: {
    greeting: "What can I help with today?",
    prompts: [
      { label: "Show me a widget", prompt: "Show me a widget", icon: "sparkle" },
      { label: "Show me a form", prompt: "Show me a form", icon: "notebook-pencil" },
      { label: "Use a client tool", prompt: "Use a client tool", icon: "desktop" },
      { label: "Show progress", prompt: "Show progress", icon: "analytics" },
    ],
  },
  // With an OPENAI_API_KEY people can dictate: `dictation: { enabled: true }` beside `attachments`. And they can choose
  // among the models of the backend's OPENAI_MODELS: `models: [{ id: "…", label: "…" }]`.
  composer: {
    placeholder: "Write a message…",
    attachments: {
      enabled: true,
      maxCount: 5,
      maxSize: 20 * 1024 * 1024,
      accept: {
        "image/png": [".png"],
        "image/jpeg": [".jpg", ".jpeg"],
        "image/gif": [".gif"],
        "image/webp": [".webp"],
        "application/pdf": [".pdf"],
        "text/plain": [".txt"],
        "text/markdown": [".md"],
        "text/csv": [".csv"],
        "application/json": [".json"],
      },
    },
  },
  threadItemActions: { feedback: true, retry: true },
};
