"use client";

import { ChatKit, useChatKit } from "@openai/chatkit-react";
import { useEffect, useState } from "react";
import { preload } from "react-dom";
import { chatkitConfig } from "@/chatkit.config";
import styles from "./chat.module.css";
import { runClientTool } from "./client-tools";
import { Problem } from "./problem";
import { CHATKIT_SCRIPT, forgetChatKitScript, loadChatKitScript } from "./script";
import { useTheme } from "./theme";

const PATIENCE_MS = 10_000;
const TOO_LATE = `ChatKit did not start within ${PATIENCE_MS / 1000} seconds. Its script comes from ${CHATKIT_SCRIPT}.`;

/** The chat: loads, and within ten seconds is there or says why not. */
export function Chat() {
  const [attempt, setAttempt] = useState(1);
  preload(CHATKIT_SCRIPT, { as: "script" });
  const retry = () => {
    forgetChatKitScript();
    setAttempt(attempt + 1);
  };
  return <Attempt key={attempt} onRetry={retry} />;
}

function Attempt({ onRetry }: { onRetry: () => void }) {
  const [ready, setReady] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const theme = useTheme(chatkitConfig.theme);
  const { control } = useChatKit({
    ...chatkitConfig,
    theme,
    api: {
      url: "/api/chatkit",
      domainKey: process.env.NEXT_PUBLIC_CHATKIT_DOMAIN_KEY ?? "domain_pk_localhost_dev",
      uploadStrategy: { type: "direct", uploadUrl: "/api/attachments" },
    },
    onClientTool: runClientTool,
    onReady: () => setReady(true),
    onError: ({ error }) => {
      console.error("ChatKit:", error);
      setProblem(`ChatKit reports: ${error.message}`);
    },
  });

  useEffect(() => {
    const late = setTimeout(() => setProblem((known) => known ?? TOO_LATE), PATIENCE_MS);
    loadChatKitScript().catch((error: Error) => setProblem(error.message));
    return () => clearTimeout(late);
  }, []);

  return (
    <div className={styles.chat}>
      <ChatKit control={control} className={styles.element} />
      {!ready && (
        <div className={styles.overlay}>
          {problem ? (
            <Problem message={problem} onRetry={onRetry} />
          ) : (
            <p role="status" className={styles.loading}>
              The chat is loading…
            </p>
          )}
        </div>
      )}
    </div>
  );
}
