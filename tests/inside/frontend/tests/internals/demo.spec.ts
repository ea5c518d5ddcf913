import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { chatkitConfig } from "@/chatkit.config";
import { expect, test } from "./other-pages";

test("a client tool runs in the browser", async ({ visitorOfTheDemo: person }) => {
  await person.say("Use a client tool");
  const zone = await person.page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
  await expect(person.answers).toContainText("Your browser answered:");
  await expect(person.answers).toContainText(zone);
  expect(person.asked).toEqual(["threads.create", "threads.add_client_tool_output"]);
});

test("effects and widget actions of the server's happen in the browser", async ({
  visitorOfTheDemo: person,
}) => {
  await person.say("Show me an effect");
  await expect(person.page).toHaveTitle("Named by the server");
  await person.waitForEnd();

  await person.say("Show me a widget");
  await person.waitForEnd();
  await person.press("Ask");
  await expect(person.composer).toHaveValue("What is a widget?");
  expect(person.asked).toEqual(["threads.create", "threads.add_user_message"]);
});

test("a widget has buttons that work", async ({ visitorOfTheDemo: person }) => {
  await person.say("Show me a widget");
  const widget = person.log.getByRole("article", { name: "Widget" });
  await expect(widget.getByRole("heading")).toHaveText("A widget of the demo");
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Click me" }).click();
  await expect(person.answers.last()).toContainText("the server got the action demo.click");
  await person.waitForEnd();
  await widget.getByRole("button", { name: "Switch it" }).click();
  await expect(widget).toContainText("Switched, without a message.");
  await person.keepPicture("demo-widget");
});

test("a form asks for a choice and for words", async ({ visitorOfTheDemo: person }) => {
  await person.say("Show me a form");
  const form = person.log.getByRole("article", { name: "Form" });
  await form.getByRole("radio", { name: "FastAPI" }).check();
  await form.getByRole("textbox", { name: "What will you build?" }).fill("A chat");
  await person.waitForEnd();
  await person.keepPicture("demo-form");
  await form.getByRole("button", { name: "Submit" }).click();
  await expect(person.answers.last()).toContainText("The form is answered: FastAPI; A chat.");
});

test("an answer is Markdown, and progress has a summary", async ({ visitorOfTheDemo: person }) => {
  await person.say("Hello, who are you?");
  await expect(person.answers).toContainText("or a long answer.");
  await expect(person.answers.getByRole("strong").last()).toHaveText("long answer");
  await person.waitForEnd();
  await person.say("Show progress");
  await expect(person.log.getByRole("article", { name: "Workflow" })).toContainText("Three steps");
  await person.waitForEnd();
});

test("dictation is there where it is wanted, and says what it needs", async ({
  visitorOfTheDemo: person,
}) => {
  const dictate = person.element.getByRole("button", { name: "Dictate" });
  await expect(dictate).toHaveCount(chatkitConfig.composer?.dictation?.enabled ? 1 : 0);
  const options: ChatKitOptions = {
    api: { url: "/api/chatkit", domainKey: "a key" },
    composer: { dictation: { enabled: true } },
  };
  await person.element.evaluate((chatkit, given) => (chatkit as OpenAIChatKit).setOptions(given), options);
  await dictate.click();
  const stop = () => person.press("Stop dictating");
  expect(await person.statusOf("input.transcribe", stop)).toBe(400);
  await expect(person.alert).toContainText("Dictation needs a model. Put an OPENAI_API_KEY");
  await person.expectProblem("status of 400");
  await person.expectProblem("Dictation needs a model");
});
