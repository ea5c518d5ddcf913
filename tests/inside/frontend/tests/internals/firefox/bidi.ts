import { createRequire } from "node:module";
import type { BrowserContext } from "@playwright/test";

// Playwright drives a Firefox of the system by WebDriver BiDi, and this is what it cannot do so yet.

type Socket = {
  send(text: string, ...others: unknown[]): void;
  emit(event: string, ...data: unknown[]): void;
};
const { ws }: { ws: { prototype: Socket } } = createRequire(import.meta.url)(
  "playwright-core/lib/utilsBundle",
);
const { send } = ws.prototype;

// Each page is told its colours by a command that Debian's Firefox does not know.
ws.prototype.send = function (text, ...others) {
  const { id, method } = JSON.parse(text);
  if (method !== "emulation.setMediaFeaturesOverride") return send.call(this, text, ...others);
  const done = JSON.stringify({ type: "success", id, result: {} });
  setImmediate(() => this.emit("message", Buffer.from(done), false));
};

const BODY = "x-body";

/** Lets the pages of a context be filled in, and tell what they send and what errors they report. */
export async function mend(context: BrowserContext): Promise<void> {
  // Playwright knows the headers of a request, but not its body.
  context.on("request", (request) => {
    request.postData = () => {
      const body = request.headers()[BODY];
      return body === undefined ? null : decodeURIComponent(body);
    };
  });
  await context.addInitScript((name) => {
    const { fetch } = window;
    window.fetch = (target, init = {}) => {
      const headers = new Headers(init.headers);
      if (typeof init.body === "string") headers.set(name, encodeURIComponent(init.body));
      return fetch(target, { ...init, headers });
    };
    // Playwright gives a field its value itself, which React does not notice.
    Object.defineProperty(window, "__pw_bidiInsertText", {
      get: () => (text: string) => void document.execCommand("insertText", false, text),
      set: () => {},
    });
    // Of an error it tells no more than its class.
    const { error } = console;
    console.error = (...said) => error(...said.map((one) => (one instanceof Error ? String(one) : one)));
  }, BODY);
}
