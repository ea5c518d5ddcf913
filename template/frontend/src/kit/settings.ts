// next.config.ts imports this module, and its loader cannot resolve "@/…".

/**
 * A setting of the page's server. It is read anew at each call, so that one build runs anywhere.
 *
 * @returns An empty string if it is not set.
 */
export function setting(name: string): string {
  // This does not use `process.env[name]`. If a bundler can compute the name, it replaces that
  // expression with the value that a `NEXT_PUBLIC_…` setting has during the build.
  const value: unknown = Reflect.get(process.env, name);
  return typeof value === "string" ? value : "";
}

/**
 * The path below which the build has put the page and its API, such as `/chat`. It is empty at the
 * root of a domain.
 */
export const BASE_PATH = process.env.FRONTEND_BASE_PATH ?? "";

/**
 * The path below which a build is to put the page and its API. Next.js writes it into all
 * addresses, so another one needs another build.
 *
 * @returns An empty string for the root of a domain.
 * @throws {Error} FRONTEND_BASE_PATH is not a path.
 */
export function chosenBasePath(): string {
  const path = setting("FRONTEND_BASE_PATH").trim();
  if (path === "" || /^(\/[\w.~-]+)+$/.test(path)) return path;
  throw new Error(
    `FRONTEND_BASE_PATH is "${path}". Set it to a path such as /chat, of letters without accents, digits and ` +
      ". ~ - _ and without a slash at its end, or leave it out. Git Bash makes another path of it: there, set " +
      "MSYS_NO_PATHCONV=1.",
  );
}

/**
 * The names besides localhost under which a browser may open the page in development.
 *
 * Under another name, Next's development server sends no scripts and we answer no request. Any
 * website can let its own name lead to this machine for a moment (DNS rebinding).
 */
export function developmentHosts(): string[] {
  return ["127.0.0.1", ...listed("DEVELOPMENT_HOSTS")];
}

/** The entries of a setting that is a list, separated by commas. */
export function listed(name: string): string[] {
  return setting(name)
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/**
 * OpenAI serves the UI from here. It can be neither bundled nor pinned, and opens a frame of this
 * origin.
 */
export const CHATKIT_SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

export const CHATKIT_ORIGIN = new URL(CHATKIT_SCRIPT).origin;

/** The header in which the page tells about itself, written like the query of an address. */
export const PAGE_CONTEXT = "x-page-context";

/** The header with the name of the assistant that the page asks, unless that is the first one. */
export const ASSISTANT = "x-assistant";

/** The header by which the page announces that it says Stop, so that a closed connection is none. */
export const SAYS_STOP = "x-says-stop";

/** The types of ChatKit's requests that ask for a turn, and are answered with a stream of events. */
export const STREAMED: unknown[] = [
  "threads.create",
  "threads.add_user_message",
  "threads.add_client_tool_output",
  "threads.add_structured_input",
  "threads.retry_after_item",
  "threads.custom_action",
];

/**
 * Whether answers go on when their page is reloaded or loses its connection.
 *
 * docs/settings.md says how to try whether OpenAI's element does its part.
 */
export function answersGoOn(): boolean {
  return setting("ANSWERS_GO_ON").trim() === "true";
}

/** The chat of a page: OpenAI's element, or the basic chat, which asks nobody but the page's server. */
export type ChatKind = "chatkit" | "basic";

/**
 * Which chat the page shows.
 *
 * @throws {Error} The setting is something else.
 */
export function chosenChat(): ChatKind {
  const chosen = setting("NEXT_PUBLIC_CHAT").trim() || "chatkit";
  if (chosen === "chatkit" || chosen === "basic") return chosen;
  throw new Error(`NEXT_PUBLIC_CHAT is "${chosen}". Set it to chatkit or basic, or leave it out.`);
}

/** OpenAI's placeholder. ChatKit accepts it only on localhost. */
export const PLACEHOLDER_DOMAIN_KEY = "domain_pk_localhost_dev";

/** Where an owner registers a domain and gets its key. */
export const DOMAIN_KEYS = "https://platform.openai.com/settings/organization/security/domain-allowlist";

/** The key of the page's domain. It is read at request time, so that one build runs anywhere. */
export function domainKey(): string {
  return setting("NEXT_PUBLIC_CHATKIT_DOMAIN_KEY").trim() || PLACEHOLDER_DOMAIN_KEY;
}

/**
 * Stops a build for production whose page would stay blank for every visitor.
 *
 * @throws {Error} The key is only the placeholder, and ALLOW_PLACEHOLDER_DOMAIN_KEY is not 1.
 */
export function expectDomainKey(): void {
  if (
    chosenChat() === "basic" ||
    domainKey() !== PLACEHOLDER_DOMAIN_KEY ||
    setting("ALLOW_PLACEHOLDER_DOMAIN_KEY") === "1"
  )
    return;
  throw new Error(
    "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY is only the placeholder. With it, ChatKit stays blank everywhere but on " +
      `localhost. Register your domain at ${DOMAIN_KEYS} and put its key into frontend/.env.local or into the ` +
      "environment. To build for localhost only, or to set the key when the server starts, run " +
      "ALLOW_PLACEHOLDER_DOMAIN_KEY=1 npm run build",
  );
}
