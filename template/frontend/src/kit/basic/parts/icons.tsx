import type { ChatKitIcon, HeaderIcon, Widgets } from "@openai/chatkit";
import styles from "@/kit/basic/parts/parts.module.css";

/** The lines of each icon, on a grid of 24. */
const LINES = {
  bolt: "M13 3 5 13.5h6L11 21l8-10.5h-6z",
  book: "M12 6.5C10 5 7 4.5 4 5v13c3-.5 6 0 8 1.5 2-1.5 5-2 8-1.5V5c-3-.5-6 0-8 1.5zm0 0v13",
  bug: "M8 9a4 4 0 0 1 8 0v5a4 4 0 0 1-8 0zm0-3L6 4m10 2 2-2M8 12H4m16 0h-4m-8 4-3 2m11-2 3 2M12 9v9",
  calendar: "M5 6h14v14H5zm0 5h14M9 3v4m6-4v4",
  chart: "M4 4v16h16M8 16v-4m4 4V8m4 8v-6",
  check: "m5 12.5 4.5 4.5L19 7",
  "check-circle": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm-4 9.5 2.5 2.5L16 9.5",
  "chevron-down": "m6 9 6 6 6-6",
  "chevron-left": "m15 6-6 6 6 6",
  "chevron-right": "m9 6 6 6-6 6",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 4v5l3 2",
  close: "M6 6l12 12M18 6 6 18",
  code: "m8 8-4 4 4 4m8-8 4 4-4 4m-3-10-2 12",
  collapse: "M4 14h6v6m10-10h-6V4m0 6 6-6M4 20l6-6",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  cube: "M12 3 4 7.5v9l8 4.5 8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  "dark-mode": "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  desktop: "M4 5h16v11H4zm8 11v4m-4 0h8",
  document: "M6 3h8l4 4v14H6zm8 0v4h4M9 12h6m-6 4h6",
  dot: "M12 12h.01",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
  expand: "M14 4h6v6M10 20H4v-6M20 4l-6 6M4 20l6-6",
  "external-link": "M14 4h6v6m0-6L11 13m7 1v6H4V6h6",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c-5 5-5 13 0 18 5-5 5-13 0-18z",
  grid: "M4 4h6v6H4zm10 0h6v6h-6zM4 14h6v6H4zm10 0h6v6h-6z",
  history: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4m4 0v4l3 2",
  home: "m4 11 8-7 8 7v9h-5v-6H9v6H4z",
  image: "M4 5h16v14H4zm0 11 5-5 5 5 2-2 4 4M15.5 9h.01",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 8v5m0-8h.01",
  key: "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm3 1 9-9m-4 4 3 3",
  lab: "M9 3h6m-5 0v6l-5 9q-1 3 2 3h10q3 0 2-3l-5-9V3M7.5 15h9",
  "light-mode":
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm0-5v1m0 16v1M3 12h1m16 0h1M5.6 5.6l.8.8m11.2 11.2.8.8m0-12.8-.8.8M6.4 17.6l-.8.8",
  lightbulb: "M9 16c0-2-3-3-3-7a6 6 0 0 1 12 0c0 4-3 5-3 7zm0 3h6m-4 2h2",
  mail: "M4 6h16v12H4zm0 1 8 6 8-6",
  "map-pin": "M12 21c-4-5-6-8-6-11a6 6 0 0 1 12 0c0 3-2 6-6 11zm0-13a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  menu: "M4 7h16M4 12h16M4 17h16",
  microphone: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zm-6 8a6 6 0 0 0 12 0m-6 6v4",
  mobile: "M7 3h10v18H7zm5 15h.01",
  paperclip: "m20 11-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 5 5l-8.5 8.5a1.7 1.7 0 0 1-2.5-2.5L15 7",
  pencil: "M4 20v-4L16 4l4 4L8 20zm9-13 4 4",
  phone: "M5 4h4l2 5-2.5 1.5a11 11 0 0 0 5 5L15 13l5 2v4q0 1-1 1A15 15 0 0 1 4 5q0-1 1-1z",
  play: "M7 4v16l13-8z",
  plus: "M12 5v14m-7-7h14",
  question: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm-2.5 6.5a2.5 2.5 0 1 1 3.5 2.3q-1 .5-1 1.7m0 2.5h.01",
  reload: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm4.7 11.2L20 20",
  send: "M12 19V5m-6 6 6-6 6 6",
  settings: "M4 7h8m4 0h4M4 17h4m4 0h8M14 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm-4 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  share: "M12 15V4M8 8l4-4 4 4M5 12v8h14v-8",
  sidebar: "M4 5h16v14H4zm6 0v14",
  sparkle: "M12 3l2 7 7 2-7 2-2 7-2-7-7-2 7-2z",
  star: "m12 4 2.5 5.3 5.5.7-4 4 1 5.7-5-2.8-5 2.8 1-5.7-4-4 5.5-.7z",
  stop: "M7 7h10v10H7z",
  suitcase: "M4 8h16v12H4zm5 0V4h6v4M4 13h16",
  "thumb-down": "M7 13V4H4v9zm0 0 4 7q3 0 2-6h7l-2-10H7",
  "thumb-up": "M7 11v9H4v-9zm0 0 4-7q3 0 2 6h7l-2 10H7",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13m-8 4v5m4-5v5",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm-8 16c1-7 15-7 16 0",
  warning: "M12 4 3 20h18zm0 6v4m0 3h.01",
};

/** An icon that is drawn here. */
export type IconName = keyof typeof LINES;

/** Shows an icon. It says nothing to screen readers, so what it means is in a label. */
export function Icon({ name, size = "1.25em" }: { name: IconName; size?: number | string }) {
  return (
    <svg
      className={styles.icon}
      data-icon={name}
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill={name === "stop" ? "currentColor" : "none"}
      stroke="currentColor"
      strokeWidth={name.startsWith("dot") ? 3 : 1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={LINES[name]} />
    </svg>
  );
}

/** Which of ChatKit's icons an icon here stands for, in addition to the one of its name. */
const STANDS_FOR = {
  book: "book-open book-closed book-clock notebook",
  chart: "analytics",
  "check-circle": "check-circle-filled",
  "chevron-left": "back-small back-large double-chevron-left collapse-left open-left",
  "chevron-right": "double-chevron-right collapse-right open-right",
  clock: "chat-temporary",
  code: "square-code",
  collapse: "collapse-large collapse-small",
  cube: "batch",
  document: "page-blank square-text",
  dot: "empty-circle",
  dots: "dots-horizontal dots-vertical dots-horizontal-circle dots-vertical-circle",
  expand: "expand-large expand-small",
  globe: "compass",
  home: "home-alt",
  image: "images square-image",
  key: "keys",
  "map-pin": "maps",
  menu: "menu-inverted hamburger",
  pencil: "compose notebook-pencil write write-alt write-alt2",
  question: "circle-question lifesaver",
  settings: "settings-cog settings-slider",
  sidebar: `sidebar-left sidebar-right sidebar-open-left sidebar-open-right sidebar-open-left-alt \
sidebar-open-right-alt sidebar-floating-left sidebar-floating-right sidebar-floating-open-left \
sidebar-floating-open-right sidebar-collapse-left sidebar-collapse-right`,
  sparkle: "agent atom confetti sparkle-double wreath",
  star: "star-filled",
  user: "name profile profile-card",
} as const satisfies Partial<Record<IconName, string>>;

type Words<T extends string> = T extends `${infer First} ${infer Rest}` ? First | Words<Rest> : T;
type Known = IconName | Words<(typeof STANDS_FOR)[keyof typeof STANDS_FOR]> | `lucide:${string}`;

const BY_NAME = new Map<string, IconName>();
for (const name of Object.keys(LINES) as IconName[]) BY_NAME.set(name, name);
for (const [name, others] of Object.entries(STANDS_FOR)) {
  for (const other of others.split(" ")) BY_NAME.set(other, name as IconName);
}

/** Returns the icon here that is most like one of ChatKit's. */
export function chatkitIcon(name: ChatKitIcon | HeaderIcon | Widgets.WidgetIcon): IconName {
  // The type says whether ChatKit has got an icon that is missing above.
  const known: Known = name;
  const isLucide = known.startsWith("lucide:");
  return BY_NAME.get(known.replace(/^lucide:/, "")) ?? (isLucide ? "sparkle" : "dot");
}
