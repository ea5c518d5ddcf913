import type { OpenAIChatKit } from "@openai/chatkit";
import { chatkitConfig } from "@/chatkit.config";
import { expect, test } from "./fixtures";
import type { Person } from "./person";

/** What the page's server answers a person whose browser asks it for something. */
async function ask({ page }: Person, type: string, params: object) {
  const answer = await page.request.post(new URL("/api/chatkit", page.url()).href, {
    data: { type, params },
  });
  return answer.json();
}

test("two-guests-in-one-browser: a browser is one person from its first call", async ({
  person,
  newPerson,
  address,
}) => {
  await person.say("Only mine");
  const other = await newPerson();
  await other.open(address);
  await other.openHistory();
  await expect(other.history).toHaveText("No conversations yet");
  await other.say("Only theirs");
  for (const [somebody, title] of [[person, "Only mine"] as const, [other, "Only theirs"] as const]) {
    await somebody.waitForEnd();
    await somebody.reload();
    await somebody.openHistory();
    await expect(somebody.titles).toHaveText([title]);
  }
});

test("foreign-thread: nobody opens another person's conversation by its id", async ({
  person,
  newPerson,
  address,
}) => {
  await person.say("This is private");
  await person.waitForEnd();
  const { data: threads } = await ask(person, "threads.list", { limit: 1 });
  const threadId: string = threads[0].id;

  const other = await newPerson();
  await other.open(address);
  await other.element.evaluate((chatkit, id) => (chatkit as OpenAIChatKit).setThreadId(id), threadId);
  await expect(other.alert).toContainText("not found");
  await expect(other.page.getByText("This is private")).toHaveCount(0);
  expect((await ask(other, "items.list", { thread_id: threadId })).data).toEqual([]);
  await other.expectProblem("404");
  await other.expectProblem("not found");
});

test("a conversation gets another title, and is deleted", async ({ person }) => {
  const { showRename, showDelete } = chatkitConfig.history ?? {};
  test.skip(!showRename || !showDelete, "chatkit.config.ts switches it off");
  for (const text of ["The first one", "The second one"]) {
    await person.press("New chat");
    await person.say(text);
    await person.waitForEnd();
  }
  await person.openHistory();
  await expect(person.titles).toHaveText(["The second one", "The first one"]);
  await person.press("Rename The first one");
  await person.history.getByRole("textbox", { name: "New title" }).fill("Another name");
  await person.press("Save");
  await expect(person.titles).toContainText(["Another name"]);
  await person.press("Delete The second one");
  await expect(person.titles).toHaveText(["Another name"]);
  // It was the one that was open.
  await expect(person.start).toBeVisible();

  await person.reload();
  await person.openHistory();
  await expect(person.titles).toHaveText(["Another name"]);
  await person.titles.click();
  await expect(person.said).toHaveText("The first one");
});
