/** What the element can be told to do wrong. */
export type Failures = Partial<Record<keyof typeof FAILURES, boolean>>;

/** What happens in the place of a chat. */
export type Failure = {
  /** Is it ready first? The real one is as soon as its frame has loaded, whatever comes of it. */
  isReady?: true;
  error?: { name: string; message: string };
  /** Does it take its frame away? The element itself stays, and is empty. */
  leaves?: true;
};

/** The failures of the real element, in its own words as far as they are known. */
export const FAILURES = {
  refusesDomain: {
    isReady: true,
    error: {
      name: "IntegrationError",
      message:
        "Domain verification failed for https://chat.example.com. Please register your domain at " +
        "https://platform.openai.com/settings/organization/security/domain-allowlist.",
    },
    leaves: true,
  },
  refusesOptions: {
    isReady: true,
    error: { name: "FatalAppError", message: 'ChatKit.create():\n✖ Unrecognized key: "them"' },
  },
  failsBeforeReady: { error: { name: "FatalAppError", message: "The frame could not be loaded." } },
  neverReady: {},
  removesItself: { isReady: true, leaves: true },
} as const satisfies Record<string, Failure>;

declare global {
  interface Window {
    /** Set by a test before the script runs: `window.standIn = { refusesDomain: true }`. */
    standIn?: Failures;
  }
}

/** The failure that the test has chosen. */
export function chosenFailure(): Failure | null {
  const names = Object.keys(FAILURES) as (keyof typeof FAILURES)[];
  const chosen = names.find((name) => window.standIn?.[name]);
  return chosen ? FAILURES[chosen] : null;
}

/** An error by the name that the real element gives it. */
export function errorNamed(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
