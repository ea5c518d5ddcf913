import { expect, test } from "./fixtures";

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
