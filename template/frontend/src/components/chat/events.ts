import type { ChatEvents } from "@/kit/chat";

/**
 * What your page does when something happens in the chat, such as an analytics call or a change beside it. Each function
 * gets what has happened, and the chat's methods. The names are ChatKit's: onReady, onError, onLog, onDeeplink,
 * onEffect, onToolChange, onThreadChange, onThreadLoadStart, onThreadLoadEnd, onResponseStart, onResponseEnd,
 * onHistoryOpen and onHistoryClose.
 */
export const events: ChatEvents = {
  // onDeeplink: ({ name, data }, chat) => chat.setComposerValue({ text: `${name} ${data?.id}` }),
};
