/**
 * A STAND-IN for `<openai-chatkit>`, made for the tests of this project's page.
 *
 * OpenAI serves the real element only from its CDN. It can be neither bundled nor pinned, and tests
 * without network access cannot load it. This one has its methods, options and events, and fails in
 * its ways. What it draws is the basic chat, out of reach of the page's styles.
 */
import type { ChatKitEvents, ChatKitOptions, CustomApiConfig, OpenAIChatKit } from "@openai/chatkit";
import { createRef } from "react";
import { createRoot, type Root } from "react-dom/client";
import { BasicChat } from "@/kit/basic/chat";

/** What happens instead of a chat. */
type Failure = {
  /**
   * Whether it is ready first. The real element is ready when its frame has loaded, even if it
   * fails then.
   */
  isReady?: true;
  error?: { name: string; message: string };
  /** Whether it removes its frame. The element itself stays, but is empty. */
  leaves?: true;
};

/** The failures of the real element, with its own messages where we know them. */
const FAILURES = {
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
    /** How the stand-in fails. A test sets this before the script runs. */
    standIn?: keyof typeof FAILURES;
    /** The styles of the basic chat, which come with the script. */
    standInStyles: string;
  }
}

const FRAME = `
:host { all: initial; }
.frame { display: flex; flex-direction: column; height: 100%; }
.frame::before { content: "Stand-in for OpenAI's ChatKit element"; padding: 0.25rem; background: #fde68a;
  color: #422006; font: 0.8rem sans-serif; text-align: center; }
.frame > section { flex: 1; }
`;

// The real element loads a frame before it is ready, so the page must not expect it to be ready at
// once.
const START_MS = 50;

/** The element, with the options that the page has set. */
export class StandIn extends HTMLElement implements Omit<OpenAIChatKit, keyof HTMLElement> {
  options: ChatKitOptions | null = null;
  readonly #frame = document.createElement("div");
  #root: Root | null = null;
  readonly #ref = createRef<OpenAIChatKit>();
  #enter: (chat: OpenAIChatKit) => void = () => {};
  readonly #chat = new Promise<OpenAIChatKit>((resolve) => {
    this.#enter = resolve;
  });

  constructor() {
    super();
    const styles = document.createElement("style");
    styles.textContent = FRAME + window.standInStyles;
    this.#frame.className = "frame";
    this.attachShadow({ mode: "open" }).append(styles, this.#frame);
  }

  disconnectedCallback(): void {
    this.#root?.unmount();
  }

  setOptions(options: ChatKitOptions): void {
    const isFirst = this.options === null;
    this.options = options;
    if (isFirst) setTimeout(() => this.isConnected && this.#begin(options), START_MS);
    else this.#draw(options);
  }

  #begin(given: ChatKitOptions): void {
    const { url, domainKey } = given.api as Partial<CustomApiConfig>;
    const failure = url && domainKey ? window.standIn : "refusesOptions";
    if (failure) {
      this.#fail(FAILURES[failure]);
    } else {
      this.#root = createRoot(this.#frame);
      this.#draw(this.options ?? given);
    }
  }

  #draw(options: ChatKitOptions): void {
    const control = { options, handlers: {}, setInstance: this.#take };
    this.#root?.render(<BasicChat control={control} ref={this.#ref} />);
  }

  readonly #take = (chat: OpenAIChatKit | null): void => {
    if (!chat) return;
    // Nobody may take it for the basic chat of the page.
    delete chat.dataset.chat;
    chat.dispatchEvent = (event) => this.dispatchEvent(event);
    this.#enter(chat);
  };

  #fail({ isReady, error, leaves }: Failure): void {
    if (isReady) this.#emit("chatkit.ready", undefined);
    if (error) this.#emit("chatkit.error", { error: Object.assign(new Error(), error) });
    if (leaves) this.#frame.remove();
  }

  #emit<K extends keyof ChatKitEvents>(type: K, detail: ChatKitEvents[K]["detail"]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  async focusComposer(): Promise<void> {
    await (await this.#chat).focusComposer();
  }

  async setThreadId(threadId: string | null): Promise<void> {
    await (await this.#chat).setThreadId(threadId);
  }

  async sendUserMessage(...message: Parameters<OpenAIChatKit["sendUserMessage"]>): Promise<void> {
    await (await this.#chat).sendUserMessage(...message);
  }

  async setComposerValue(...draft: Parameters<OpenAIChatKit["setComposerValue"]>): Promise<void> {
    await (await this.#chat).setComposerValue(...draft);
  }

  async sendCustomAction(...asked: Parameters<OpenAIChatKit["sendCustomAction"]>): Promise<void> {
    await (await this.#chat).sendCustomAction(...asked);
  }

  async showHistory(): Promise<void> {
    await (await this.#chat).showHistory();
  }

  async hideHistory(): Promise<void> {
    await (await this.#chat).hideHistory();
  }

  async fetchUpdates(): Promise<void> {
    await (await this.#chat).fetchUpdates();
  }
}

customElements.define("openai-chatkit", StandIn);
