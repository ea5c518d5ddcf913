import type { OpenAIChatKit } from "@openai/chatkit";
import { chatkitConfig } from "@/chatkit.config";
import { expect, type Person, test } from "./person";

// Here backend/tests/contract/assistant.py answers instead of your assistant. Each message names
// what it shows. playwright.config.ts runs these with ChatKit's element and with the basic chat.

test("blank-screen, assistant-message-not-saved: a conversation survives a reload", async ({ person }) => {
  expect(person.asked).toEqual([]);

  await person.say("Hello, who are you?");
  await person.waitForEnd();
  await expect(person.answers).toContainText("You said: “Hello, who are you?”");
  await person.keepPicture("conversation");

  await person.reload();
  await person.pickNewest();
  await expect(person.said).toHaveText("Hello, who are you?");
  await expect(person.answers).toContainText("You said: “Hello, who are you?”");
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

test("what was written elsewhere is there when the page comes to the front", async ({ person }) => {
  await person.say("Hello from here");
  await person.waitForEnd();
  const { searchParams } = new URL(person.page.url());
  const input = {
    content: [{ type: "input_text", text: "Hello from elsewhere" }],
    attachments: [],
    inference_options: {},
  };
  const params = { thread_id: searchParams.get("thread"), input };
  const data = { type: "threads.add_user_message", params };
  await (await person.page.request.post(person.endpoint, { data })).body();
  await expect(person.said).toHaveCount(1);
  await person.comeBack();
  await expect(person.said).toHaveText(["Hello from here", "Hello from elsewhere"]);
  await expect(person.answers.last()).toContainText("You said: “Hello from elsewhere”");
});

test("proxy-buffers, stop-loses-the-answer: an answer grows, and what was said before Stop is kept", async ({
  person,
}) => {
  const framesOfGrowth = await person.watchTheAnswerGrow();
  await person.say("Give me a long answer");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await expect.poll(framesOfGrowth, "the answer came all at once").toBeGreaterThan(5);
  await person.press("Stop");
  await person.waitForEnd();
  const seen = (await person.answers.innerText()).trim();
  expect(seen).not.toMatch(/300$/);

  await person.reload();
  await person.pickNewestUntil(seen);
  expect(await person.answers.innerText()).not.toMatch(/300$/);
  await person.say("Go on");
  await person.waitForEnd();
  await expect(person.answers.last()).toContainText("You said: “Go on”");
});

test("stop-loses-the-answer: a closed tab loses nothing", async ({ person }) => {
  await person.say("A long answer, please");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await person.reload();
  await person.pickNewestUntil(" 1 2 3 4 5 6 7 8");
});

test("progress is seen while it happens", async ({ person }) => {
  const steps = ["Reading", "Looking around", "Making it up"];
  const shown = await person.watchTheStatus();
  await person.say("Show progress");
  await expect(person.log.getByRole("article", { name: "Workflow" })).toContainText("Making it up");
  await person.waitForEnd();
  expect((await shown()).filter((text) => steps.includes(text))).toEqual(steps);
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
  await person.pickNewest();
  await expect(person.answers).toContainText("You said: “Was that good?”");
  await expect(person.alert).toBeHidden();
});

test("a message is answered anew, in the place of the old answer", async ({ person }) => {
  test.skip(!chatkitConfig.threadItemActions?.retry, "chatkit.config.ts switches it off");
  await person.say("Give me a long answer");
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  await person.press("Stop");
  // Until the server has noticed, it takes the conversation for one that is being answered.
  await person.reload();
  await person.pickNewestUntil(" 1 2 3 4 5 6 7 8");
  await person.press("Answer again");
  await expect(person.answers).toHaveText(/299 300$/);
  await person.waitForEnd();
  expect(person.asked.at(-1)).toBe("threads.retry_after_item");

  await person.reload();
  await person.pickNewest();
  await expect(person.said).toHaveCount(1);
  await expect(person.answers).toHaveCount(1);
  await expect(person.answers).toHaveText(/299 300$/);
});

test("a widget has buttons that work", async ({ person }) => {
  await person.say("Show me a widget");
  const widget = person.log.getByRole("article", { name: "Widget" });
  await expect(widget.getByRole("heading")).toHaveText("A card");
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Click me" }).click();
  await expect(person.answers.last()).toContainText(/the server got the action `?demo\.click/);
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Switch it" }).click();
  await expect(widget).toContainText("Switched");
  await person.keepPicture("widget");
  expect(person.asked).toEqual([
    "threads.create",
    "threads.custom_action",
    // The server answers this one with the new widget, and not with a stream.
    "threads.sync_custom_action",
  ]);
});

test("a client tool is asked of the browser, which answers also where it has none", async ({ person }) => {
  await person.say("Use a client tool");
  await expect(person.answers).toContainText('I heard: {"id":"');
  await expect(person.answers).toContainText('"output":{');
  expect(person.asked).toEqual(["threads.create", "threads.add_client_tool_output"]);
});

test("answered-form-reopens: a form that is answered stays so", async ({ person }) => {
  await person.say("Show me a form");
  const form = person.log.getByRole("article", { name: "Form" });
  await form.getByRole("textbox", { name: "What will you build?" }).fill("A chat");
  await person.waitForEnd();
  await person.keepPicture("form");
  await form.getByRole("button", { name: "Submit" }).click();
  await expect(person.answers.last()).toContainText('"values":["A chat"]');
  expect(person.asked).toEqual(["threads.create", "threads.add_structured_input"]);

  await person.reload();
  await person.pickNewest();
  await expect(form).toContainText("What will you build? A chat");
  await expect(form.getByRole("button")).toHaveCount(0);
});

/** Sends a ChatKit request from a person's browser, and returns the answer. */
async function ask({ page, endpoint }: Person, type: string, params: object) {
  const answer = await page.request.post(endpoint, { data: { type, params } });
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
  for (const [somebody, text] of [[person, "Only mine"] as const, [other, "Only theirs"] as const]) {
    await somebody.waitForEnd();
    await somebody.reload();
    await somebody.pickNewest();
    await expect(somebody.said).toHaveText(text);
    await somebody.openHistory();
    await expect(somebody.titles).toHaveCount(1);
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
  await other.expectProblem("status of 404");
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
  await expect(person.titles).toHaveCount(2);
  await person.history.getByRole("button", { name: "Rename " }).last().click();
  await person.history.getByRole("textbox", { name: "New title" }).fill("Another name");
  await person.press("Save");
  await expect(person.titles.last()).toHaveText("Another name");
  await person.deleteNewest();
  await expect(person.titles).toHaveText(["Another name"]);
  // The deleted conversation was open. On a telephone the history covers it.
  await person.press("Close history");
  await expect(person.start).toBeVisible();

  await person.reload();
  await person.openHistory();
  await expect(person.titles).toHaveText(["Another name"]);
  await person.titles.click();
  await expect(person.said).toHaveText("The first one");
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
    await expect(person.attached).toContainText(NOTES.name);

    await person.say("What is in these?");
    await expect(person.answers).toContainText("I see your square.png. I see your notes.txt.");
    await person.waitForEnd();
    await person.keepPicture("attachments");

    await person.reload();
    await person.pickNewest();
    await expect.poll(width).toBeGreaterThan(0);
  });

  test("a file is taken out again", async ({ person }) => {
    await person.attach(IMAGE, NOTES);
    const removal = () => person.press(`Remove ${IMAGE.name}`);
    expect(await person.statusOf("attachments.delete", removal)).toBe(200);
    await expect(person.attached).toContainText(NOTES.name);
    await person.say("What is in this?");
    await expect(person.answers).toContainText("I see your notes.txt.");
    await person.waitForEnd();
  });

  test("a file that is not what it is called is refused in words", async ({ person }) => {
    await person.attach({ ...IMAGE, buffer: NOTES.buffer });
    await expect(person.alert).toContainText("The file is not what it is called");
    await person.expectProblem("status of 415");
    await person.say("Never mind");
    await expect(person.answers).toContainText("You said: “Never mind”");
    await person.waitForEnd();
  });
});
