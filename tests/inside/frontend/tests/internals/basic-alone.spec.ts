import type { Page } from "@playwright/test";
import { expect, test } from "../page/person";
import { pageOf } from "./bundle";

// The basic chat with options and answers that the project's own page and backend do not have.

const HERE = "http://127.0.0.1:4000/";

let making: ReturnType<typeof pageOf> | null = null;

/** Opens a page with nothing but the basic chat. `setUp` runs in it first, and fills `options` and `answers`. */
async function open(page: Page, setUp: () => void): Promise<void> {
  making ??= pageOf("alone.tsx");
  const { document, script } = await making;
  await page.addInitScript(setUp);
  await page.route(HERE, (route) => route.fulfill({ contentType: "text/html", body: document }));
  await page.goto(HERE);
  await page.addScriptTag({ content: script });
  await expect(composerOf(page)).toBeVisible();
}

const composerOf = (page: Page) => page.getByRole("textbox", { name: "Message the AI" });
const logOf = (page: Page) => page.getByRole("log", { name: "Conversation" });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const asked = (page: Page) => page.evaluate(() => window.asked);
const letGo = (page: Page, name: string) => page.evaluate((one) => window.letGo(one), name);

test("nobody chooses a suggestion of an older query", async ({ page }) => {
  await open(page, () => {
    const onTagSearch = async (query: string) => {
      if (query === "ab") await window.held("newer");
      return [{ id: query, title: `Ann ${query}` }];
    };
    window.options = { entities: { onTagSearch } };
  });
  const composer = composerOf(page);
  await composer.pressSequentially("@a");
  await expect(page.getByRole("option")).toHaveText("Ann a");
  await composer.press("b");
  await composer.press("Enter");
  await page.getByRole("option").click();
  await expect(composer).toHaveValue("@ab");
  await letGo(page, "newer");
  await expect(page.getByRole("option")).toHaveText("Ann ab");
  await composer.press("Enter");
  await expect(composer).toHaveValue("@Ann ab ");
  expect(await asked(page)).toEqual([]);
});

test("what the preview of an entity asks of the page does not go to the server", async ({ page }) => {
  await open(page, () => {
    const action = { type: "call", payload: { id: 7 }, handler: "client" as const };
    const preview = {
      type: "Basic" as const,
      children: [{ type: "Button" as const, label: "Call", onClickAction: action }],
    };
    const tag = { type: "input_tag", id: "ann", text: "Ann", data: {}, interactive: true };
    const item = { id: "q", thread_id: "t", type: "user_message", content: [tag] };
    window.answers = { "threads.get_by_id": () => ({ id: "t", items: { data: [item], has_more: false } }) };
    window.options = {
      initialThread: "t",
      entities: { onRequestPreview: async () => ({ preview }) },
      widgets: {
        onAction: async (...done) => {
          document.title = JSON.stringify(done);
        },
      },
    };
  });
  await button(page, "Ann").hover();
  await button(page, "Call").click();
  await expect(page).toHaveTitle(/\{"type":"call","payload":\{"id":7\}\}/);
  expect(await asked(page)).toEqual(["threads.get_by_id"]);
});

test("a long conversation begins with its newest items, and stays in its place as more are shown", async ({
  page,
}) => {
  await open(page, () => {
    const data = Array.from({ length: 450 }, (_, index) => ({
      id: `i${index}`,
      thread_id: "t",
      type: "assistant_message",
      content: [{ text: `Answer ${index}.\n\nMore.` }],
    }));
    window.answers = { "threads.get_by_id": () => ({ id: "t", items: { data, has_more: false } }) };
    window.options = { initialThread: "t" };
  });
  const answers = page.getByRole("article");
  await expect(answers).toHaveCount(200);
  await expect(answers.last()).toBeInViewport();
  for (const [first, count] of [
    [250, 400],
    [50, 450],
  ]) {
    const seen = page.getByText(`Answer ${first}.`, { exact: true });
    await button(page, "Show earlier messages").scrollIntoViewIfNeeded();
    const before = await seen.boundingBox();
    await button(page, "Show earlier messages").click();
    await expect(answers).toHaveCount(count ?? 0);
    // Browsers that keep the place by themselves would move it a second time in the next frames.
    await page.evaluate(
      () => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))),
    );
    expect(Math.abs(((await seen.boundingBox())?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(2);
    await expect(seen).toBeInViewport();
    await expect(logOf(page)).toBeFocused();
  }
  await expect(button(page, "Show earlier messages")).toHaveCount(0);
});

test("an item that cannot be drawn leaves the others and the chat alive", async ({ page }) => {
  await open(page, () => {
    const thread_id = "t";
    const text = (text: string) => [{ text }];
    const data = [
      { id: "1", thread_id, type: "assistant_message", content: text("Before") },
      { id: "2", thread_id, type: "assistant_message", content: null },
      { id: "3", thread_id, type: "workflow" },
      { id: "4", thread_id, type: "assistant_message", content: text("After") },
    ];
    window.answers = {
      "threads.get_by_id": () => ({ id: "t", items: { data, has_more: false } }),
      "threads.add_user_message": async function* () {
        yield { type: "thread.item.done", item: { id: "q", thread_id, type: "user_message", content: [] } };
        yield { type: "thread.item.done", item: { ...data[1], id: "a" } };
      },
    };
    window.options = { initialThread: "t" };
  });
  await expect(page.getByText("Before")).toBeVisible();
  await expect(page.getByText("After")).toBeVisible();
  await expect(page.getByText("This part cannot be shown here.")).toHaveCount(2);
  await composerOf(page).fill("Go on");
  await composerOf(page).press("Enter");
  await expect(page.getByText("This part cannot be shown here.")).toHaveCount(3);
  await expect(composerOf(page)).toBeVisible();
});

test("whoever dismisses a notice keeps the others", async ({ page }) => {
  await open(page, () => {
    window.answers = {
      "threads.create": async function* () {
        yield { type: "thread.created", thread: { id: "t" } };
        for (const message of ["One", "Same", "Same"]) yield { type: "notice", level: "info", message };
        yield { type: "error", message: "It broke.", allow_retry: true };
      },
    };
  });
  await composerOf(page).fill("Hello");
  await composerOf(page).press("Enter");
  await expect(page.getByText("It broke.")).toBeVisible();
  for (const [left, dismissed] of [
    [["One", "Same", "Same"], 3],
    [["One", "Same"], 1],
    [["Same"], 0],
    [[], 0],
  ] as const) {
    await button(page, "Dismiss").nth(dismissed).click();
    await expect(page.getByText(/^(One|Same|It broke\.)$/)).toHaveText([...left]);
  }
});

test("the list of conversations says that it has failed, and goes on where the server has more", async ({
  page,
}) => {
  await open(page, () => {
    const threads = Array.from({ length: 250 }, (_, index) => ({ id: `t${index}`, title: `Talk ${index}` }));
    let isDown = true;
    window.answers = {
      "threads.list": ({ after }) => {
        if (isDown) {
          isDown = false;
          throw new TypeError("away");
        }
        const start = threads.findIndex(({ id }) => id === after) + 1;
        const data = threads.slice(start, start + 120);
        return { data, has_more: start + 120 < threads.length, after: data.at(-1)?.id };
      },
    };
  });
  const history = page.getByRole("navigation", { name: "History" });
  const titles = history.getByRole("button", { name: "Talk" });
  const title = (index: number) => history.getByRole("button", { name: `Talk ${index}`, exact: true });
  await button(page, "Open history").click();
  await expect(history).toContainText("The conversations could not be loaded.");
  await expect(history).not.toContainText("No conversations yet");
  await button(page, "Try again").last().click();
  await expect(titles).toHaveCount(100);
  await expect(history).not.toContainText("could not be loaded");
  await button(page, "Show 20 more").click();
  await expect(title(100)).toBeFocused();
  await button(page, "Show more").click();
  await expect(title(120)).toBeFocused();
  await expect(titles).toHaveCount(220);
  await button(page, "Show 20 more").click();
  await button(page, "Show more").click();
  await expect(title(240)).toBeFocused();
  await expect(titles).toHaveCount(250);
  await expect(history.getByRole("button", { name: /^Show/ })).toHaveCount(0);
});

test("the focus stays in the chat when the button that has it goes away", async ({ page }) => {
  await open(page, () => {
    const thread_id = "t";
    const thread = { id: "t", title: "A talk" };
    const question = (id: string) => ({
      id,
      thread_id,
      type: "user_message",
      content: [{ type: "input_text", text: "Hello" }],
    });
    const answer = { id: "a", thread_id, type: "assistant_message", content: [{ text: "An answer" }] };
    const inputs = [{ id: "n", type: "freeform", question: "Your name?" }];
    const form = { id: "f", thread_id, type: "structured_input", status: "pending", inputs };
    window.answers = {
      "threads.list": () => ({ data: [thread], has_more: false }),
      "threads.get_by_id": () => ({ ...thread, items: { data: [question("q"), answer], has_more: false } }),
      "threads.create": async function* () {
        yield { type: "thread.created", thread };
        yield { type: "thread.item.done", item: question("q") };
        yield { type: "stream_options", stream_options: { allow_cancel: true } };
        await window.held("answer");
        yield { type: "thread.item.done", item: answer };
      },
      "threads.retry_after_item": async function* () {
        await window.held("form");
        yield { type: "thread.item.done", item: form };
        yield { type: "error", message: "It broke.", allow_retry: true };
      },
      "threads.add_structured_input": async function* () {
        await window.held("thanks");
        yield { type: "thread.item.done", item: { ...form, status: "answered" } };
        yield { type: "error", message: "It broke again.", allow_retry: true };
      },
    };
    const prompts = [{ label: "Begin", prompt: "Hello" }];
    window.options = { startScreen: { prompts }, threadItemActions: { retry: true } };
  });
  const composer = composerOf(page);
  // For some seconds it is also where a screen reader finds it.
  const seen = page.getByRole("article").getByText("An answer");
  const press = async (name: string) => {
    await button(page, name).focus();
    await page.keyboard.press("Enter");
  };

  await press("Begin");
  await expect(composer).toBeFocused();
  await button(page, "Stop").focus();
  await letGo(page, "answer");
  await expect(seen).toBeVisible();
  await expect(button(page, "Stop")).toHaveCount(0);
  await expect(composer).toBeFocused();

  await press("Answer again");
  await expect(logOf(page)).toBeFocused();
  await letGo(page, "form");
  await expect(button(page, "Submit")).toBeEnabled();
  await press("Submit");
  await expect(logOf(page)).toBeFocused();
  await letGo(page, "thanks");
  await expect(page.getByText("It broke again.")).toBeVisible();
  await press("Try again");
  await expect(composer).toBeFocused();
  await expect(page.getByText("It broke.")).toBeVisible();
  await press("Dismiss");
  await expect(composer).toBeFocused();

  await press("Open history");
  await press("A talk");
  await expect(seen).toBeVisible();
  await expect(composer).toBeFocused();
});

test("a screen reader is told the answer as plain text, and not a second time", async ({ page }) => {
  await open(page, () => {
    window.answers = {
      "threads.create": async function* () {
        yield { type: "thread.created", thread: { id: "t" } };
        const content = [{ text: "It is **bold**\n\n- and a list" }];
        yield {
          type: "thread.item.done",
          item: { id: "a", thread_id: "t", type: "assistant_message", content },
        };
      },
    };
  });
  await composerOf(page).fill("Hello");
  await composerOf(page).press("Enter");
  const told = page.getByRole("status").filter({ hasText: "It is bold and a list" });
  await expect(told).toHaveCount(1);
  await expect(told).toHaveCount(0, { timeout: 10_000 });
});

test("the way to the newest messages is offered where they are out of sight", async ({ page }) => {
  await page.setViewportSize({ width: 800, height: 400 });
  await open(page, () => {
    const data = [
      { id: "a", thread_id: "t", type: "assistant_message", content: [{ text: "A\n\n".repeat(15) }] },
    ];
    window.answers = { "threads.get_by_id": () => ({ id: "t", items: { data, has_more: false } }) };
    window.options = { initialThread: "t" };
  });
  const toEnd = button(page, "Newest messages");
  await expect(page.getByRole("article")).toBeVisible();
  await logOf(page).evaluate((log) => log.scrollTo(0, 0));
  await expect(toEnd).toBeVisible();
  await page.setViewportSize({ width: 800, height: 1200 });
  await expect(toEnd).toBeHidden();
  // Nobody scrolls here, but the end goes away.
  await page.setViewportSize({ width: 800, height: 400 });
  await expect(toEnd).toBeVisible();
});

test("an answer that grows is followed, but not away from where a person reads", async ({ page }) => {
  await page.setViewportSize({ width: 800, height: 500 });
  await open(page, () => {
    const thread_id = "t";
    const moment = () => new Promise((resolve) => setTimeout(resolve, 20));
    window.answers = {
      "threads.create": async function* () {
        yield { type: "thread.created", thread: { id: "t" } };
        yield { type: "thread.item.done", item: { id: "q", thread_id, type: "user_message", content: [] } };
        yield {
          type: "thread.item.added",
          item: { id: "a", thread_id, type: "assistant_message", content: [] },
        };
        for (let part = 0; part < 100; part++) {
          const delta = `Part ${part}.\n\n${"- more\n".repeat(part % 9)}\n`;
          const update = { type: "assistant_message.content_part.text_delta", content_index: 0, delta };
          yield { type: "thread.item.updated", item_id: "a", update };
          await moment();
        }
      },
    };
    window.options = { thread: { autoScroll: true } };
  });
  const isAtEnd = () =>
    logOf(page).evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 80);
  await composerOf(page).fill("Hello");
  await composerOf(page).press("Enter");
  const answer = page.getByRole("article", { name: "Assistant" });
  await expect(answer).toContainText("Part 30.");
  await expect.poll(isAtEnd).toBe(true);
  await expect(button(page, "Newest messages")).toBeHidden();
  await logOf(page).hover();
  await page.mouse.wheel(0, -400);
  await expect(button(page, "Newest messages")).toBeVisible();
  await expect(button(page, "Stop")).toHaveCount(0);
  expect(await isAtEnd()).toBe(false);
  await button(page, "Newest messages").click();
  await expect(answer.getByText("Part 99.")).toBeInViewport();
});

test("what the history covers has no tab stops", async ({ page }) => {
  await open(page, () => {
    window.answers = { "threads.list": () => ({ data: [], has_more: false }) };
    window.options = { startScreen: { prompts: [{ label: "Begin", prompt: "Hello" }] } };
  });
  await button(page, "Open history").click();
  await expect(button(page, "Begin")).toBeVisible();
  await page.setViewportSize({ width: 400, height: 700 });
  await expect(button(page, "Begin")).toBeHidden();
  await button(page, "Close history").click();
  await expect(button(page, "Begin")).toBeVisible();
});
