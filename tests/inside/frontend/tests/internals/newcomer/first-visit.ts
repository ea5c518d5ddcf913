import { expect, test } from "../../page/person";

// Not a .spec.ts: tests/test_readme.py of the template runs it, which says where the chat is.
test.use({ address: process.env.ADDRESS ?? "" });

const PATIENCE_MS = 10_000;

test("whoever has no key, and no way to OpenAI, chats at once", async ({ newPerson, address }) => {
  const person = await newPerson();
  person.cdn = "blocked";
  const { page } = person;
  const composer = page.locator("[data-chat=basic]").getByRole("textbox");
  await Promise.all([page.goto(address), expect(composer).toBeVisible({ timeout: PATIENCE_MS })]);
  await person.expectChat();

  const question = "Hello, who are you?";
  await person.say(question);
  const answer = "I am the demo assistant";
  await expect(person.answers).toContainText(answer);
  await person.waitForEnd();

  await person.reload();
  await expect(person.said).toHaveText(question);
  await expect(person.answers).toContainText(answer);
  await person.keepPicture("newcomer");
  await person.expectProblem("ERR_FAILED");
});
