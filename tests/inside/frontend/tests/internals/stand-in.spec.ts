import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { expect, standInScript, test } from "../page/person";
import { FAILURES, type Failure, type Failures } from "../stand-in/frame";

function failureNamed(name: keyof Failures): Failure {
  return FAILURES[name];
}

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

for (const name of Object.keys(FAILURES) as (keyof Failures)[]) {
  test(`the stand-in can fail: ${name}`, async ({ newPerson }) => {
    const person = await newPerson();
    await person.letFail({ [name]: true });
    await person.page.clock.install();
    await person.page.goto("about:blank");
    await person.page.addScriptTag({ content: await standInScript() });
    const element = await person.page.evaluateHandle((api) => {
      const chatkit = document.createElement("openai-chatkit") as OpenAIChatKit;
      const heard: string[] = [];
      for (const type of ["chatkit.ready", "chatkit.error"]) {
        chatkit.addEventListener(type, () => heard.push(type));
      }
      document.body.append(chatkit);
      chatkit.setOptions({ api });
      return { chatkit, heard, root: chatkit.shadowRoot };
    }, API);
    await person.page.clock.runFor(60_000);
    const happened = await element.evaluate(({ heard, root }) => ({
      heard,
      stays: Boolean(root?.querySelector(":not(style)")),
    }));
    const { isReady, error, leaves } = failureNamed(name);
    const expected = [...(isReady ? ["chatkit.ready"] : []), ...(error ? ["chatkit.error"] : [])];
    expect(happened).toEqual({ heard: expected, stays: !leaves });
  });
}

test.describe("in a browser of Swiss German", () => {
  test.use({ locale: "de-CH" });

  test("the assistant knows the language, and what the page says about itself", async ({ person }) => {
    await person.say("What is the page context?");
    await person.waitForEnd();
    await expect(person.answers).toContainText('{"language": "de-CH", "page": {"path": "/"}}');
  });
});
