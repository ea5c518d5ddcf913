import { isDevelopment } from "@/kit/causes";
import { CHATKIT_ORIGIN, chosenChat } from "@/kit/settings";

/**
 * What the document may load, and from where: our own files, and what ChatKit needs. Whatever else you add to the page
 * from elsewhere needs its own entry here.
 *
 * @param nonce Of this document alone: inline scripts run only with it.
 */
export function contentSecurityPolicy(nonce: string): string {
  const development = isDevelopment();
  const policy: Record<string, string[]> = {
    "default-src": ["'self'"],
    // React's development build evaluates code.
    "script-src": ["'self'", `'nonce-${nonce}'`, CHATKIT_ORIGIN, ...(development ? ["'unsafe-eval'"] : [])],
    // ChatKit's element styles itself, without a nonce.
    "style-src": ["'self'", "'unsafe-inline'"],
    // Images that you show around the chat; those in it are ChatKit's frame's own affair.
    "img-src": ["'self'", "data:", "blob:", "https:"],
    "font-src": ["'self'", "data:"],
    "connect-src": ["'self'", CHATKIT_ORIGIN, "https://api.openai.com", ...(development ? ["ws:"] : [])],
    "frame-src": [CHATKIT_ORIGIN],
    "object-src": ["'none'"],
    "base-uri": ["'self'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'self'"],
  };
  return Object.entries(policy)
    .map(([directive, sources]) => `${directive} ${allowed(sources).join(" ") || "'none'"}`)
    .join("; ");
}

const OPENAI = [CHATKIT_ORIGIN, "https://api.openai.com"];

/** The basic chat needs nothing of OpenAI. */
function allowed(sources: string[]): string[] {
  return chosenChat() === "basic" ? sources.filter((source) => !OPENAI.includes(source)) : sources;
}
