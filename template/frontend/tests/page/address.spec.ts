import { expect, test } from "./fixtures";

test("a link to a conversation opens it, and so does a reload", async ({ person, newPerson, address }) => {
  await person.say("Remember me");
  await person.waitForEnd();
  const link = person.page.url();
  expect(link).toMatch(/\?thread=thr_[A-Za-z0-9_-]+$/);
  await person.page.reload();
  await expect(person.said).toHaveText("Remember me");

  await person.press("New chat");
  await expect(person.page).toHaveURL(`${address}/`);

  const stranger = await newPerson();
  await stranger.page.goto(link);
  await stranger.expectChat();
  await expect(stranger.page).toHaveURL(`${address}/`);
  await stranger.expectProblem("Failed to load initial thread");
  await stranger.say("And mine?");
  await stranger.waitForEnd();
  stranger.problems = stranger.problems.filter((problem) => !problem.includes("404"));
});

test("effects and widget actions of the server's happen in the browser", async ({ person }) => {
  await person.say("Show me an effect");
  await expect(person.page).toHaveTitle("Named by the server");
  await person.waitForEnd();

  await person.say("Show me a widget");
  await person.waitForEnd();
  await person.press("Ask");
  await expect(person.composer).toHaveValue("What is a widget?");
  expect(person.asked).toEqual(["threads.create", "threads.add_user_message"]);
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
