/**
 * What the page itself says, in English: what covers the chat until it is there, or says why it is not.
 *
 * The words of the basic chat are apart, in en.ts. A page with ChatKit's element loads none of them.
 */
export const page = {
  chatLoading: "The chat is loading…",
  needsJavaScript: "This chat needs JavaScript. Switch it on in this browser, then load the page again.",
  couldNotStart: "The chat could not start",
  pageFailed: "This page could not be displayed",
  notFound: "There is no page at this address",
  home: "To the chat",
  retry: "Retry",
  loadAgain: "Load the page again",
  moreAbout: "More about this",
  useBasic: "Use the basic chat",
  inPlaceOfChatKit: "This is a basic chat, because the usual one could not be loaded.",
  trying: "Trying…",
  tryAgain: "Try again in a minute.",
  unavailable: "The chat is not available at the moment. Try again in a minute.",
  blankScreen: "The chat did not start. Check your connection, then try again in a minute.",
  devOriginBlocked:
    "The page could not start in this browser. Load it again, and allow scripts on this page if something blocks them.",
  scriptBlocked:
    "This browser could not load the chat. Check your connection, and allow scripts on this page if something " +
    "blocks them, such as an ad blocker. Then try again.",
  answering: "This conversation is being answered.",
  stopAnswer: "Stop the answer",
};
