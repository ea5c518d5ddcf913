import { expect, type Person, test } from "../../page/person";
import {
  type Backend,
  freePort,
  type Running,
  settingsFor,
  startBackend,
  startNode,
  startPage,
} from "../../page/servers";

// Not a .spec.ts: scripts/pictures.py of the template runs it, and puts what it keeps into docs/pictures.

/** Says these things one after the other, and waits for each answer. */
async function converse(person: Person, ...messages: string[]): Promise<void> {
  for (const message of messages) {
    await person.say(message);
    await person.waitForEnd();
  }
}

test.describe("a conversation", () => {
  let backend: Running<Backend>;
  let page: Running<string>;

  test.beforeAll(async () => {
    // Without its advice for the owner, the greeting leaves room for the rest.
    backend = await startBackend({ APP_ENV: "production", ASSISTANT: "demo", TEST_ASSISTANT: "" });
    page = await startPage(backend.at, { NEXT_PUBLIC_CHAT: "basic" });
  });

  test.afterAll(async () => {
    await page.stop();
    await backend.stop();
  });

  test("on a large screen", async ({ newPerson }) => {
    const person = await newPerson({ viewport: { width: 1200, height: 900 } });
    await person.open(page.at);
    await converse(person, "Hello, who are you?", "Show me a widget");
    await person.keepPicture("page");
  });

  test("on a phone, in the dark", async ({ newPerson }) => {
    const person = await newPerson({ viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await person.open(page.at);
    await converse(person, "Show progress", "Show me a widget");
    await person.keepPicture("phone");
  });
});

test("the panel where no backend answers, as the owner sees it", async ({ newPerson }) => {
  const port = await freePort();
  // The usual port: a picture with another one would look like advice. The test fails if somebody is there.
  const nobody = { address: "http://127.0.0.1:8000", secret: "any-secret-of-32-characters-or-more" };
  const next = ["node_modules/next/dist/bin/next", "dev", "-H", "127.0.0.1", "-p", String(port)];
  const settings = { ...settingsFor(nobody), NODE_ENV: "development", NEXT_PUBLIC_CHAT: "basic" };
  const page = await startNode("development", next, port, settings);
  const person = await newPerson({ viewport: { width: 1000, height: 560 } });
  await person.page.goto(page.at);
  await expect(person.panel).toHaveAttribute("data-cause", "backend-down");
  await person.keepPicture("panel");
  person.problems = [];
  await page.stop();
});

test("a conversation in Django's admin", async ({ newPerson }) => {
  const { ADMIN = "", ADMIN_NAME = "", ADMIN_PASSWORD = "" } = process.env;
  const person = await newPerson({ viewport: { width: 1200, height: 800 } });
  const { page } = person;
  await page.goto(`${ADMIN}/admin/chats/conversation/`);
  await page.getByLabel("Username").fill(ADMIN_NAME);
  await page.getByLabel("Password").fill(ADMIN_PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("link", { name: "Show me sources" }).click();
  await expect(page.getByText("2 + 2 = 4").first()).toBeVisible();
  await person.keepPicture("admin");
});
