import { chatkitConfig } from "@/chatkit.config";
import { expect, test } from "./fixtures";

test("studio-config-not-applied: the chat shows what chatkit.config.ts says", async ({ person }) => {
  const { startScreen, theme } = chatkitConfig;
  const prompts = startScreen?.prompts?.map(({ label }) => label) ?? [];
  await expect(person.start).toContainText(startScreen?.greeting ?? "What can I help with today?");
  await expect(person.start.getByRole("button")).toHaveText(prompts);
  await expect(person.composer).toBeVisible();
  const accent = typeof theme === "object" ? (theme.color?.accent?.primary ?? "") : "";
  const applied = await person.element.evaluate((element) => element.style.getPropertyValue("--accent"));
  expect(applied).toBe(accent);
  await person.keepPicture("start");
});

test("a start prompt is sent", async ({ person }) => {
  const first = chatkitConfig.startScreen?.prompts?.[0];
  test.skip(typeof first?.prompt !== "string", "chatkit.config.ts has no such prompt");
  await person.press(first?.label ?? "");
  await expect(person.said).toHaveText(String(first?.prompt));
  await person.waitForEnd();
});

test("the chat and what lies around it are dark where the system is", async ({ newPerson, address }) => {
  const person = await newPerson({ colorScheme: "dark" });
  await person.open(address);
  await expect(person.element).toHaveAttribute("data-scheme", "dark");
  await expect(person.page.locator("body")).toHaveCSS("background-color", "rgb(23, 23, 26)");
  await person.keepPicture("dark");
});

test("the chat fills a telephone, upright and on its side, and a wide screen", async ({
  newPerson,
  address,
}) => {
  const viewport = { width: 390, height: 844 };
  const person = await newPerson({ viewport, isMobile: true, hasTouch: true });
  await person.open(address);
  await person.keepPicture("telephone-start");
  await person.say("Hello from a telephone");
  await person.waitForEnd();
  await person.keepPicture("telephone");
  for (const size of [viewport, { width: 844, height: 390 }, { width: 2560, height: 1440 }]) {
    await person.page.setViewportSize(size);
    await expect.poll(() => person.element.boundingBox()).toEqual({ x: 0, y: 0, ...size });
    const width = await person.page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBe(size.width);
  }
});
