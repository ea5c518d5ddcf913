import { chatkitConfig } from "@/chatkit.config";
import { expect, expectNoBarriers, test } from "./person";

test("a link to a conversation opens it, and so does a reload", async ({ person, newPerson, address }) => {
  await person.say("Remember me");
  await person.waitForEnd();
  const link = person.page.url();
  expect(link).toMatch(/\?thread=thr_[A-Za-z0-9_-]+$/);
  await person.page.reload();
  await expect(person.said).toHaveText("Remember me");

  await person.press("New chat");
  await expect(person.page).toHaveURL(new URL(address).href);

  const stranger = await newPerson();
  await stranger.page.goto(link);
  await stranger.expectChat();
  await expect(stranger.page).toHaveURL(new URL(address).href);
  await stranger.expectProblem("Failed to load initial thread");
  await stranger.say("And mine?");
  await stranger.waitForEnd();
  stranger.problems = stranger.problems.filter((problem) => !problem.includes("status of 404"));
});

test("server-component: the document is made on the server, and has a policy and a guest", async ({
  address,
}) => {
  const response = await fetch(address);
  const document = await response.text();
  expect(document).toContain("<openai-chatkit");
  expect(document).toContain("The chat is loading");
  expect(response.headers.get("content-security-policy")).toContain("script-src 'self' 'nonce-");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("set-cookie")).toMatch(/^chatkit_guest_.*HttpOnly/i);
});

test("nothing of ours blocks the first paint", async ({ person }) => {
  const seen = await person.page.evaluate(() => ({
    painted: performance.getEntriesByName("first-contentful-paint").length,
    files: performance
      .getEntriesByType("resource")
      .map((entry) => entry as PerformanceResourceTiming & { renderBlockingStatus: string })
      .map(({ name, renderBlockingStatus }) => [name, renderBlockingStatus] as const),
  }));
  expect(seen.painted).toBe(1);
  const ours = seen.files.filter(([name]) => name.includes("/_next/static/"));
  expect(ours.length).toBeGreaterThan(3);
  expect(seen.files.filter(([, status]) => status !== "non-blocking")).toEqual([]);
});

test("studio-config-not-applied: the chat shows what chatkit.config.ts says", async ({ person }) => {
  const { startScreen, theme } = chatkitConfig;
  const prompts = startScreen?.prompts?.map(({ label }) => label) ?? [];
  await expect(person.start).toContainText(startScreen?.greeting ?? "What can I help with today?");
  await expect(person.start.getByRole("button")).toHaveText(prompts);
  await expect(person.composer).toBeVisible();
  const accent = typeof theme === "object" ? theme.color?.accent?.primary : undefined;
  if (accent) await expect(person.start).toHaveCSS("--basic-accent", accent);
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
  await expect(person.start).toHaveCSS("color-scheme", "dark");
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

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing keeps people out, in ${colorScheme} colours`, async ({ newPerson, address }) => {
    const person = await newPerson({ colorScheme });
    await person.open(address);
    await expectNoBarriers(person.page);

    await person.say("Show me a form");
    await person.waitForEnd();
    await expectNoBarriers(person.page);

    await person.openHistory();
    await expectNoBarriers(person.page);
  });
}

test("a message is written and sent by keyboard", async ({ person }) => {
  await person.composer.focus();
  await person.page.keyboard.type("Without a mouse");
  await person.page.keyboard.press("Enter");
  await expect(person.said).toHaveText("Without a mouse");
  await person.waitForEnd();
});
