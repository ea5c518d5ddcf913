import { useCallback, useEffect, useState } from "react";
import type { Cause } from "@/lib/causes";
import { CHATKIT_ORIGIN, CHATKIT_SCRIPT } from "@/lib/chatkit-script";
import { seen } from "@/lib/disclosure";
import { loadChatKitScript } from "./script";
import { askStatus } from "./status";

const PATIENCE_MS = 10_000;

const TOO_LATE = seen(
  "blank-screen",
  `ChatKit did not start within ${PATIENCE_MS / 1000} seconds. Its script comes from ${CHATKIT_SCRIPT}.`,
);

/**
 * Starts ChatKit, and watches over it until it is ready: its script, the content security policy, the backend, the
 * clock.
 *
 * @returns The first cause for which there is no chat, or null while none is known; and what reports another one.
 */
export function useCause(attempt: number, ready: boolean) {
  const [cause, setCause] = useState<Cause | null>(null);
  const report = useCallback((found: Cause) => setCause((known) => known ?? found), []);

  useEffect(() => loadChatKitScript(attempt, report), [attempt, report]);

  useEffect(() => {
    const leaving = new AbortController();
    askStatus(leaving.signal).then((found) => found && !leaving.signal.aborted && report(found));
    return () => leaving.abort();
  }, [report]);

  useEffect(() => {
    if (ready) return;
    const late = setTimeout(() => report(TOO_LATE), PATIENCE_MS);
    return () => clearTimeout(late);
  }, [ready, report]);

  useEffect(() => {
    // Also when ChatKit is ready: it says so of a frame that stayed empty.
    const onViolation = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
      if (!blockedURI.startsWith(CHATKIT_ORIGIN)) return;
      const inside = `The page's content security policy (${effectiveDirective}) keeps ${blockedURI} out.`;
      report(seen("csp-blocks-chatkit", inside));
    };
    document.addEventListener("securitypolicyviolation", onViolation);
    return () => document.removeEventListener("securitypolicyviolation", onViolation);
  }, [report]);

  return { cause, report };
}
