/** OpenAI serves the UI from here; it can be neither bundled nor pinned, and opens a frame of the same origin. */
export const CHATKIT_SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

export const CHATKIT_ORIGIN = new URL(CHATKIT_SCRIPT).origin;
