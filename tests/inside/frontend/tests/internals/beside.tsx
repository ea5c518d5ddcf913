import { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { chatkitConfig } from "@/chatkit.config";
import { ChatClient, useChat } from "@/components/chat/chat-client";
import type { ChatMethods, StudioExport } from "@/kit/chat";

// A page as owners build it: what is beside the chat changes it, and is changed by it.

function Beside({ onGreet, onTheme }: { onGreet: () => void; onTheme: () => void }) {
  const { threadId, isReady, isResponding, sendUserMessage, setComposerValue } = useChat();
  // Long before the chat is there.
  useEffect(() => void setComposerValue({ text: "Written at the start" }), [setComposerValue]);
  return (
    <aside aria-label="Beside the chat">
      <button type="button" onClick={() => sendUserMessage({ text: "Tell me about this" })}>
        Ask about this
      </button>
      <button type="button" onClick={onGreet}>
        Sign in as Grace
      </button>
      <button type="button" onClick={onTheme}>
        Change the theme
      </button>
      <p>
        {isReady ? "ready" : "away"}, {isResponding ? "answering" : "quiet"}, {threadId ?? "no conversation"}
      </p>
    </aside>
  );
}

function Page() {
  const chat = useRef<ChatMethods>(null);
  const [name, setName] = useState("Ada");
  const [theme, setTheme] = useState<"light" | "dark">("light");
  const [events, setEvents] = useState<string[]>([]);
  const note = (event: string) => setEvents((known) => [...known, event]);
  const config: StudioExport = {
    ...chatkitConfig,
    theme,
    startScreen: { ...chatkitConfig.startScreen, greeting: `Hello, ${name}` },
    header: { rightAction: { icon: "compose", onClick: () => chat.current?.setThreadId(null) } },
    api: {
      fetch: (address, options) => {
        const headers = new Headers(options?.headers);
        headers.set("x-shop", "of Ada");
        return fetch(address, { ...options, headers });
      },
    },
  };
  return (
    <main style={{ display: "grid", gridTemplateColumns: "1fr 20rem", height: "100dvh" }}>
      <ChatClient
        ref={chat}
        chat={new URLSearchParams(location.search).get("chat") === "basic" ? "basic" : "chatkit"}
        domainKey="none"
        advice={{}}
        config={config}
        events={{
          onReady: () => note("ready"),
          onThreadChange: ({ threadId }) => note(threadId ? "a conversation" : "none"),
          onResponseEnd: async (methods) => {
            note("answered");
            await methods.setComposerValue({ text: "Thank you" });
          },
        }}
      />
      <div>
        <Beside onGreet={() => setName("Grace")} onTheme={() => setTheme("dark")} />
        <p role="note">{events.join(", ")}</p>
      </div>
    </main>
  );
}

const root = document.createElement("div");
document.body.style.margin = "0";
document.body.append(root);
createRoot(root).render(<Page />);
