import { CAUSES, type Cause } from "@/lib/causes";
import { seen } from "@/lib/disclosure";

const STATUS = "/api/status";

/** Asks the page's server whether this person can chat: null when all is well, else why not. */
export async function askStatus(signal: AbortSignal): Promise<Cause | null> {
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
