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

test("a widget has buttons that work", async ({ person }) => {
  await person.say("Show me a widget");
  const widget = person.log.getByRole("article", { name: "Widget" });
  await expect(widget.getByRole("heading")).toHaveText("A widget of the demo");
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Click me" }).click();
  await expect(person.answers.last()).toContainText("the server got the action `demo.click`");
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Switch it" }).click();
  await expect(widget).toContainText("Switched, without a message.");
  await person.keepPicture("widget");
  expect(person.asked).toEqual(["threads.create", "threads.custom_action", "threads.custom_action"]);
});

test("a client tool runs in the browser", async ({ person }) => {
  await person.say("Use a client tool");
  const zone = await person.page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
  await expect(person.answers).toContainText("Your browser answered:");
  await expect(person.answers).toContainText(zone);
  expect(person.asked).toEqual(["threads.create", "threads.add_client_tool_output"]);
});

test("answered-form-reopens: a form that is answered stays so", async ({ person }) => {
  await person.say("Show me a form");
  const form = person.log.getByRole("article", { name: "Form" });
  await form.getByRole("radio", { name: "FastAPI" }).check();
  await form.getByRole("textbox", { name: "What will you build?" }).fill("A chat");
  await person.waitForEnd();
  await person.keepPicture("form");
  await form.getByRole("button", { name: "Submit" }).click();
  await expect(person.answers.last()).toContainText("The form is answered: FastAPI; A chat.");
  expect(person.asked).toEqual(["threads.create", "threads.add_structured_input"]);

  await person.reload();
  await person.pick("Show me a form");
  await expect(form).toContainText("What will you build? A chat");
  await expect(form.getByRole("button")).toHaveCount(0);
});

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPwd3tKEmIY1TCqYfhqAABe7noQUGj3EgAAAABJRU5ErkJggg==",
  "base64",
);
const IMAGE = { name: "square.png", mimeType: "image/png", buffer: PNG };
const NOTES = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Buy milk.") };

test.describe("files", () => {
  test.skip(!chatkitConfig.composer?.attachments?.enabled, "chatkit.config.ts switches them off");

  test("image-preview-http: the preview of an image is seen, here and in the history", async ({ person }) => {
    const preview = person.element.getByRole("img", { name: IMAGE.name });
    const width = () => preview.evaluate((image) => (image as HTMLImageElement).naturalWidth);
    await person.attach(IMAGE, NOTES);
    await expect.poll(width).toBeGreaterThan(0);
    await expect(person.element.getByRole("list", { name: "Attachments" })).toContainText(NOTES.name);

    await person.say("What is in these?");
    await expect(person.answers).toContainText("I see your square.png, notes.txt.");
    await person.waitForEnd();
    await person.keepPicture("attachments");

    await person.reload();
    await person.pick("What is in these?");
    await expect.poll(width).toBeGreaterThan(0);
  });

  test("a file is taken out again", async ({ person }) => {
    await person.attach(IMAGE, NOTES);
    const removal = () => person.press(`Remove ${IMAGE.name}`);
    expect(await person.statusOf("attachments.delete", removal)).toBe(200);
    await person.say("What is in this?");
    await expect(person.answers).toContainText("I see your notes.txt.");
    await person.waitForEnd();
  });

  test("a file that is not what it is called is refused in words", async ({ person }) => {
    await person.attach({ ...IMAGE, buffer: NOTES.buffer });
    await expect(person.alert).toContainText("The file is not what it is called");
    await person.expectProblem("415");
    await person.say("Never mind");
    await expect(person.answers).toContainText("You said: “Never mind”");
    await person.waitForEnd();
  });
});
