import type { OpenAIChatKit } from "@openai/chatkit";
import { type RefObject, useEffect, useRef } from "react";

/**
 * Notices when ChatKit takes its frame away: the element stays, and is empty.
 *
 * @returns What starts watching, once the frame is there.
 */
export function useFrameWatch(element: RefObject<OpenAIChatKit | null>, onGone: () => void): () => void {
  const observer = useRef<MutationObserver>(null);
  useEffect(() => () => observer.current?.disconnect(), []);
  return () => {
    const root = element.current?.shadowRoot;
    if (!root || observer.current) return;
    observer.current = new MutationObserver(() => {
      if (!root.querySelector(":not(style)")) onGone();
    });
    observer.current.observe(root, { childList: true });
  };
}
