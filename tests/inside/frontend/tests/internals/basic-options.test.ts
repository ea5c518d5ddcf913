import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChatKitEvents, ChatKitOptions } from "@openai/chatkit";
import { expect, test } from "vitest";

// The types make these lists complete: one that lacks an option or event of ChatKit does not compile.

type Leaf = string | number | boolean | null | readonly unknown[] | ((...given: never[]) => unknown);
type Objects<V> = Exclude<NonNullable<V>, Leaf>;
/** The names of all options in an object, such as `composer.models`. A map has no names. */
type Below<V, Path extends string> = V extends unknown
  ? string extends keyof V
    ? never
    : { [K in keyof V & string]-?: `${Path}${K}` | Below<Objects<V[K]>, `${Path}${K}.`> }[keyof V & string]
  : never;
type Option = Below<ChatKitOptions, "">;

/** What the basic chat does with an option: it reads it, or the documentation says why not. */
const OPTIONS: Record<Option, "read" | "documented"> = {
  api: "read",
  "api.url": "read",
  "api.fetch": "read",
  "api.domainKey": "documented",
  "api.uploadStrategy": "read",
  "api.uploadStrategy.type": "read",
  "api.uploadStrategy.uploadUrl": "read",
  "api.getClientSecret": "documented",
  locale: "read",
  theme: "read",
  "theme.colorScheme": "read",
  "theme.typography": "read",
  "theme.typography.baseSize": "read",
  "theme.typography.fontSources": "read",
  "theme.typography.fontFamily": "read",
  "theme.typography.fontFamilyMono": "read",
  "theme.radius": "read",
  "theme.density": "read",
  "theme.color": "read",
  "theme.color.grayscale": "read",
  "theme.color.grayscale.hue": "read",
  "theme.color.grayscale.tint": "read",
  "theme.color.grayscale.shade": "read",
  "theme.color.accent": "read",
  "theme.color.accent.primary": "read",
  "theme.color.accent.level": "read",
  "theme.color.surface": "read",
  "theme.color.surface.background": "read",
  "theme.color.surface.foreground": "read",
  frameTitle: "read",
  initialThread: "read",
  onClientTool: "read",
  header: "read",
  "header.enabled": "read",
  "header.title": "read",
  "header.title.enabled": "read",
  "header.title.text": "read",
  "header.leftAction": "read",
  "header.leftAction.icon": "read",
  "header.leftAction.onClick": "read",
  "header.rightAction": "read",
  "header.rightAction.icon": "read",
  "header.rightAction.onClick": "read",
  history: "read",
  "history.enabled": "read",
  "history.showDelete": "read",
  "history.showRename": "read",
  startScreen: "read",
  "startScreen.greeting": "read",
  "startScreen.prompts": "read",
  threadItemActions: "read",
  "threadItemActions.feedback": "read",
  "threadItemActions.retry": "read",
  composer: "read",
  "composer.placeholder": "read",
  "composer.attachments": "read",
  "composer.attachments.enabled": "read",
  "composer.attachments.maxSize": "read",
  "composer.attachments.maxCount": "read",
  "composer.attachments.accept": "read",
  "composer.tools": "read",
  "composer.models": "read",
  "composer.dictation": "read",
  "composer.dictation.enabled": "read",
  disclaimer: "read",
  "disclaimer.text": "read",
  "disclaimer.highContrast": "read",
  entities: "read",
  "entities.onTagSearch": "read",
  "entities.showComposerMenu": "read",
  "entities.onClick": "read",
  "entities.onRequestPreview": "read",
  commands: "read",
  "commands.enabled": "read",
  "commands.onSearch": "read",
  "commands.onSelect": "read",
  widgets: "read",
  "widgets.onAction": "read",
  thread: "read",
  "thread.autoScroll": "read",
};

const EVENTS: Record<keyof ChatKitEvents, true> = {
  "chatkit.ready": true,
  "chatkit.error": true,
  "chatkit.effect": true,
  "chatkit.log": true,
  "chatkit.deeplink": true,
  "chatkit.response.start": true,
  "chatkit.response.end": true,
  "chatkit.thread.change": true,
  "chatkit.thread.load.start": true,
  "chatkit.thread.load.end": true,
  "chatkit.tool.change": true,
  "chatkit.history.open": true,
  "chatkit.history.close": true,
};

const FRONTEND = join(import.meta.dirname, "..", "..");
const BASIC = join(FRONTEND, "src", "kit", "basic");
const CODE = readdirSync(BASIC, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => readFileSync(join(BASIC, name), "utf8"))
  .join("\n");
const PAGE = readFileSync(join(FRONTEND, "..", "docs", "basic-chat.md"), "utf8");

test.each(Object.entries(OPTIONS))("the option %s is %s", (option, state) => {
  const name = option.split(".").at(-1);
  if (state === "read") expect(CODE).toMatch(new RegExp(`[.{, ]${name}\\b`));
  else expect(PAGE).toMatch(new RegExp(`\`[\\w.]*\\b${name}\``));
});

test.each(Object.keys(EVENTS))("the event %s is sent", (name) => {
  expect(CODE).toMatch(new RegExp(`emit\\("${name.replaceAll(".", "\\.")}"`));
});
