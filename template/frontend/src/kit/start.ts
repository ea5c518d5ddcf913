import { useCallback, useEffect, useRef, useState } from "react";
import { CAUSES, type Cause, isDevelopment, type Slug, seen } from "@/kit/causes";
import { BASE_PATH, CHATKIT_ORIGIN, CHATKIT_SCRIPT, DOMAIN_KEYS } from "@/kit/settings";

const PATIENCE_MS = 10_000;

const TOO_LATE = seen(
  "blank-screen",
  `ChatKit did not start within ${PATIENCE_MS / 1000} seconds. Its script comes from ${CHATKIT_SCRIPT}.`,
);

/** What keeps a chat from starting, and what says so. */
export type Start = {
  /** Why there can be no chat: the page's server or the backend fails. */
  obstacle: Cause | null;
  /** Why there is no ChatKit, though there can be a chat. */
  failure: Cause | null;
  reportObstacle: (found: Cause) => void;
  reportFailure: (found: Cause) => void;
};

/**
 * Loads ChatKit's script, and looks for a reason why the chat does not start: the script does not
 * come, the content security policy blocks it, the page's server or the backend fails, or the time
 * is up. The first reason of each kind stays.
 *
 * @param isReady Whether the chat has started.
 * @param isChatKit Whether the page shows ChatKit's element, and not the basic chat.
 * @param send Sends the requests of the chat.
 */
export function useStart(isReady: boolean, isChatKit: boolean, send?: typeof fetch): Start {
  const latest = useRef(send);
  latest.current = send;
  const [obstacle, reportObstacle] = useFirst();
  const [failure, reportFailure] = useFirst();

  useEffect(() => {
    if (isChatKit) return loadChatKit({ onMissing: reportFailure });
  }, [isChatKit, reportFailure]);

  useEffect(() => {
    const leaving = new AbortController();
    askStatus(latest.current ?? fetch, leaving.signal).then(
      (found) => found && !leaving.signal.aborted && reportObstacle(found),
    );
    return () => leaving.abort();
  }, [reportObstacle]);

  useEffect(() => {
    if (isReady || !isChatKit) return;
    const late = setTimeout(() => reportFailure(TOO_LATE), PATIENCE_MS);
    return () => clearTimeout(late);
  }, [isReady, isChatKit, reportFailure]);

  useEffect(() => {
    if (!isChatKit) return;
    // This also listens when ChatKit is ready, because ChatKit says so even if its frame stayed
    // empty.
    const onViolation = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
      if (!blockedURI.startsWith(CHATKIT_ORIGIN)) return;
      const inside = `The page's content security policy (${effectiveDirective}) blocks ${blockedURI}.`;
      reportFailure(seen("csp-blocks-chatkit", inside));
    };
    document.addEventListener("securitypolicyviolation", onViolation);
    return () => document.removeEventListener("securitypolicyviolation", onViolation);
  }, [isChatKit, reportFailure]);

  return { obstacle, failure, reportObstacle, reportFailure };
}

function useFirst() {
  const [first, setFirst] = useState<Cause | null>(null);
  const report = useCallback((found: Cause) => setFirst((known) => known ?? found), []);
  return [first, report] as const;
}

/**
 * Whether the basic chat takes the place of ChatKit without a word of the person. Where the owner can
 * mend what is wrong, development says so first.
 */
export function isReplaced({ slug }: Cause): boolean {
  return slug === "script-blocked" || !isDevelopment();
}

const SILENCE_MS = 5000;
/** A script that has run without an element may still load parts of itself. */
const AFTERWARDS_MS = 1000;

type Outcome = { onMissing: (cause: Cause) => void; onLoaded?: () => void };

/**
 * Loads the script that defines `<openai-chatkit>`, unless it has run already or is loading.
 *
 * This does not use next/script, which remembers a failed address and never requests it again.
 *
 * @param outcome Called when the element is there, or with the cause when it does not come: the
 * script is refused, something else comes in its place, or nothing comes in five seconds.
 * @returns A function that stops waiting.
 */
export function loadChatKit({ onMissing, onLoaded }: Outcome): () => void {
  let isOver = false;
  const timers: ReturnType<typeof setTimeout>[] = [];
  const end = (tell?: () => void) => {
    if (isOver) return;
    isOver = true;
    for (const timer of timers) clearTimeout(timer);
    tell?.();
  };
  customElements.whenDefined("openai-chatkit").then(() => end(onLoaded));
  if (customElements.get("openai-chatkit")) return () => end();
  const script = document.querySelector<HTMLScriptElement>(`script[src^="${CHATKIT_SCRIPT}"]`) ?? append();
  const fail = (what: string) => () => {
    script.remove();
    end(() => onMissing(seen("script-blocked", `ChatKit's script ${what} ${CHATKIT_SCRIPT}.`)));
  };
  timers.push(setTimeout(fail("did not come in five seconds from"), SILENCE_MS));
  script.addEventListener("error", fail("could not be loaded from"));
  script.addEventListener("load", () => {
    timers.push(setTimeout(fail("is not what came from"), AFTERWARDS_MS));
  });
  return () => end();
}

let attempts = 0;

function append(): HTMLScriptElement {
  const script = document.createElement("script");
  attempts += 1;
  // Browsers join two requests for the same address, so the second would also wait for the first, which
  // may never be answered.
  script.src = attempts === 1 ? CHATKIT_SCRIPT : `${CHATKIT_SCRIPT}?attempt=${attempts}`;
  script.async = true;
  document.head.append(script);
  return script;
}

const STATUS = `${BASE_PATH}/api/status`;

/** Asks the page's server whether this person can chat. Returns null if so, otherwise the cause. */
async function askStatus(send: typeof fetch, signal: AbortSignal): Promise<Cause | null> {
  try {
    const response = await send(STATUS, { signal });
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

// The names of the errors after which ChatKit is unusable. It shows all other errors by itself.
const DOMAIN = new Set(["IntegrationError", "DomainVerificationRequestError"]);
const FATAL = "FatalAppError";

// What the error says when ChatKit refuses the options: "ChatKit.create(): ✖ Unrecognized key …".
const OPTIONS = /(ChatKit\.create|setOptions)\(\)/;

/** Whether ChatKit is unusable after this error. */
export function isFatal({ name, message }: Error): boolean {
  return DOMAIN.has(name) || name === FATAL || OPTIONS.test(message);
}

/** The cause that the panel shows for an error of ChatKit. */
export function causeOf({ name, message }: Error): Cause {
  const slug = slugOf(name, message);
  const where = `This page is at ${window.location.origin}. Register its domain at ${DOMAIN_KEYS}.`;
  return seen(slug, `ChatKit says: ${message}${slug === "domain-key" ? ` ${where}` : ""}`);
}

function slugOf(name: string, message: string): Slug {
  if (OPTIONS.test(message)) return "options-refused";
  return DOMAIN.has(name) ? "domain-key" : "blank-screen";
}
