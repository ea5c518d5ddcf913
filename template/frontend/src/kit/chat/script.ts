import { type Cause, seen } from "@/kit/causes";

/** OpenAI serves the UI from here; it can be neither bundled nor pinned, and opens a frame of the same origin. */
export const CHATKIT_SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

export const CHATKIT_ORIGIN = new URL(CHATKIT_SCRIPT).origin;

/**
 * Loads the script that defines `<openai-chatkit>`, unless it has done its work already or is on its way.
 *
 * By hand and not with next/script, which remembers a failed address and never asks for it again.
 *
 * @param attempt From the second on the address differs: browsers join two requests for the same, and would wait for
 * the one that does not come.
 * @param onFailure Called with the reason when the script does not come.
 * @returns What stops listening.
 */
export function loadChatKitScript(attempt: number, onFailure: (cause: Cause) => void): () => void {
  if (customElements.get("openai-chatkit")) return () => {};
  const address = attempt === 1 ? CHATKIT_SCRIPT : `${CHATKIT_SCRIPT}?attempt=${attempt}`;
  const script = document.querySelector(`script[src="${address}"]`) ?? append(address);
  const fail = () => {
    script.remove();
    onFailure(seen("script-blocked", `ChatKit's script could not be loaded from ${CHATKIT_SCRIPT}.`));
  };
  script.addEventListener("error", fail);
  return () => script.removeEventListener("error", fail);
}

function append(address: string): HTMLScriptElement {
  const script = document.createElement("script");
  script.src = address;
  script.async = true;
  document.head.append(script);
  return script;
}
