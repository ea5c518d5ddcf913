import { chatkitConfig } from "@/chatkit.config";
import { expect, test } from "./fixtures";

test("blank-screen, proxy-buffers, assistant-message-not-saved: a conversation survives a reload", async ({
  person,
}) => {
  expect(person.asked).toEqual([]);

  const framesOfGrowth = await person.watchTheAnswerGrow();
  await person.say("Hello, who are you?");
  await person.waitForEnd();
  expect(await framesOfGrowth(), "the answer came all at once").toBeGreaterThan(5);
  await expect(person.answers).toContainText("You said: “Hello, who are you?”");
  await expect(person.answers).toContainText("or a **long answer**.");
  await person.keepPicture("conversation");

  await person.reload();
  await person.pick("Hello, who are you?");
  await expect(person.said).toHaveText("Hello, who are you?");
  await expect(person.answers).toContainText("or a **long answer**.");
  await person.say("And a second time?");
  await person.waitForEnd();
  await expect(person.said).toHaveCount(2);
  await expect(person.answers).toHaveCount(2);
  await expect(person.answers.last()).toContainText("You said: “And a second time?”");
  expect(person.asked).toEqual([
    "threads.create",
    // The address names the conversation, which the reload opens again.
    "threads.get_by_id",
    "threads.list",
    "threads.get_by_id",
    "threads.add_user_message",
  ]);
});

test("stop-loses-the-answer: what was said before Stop is there after a reload", async ({ person }) => {
  await person.say("Give me a long answer");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await person.press("Stop");
  await person.waitForEnd();
  const seen = (await person.answers.innerText()).trim();
  expect(seen).not.toMatch(/300$/);

  await person.reload();
  await person.pickUntil("Give me a long answer", seen);
  expect(await person.answers.innerText()).not.toMatch(/300$/);
  await person.say("Go on");
  await person.waitForEnd();
  await expect(person.answers.last()).toContainText("You said: “Go on”");
});

test("stop-loses-the-answer: a closed tab loses nothing", async ({ person }) => {
  await person.say("A long answer, please");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await person.reload();
  await person.pickUntil("A long answer, please", " 1 2 3 4 5 6 7 8");
});

test("progress is seen while it happens", async ({ person }) => {
  const steps = ["Reading the question", "Looking around", "Making it up"];
  // Each is there for half a second only: all that is shown is noted, from before the first.
  const shown = await person.page.evaluateHandle(() => {
    const texts = new Set<string>();
    const look = () => {
      const root = document.querySelector("openai-chatkit")?.shadowRoot;
      for (const status of root?.querySelectorAll("[role=status]") ?? []) texts.add(status.textContent ?? "");
      requestAnimationFrame(look);
    };
    look();
    return texts;
  });
  await person.say("Show progress");
  await expect(person.log.getByRole("article", { name: "Workflow" })).toContainText("Three steps");
  await person.waitForEnd();
  expect(await shown.evaluate((texts) => [...texts])).toEqual(expect.arrayContaining(steps));
});

test("error-without-words: an error is a sentence, for the person and for the developer", async ({
  person,
}) => {
  const sentence = "This is what an error looks like: a sentence.";
  await person.say("Show me an error");
  await expect(person.alert).toContainText(sentence);
  await expect(person.answers).toBeVisible();
  await person.expectProblem(sentence);
});

test("feedback is taken", async ({ person }) => {
  test.skip(!chatkitConfig.threadItemActions?.feedback, "chatkit.config.ts switches it off");
  await person.say("Was that good?");
  await person.waitForEnd();
  expect(await person.statusOf("items.feedback", () => person.press("Good response"))).toBe(200);
  await expect(person.log.getByRole("button", { name: "Good response", pressed: true })).toBeVisible();
  expect(await person.statusOf("items.feedback", () => person.press("Bad response"))).toBe(200);

  await person.reload();
  await person.pick("Was that good?");
  await expect(person.answers).toContainText("You said: “Was that good?”");
  await expect(person.alert).toBeHidden();
});

test("Retry answers anew, in the place of the old answer", async ({ person }) => {
  test.skip(!chatkitConfig.threadItemActions?.retry, "chatkit.config.ts switches it off");
  await person.say("Give me a long answer");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await person.press("Stop");
  // Until the server has noticed, it takes the conversation for one that is being answered.
  await person.reload();
  await person.pickUntil("Give me a long answer", " 1 2 3 4 5 6 7 8");
  await person.press("Retry");
  await expect(person.answers).toHaveText(/299 300$/);
  await person.waitForEnd();
  expect(person.asked.at(-1)).toBe("threads.retry_after_item");

  await person.reload();
  await person.pick("Give me a long answer");
  await expect(person.said).toHaveCount(1);
  await expect(person.answers).toHaveCount(1);
  await expect(person.answers).toHaveText(/299 300$/);
});
