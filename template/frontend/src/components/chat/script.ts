/** OpenAI serves the UI from here; it can be neither bundled nor pinned. */
export const CHATKIT_SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

let loading: Promise<void> | null = null;

/**
 * Loads the script that defines `<openai-chatkit>`, once, however often it is called.
 *
 * By hand and not with next/script, which remembers a failed address and never asks for it again.
 *
 * @throws {Error} The script could not be loaded; the message is meant for people.
 */
export function loadChatKitScript(): Promise<void> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = CHATKIT_SCRIPT;
    script.async = true;
    script.onload = () => resolve();
    script.onerror = () => {
      script.remove();
      reject(
        new Error(
          `ChatKit's script could not be loaded from ${CHATKIT_SCRIPT}. Is this machine online, and does a ` +
            "firewall, a proxy or an ad blocker stop that address?",
        ),
      );
    };
    document.head.append(script);
  });
  return loading;
}

/**
 * Makes the next call load the script again, unless it has done its work already.
 *
 * A script that is still on its way cannot be asked for again, as browsers join the two requests: then the
 * page itself is loaded again.
 */
export function forgetChatKitScript(): void {
  if (customElements.get("openai-chatkit")) return;
  loading = null;
  if (document.querySelector(`script[src="${CHATKIT_SCRIPT}"]`)) location.reload();
}
