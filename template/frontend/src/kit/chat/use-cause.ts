import { useCallback, useEffect, useState } from "react";
import { CAUSES, type Cause, type Slug, seen } from "@/kit/causes";
import { CHATKIT_ORIGIN, CHATKIT_SCRIPT, loadChatKitScript } from "@/kit/chat/script";
import { DOMAIN_KEYS } from "@/kit/settings";

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

const STATUS = "/api/status";

/** Asks the page's server whether this person can chat: null when all is well, else why not. */
async function askStatus(signal: AbortSignal): Promise<Cause | null> {
  try {
    const response = await fetch(STATUS, { signal });
    return response.ok ? null : causeIn(await response.json());
  } catch (error) {
    if (signal.aborted) return null;
    const inside = `The page's server does not answer at ${new URL(STATUS, window.location.href)} (${error}).`;
    return seen("blank-screen", inside);
  }
}

function causeIn({ slug, message }: { slug?: string; message?: string }): Cause {
  const known = CAUSES.find((one) => one === slug) ?? "blank-screen";
  return message ? { slug: known, message } : seen(known, "The page's server gives no reason.");
}

// Errors after which ChatKit is of no use, by the names that it gives them. All others it shows by itself.
const DOMAIN = new Set(["IntegrationError", "DomainVerificationRequestError"]);
const FATAL = "FatalAppError";

// How it begins when it refuses the options: "ChatKit.create(): ✖ Unrecognized key …".
const OPTIONS = /(ChatKit\.create|setOptions)\(\)/;

/** Is ChatKit of no use after this error? */
export function isFatal({ name, message }: Error): boolean {
  return DOMAIN.has(name) || name === FATAL || OPTIONS.test(message);
}

/** What an error of ChatKit means for the person. */
export function causeOf({ name, message }: Error): Cause {
  const slug = slugOf(name, message);
  const where = `This page is at ${window.location.origin}; domains are registered at ${DOMAIN_KEYS}.`;
  return seen(slug, `ChatKit says: ${message}${slug === "domain-key" ? ` ${where}` : ""}`);
}

function slugOf(name: string, message: string): Slug {
  if (OPTIONS.test(message)) return "options-refused";
  return DOMAIN.has(name) ? "domain-key" : "blank-screen";
}
