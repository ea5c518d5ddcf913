import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { useChatKit } from "@openai/chatkit-react";
import { useRef } from "react";
import { createRoot } from "react-dom/client";
import { BasicChat } from "@/kit/basic/chat";

/** What the server answers to a request: one object, or the events of a stream as they come. */
type Answer = object | AsyncIterable<object>;

declare global {
  interface Window {
    /** The options that a test gives to the chat. */
    options?: Partial<ChatKitOptions>;
    /** The server that a test makes: what it answers to each type of request, or fails to answer. */
    answers?: Record<string, (params: Record<string, unknown>) => Answer | Promise<Answer>>;
    /** The types of the requests so far. */
    asked: string[];
    /** Waits until the test lets go what has this name. */
    held: (name: string) => Promise<void>;
    letGo: (name: string) => void;
  }
}

window.asked = [];

const gates: Record<string, { isOpen: Promise<void>; open: () => void }> = {};

/** What is held back. The test may let it go before anybody waits. */
function gateOf(name: string) {
  let open = () => {};
  const isOpen = new Promise<void>((resolve) => {
    open = resolve;
  });
  gates[name] ??= { isOpen, open };
  return gates[name];
}

window.held = (name) => gateOf(name).isOpen;
window.letGo = (name) => gateOf(name).open();

const ask: typeof fetch = async (_, options) => {
  const { type, params } = JSON.parse(String(options?.body));
  window.asked.push(type);
  const answer = await window.answers?.[type]?.(params);
  if (!answer) return Response.json({ message: `The test has no answer to ${type}.` }, { status: 404 });
  if (!(Symbol.asyncIterator in answer)) return Response.json(answer);
  const events = answer[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await events.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`data: ${JSON.stringify(value)}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

/** The basic chat on a page of its own, with what a test has put into the window. */
function Alone() {
  const ref = useRef<OpenAIChatKit>(null);
  const api = { url: "/api/chatkit", domainKey: "none", fetch: ask };
  const { control } = useChatKit({ api, ...window.options });
  return <BasicChat control={control} ref={ref} />;
}

const root = document.createElement("main");
root.style.height = "100vh";
document.body.style.margin = "0";
document.body.append(root);
createRoot(root).render(<Alone />);
