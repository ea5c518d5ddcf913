import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { expect, test } from "../page/person";

const API = { url: "/api/chatkit", domainKey: "a key" };

test("the model and the tool that are chosen go with the message", async ({ person }) => {
  const options: ChatKitOptions = {
    api: API,
    composer: {
      models: [
        { id: "small", label: "Small", default: true },
        { id: "large", label: "Large" },
      ],
      tools: [{ id: "search", label: "Search", icon: "search", placeholderOverride: "Search for…" }],
    },
  };
  await expect(person.element.getByRole("combobox")).toHaveCount(0);
  await person.element.evaluate((chatkit, given) => (chatkit as OpenAIChatKit).setOptions(given), options);
  await person.element.getByRole("combobox", { name: "Model" }).selectOption("large");
  await person.element.getByRole("combobox", { name: "Tool" }).selectOption("search");
  await person.element.getByRole("textbox", { name: "Search for…" }).fill("Proxies");
  const sent = person.page.waitForRequest("**/api/chatkit");
  await person.press("Send");
  expect((await sent).postDataJSON().params.input.inference_options).toEqual({
    model: "large",
    tool_choice: { id: "search" },
  });
  await expect(person.answers).toContainText("You said: “Proxies”");
  await person.waitForEnd();
});

for (const chat of ["chatkit", "basic"] as const) {
  test.describe(chat, () => {
    test.use({ chat });

    test("it has the methods and the events of ChatKit's element", async ({ person }) => {
      const heard = await person.element.evaluateHandle((element) => {
        const types: string[] = [];
        const names = ["response.start", "response.end", "thread.change", "history.open", "history.close"];
        for (const name of names) element.addEventListener(`chatkit.${name}`, () => types.push(name));
        return types;
      });
      await person.element.evaluate((element) =>
        (element as OpenAIChatKit).sendUserMessage({ text: "By a method" }),
      );
      await expect(person.said).toHaveText("By a method");
      await person.waitForEnd();
      await person.element.evaluate((element) => (element as OpenAIChatKit).showHistory());
      await expect(person.titles).toHaveCount(1);
      await person.element.evaluate((element) => (element as OpenAIChatKit).hideHistory());
      await expect(person.history).toBeHidden();
      await person.element.evaluate((element) =>
        (element as OpenAIChatKit).setComposerValue({ text: "A draft" }),
      );
      await expect(person.composer).toHaveValue("A draft");
      await person.element.evaluate((element) => (element as OpenAIChatKit).setThreadId(null));
      await expect(person.start).toBeVisible();
      await person.element.evaluate((element) => (element as OpenAIChatKit).focusComposer());
      await expect(person.composer).toBeFocused();
      expect(await heard.jsonValue()).toEqual([
        "response.start",
        "thread.change",
        "response.end",
        "history.open",
        "history.close",
        "thread.change",
      ]);
    });
  });
}

test.describe("in a browser of Swiss German", () => {
  test.use({ locale: "de-CH" });

  test("the assistant knows the language, and what the page says about itself", async ({ person }) => {
    await person.composer.fill("What is the page context?");
    await person.composer.press("Enter");
    await expect(person.element).toContainText('{"language": "de-CH", "page": {"path": "/"}}');
  });
});
