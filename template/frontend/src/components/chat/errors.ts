import type { Cause, Slug } from "@/lib/causes";
import { seen } from "@/lib/disclosure";
import { DOMAIN_KEYS } from "@/lib/domain-key";

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
