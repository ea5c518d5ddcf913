import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Slug } from "@/kit/causes";
import type { SECTIONS } from "@/kit/pitfalls";
import { CDN, expectNoBarriers, type Person } from "../page/person";
import { FRONTEND } from "../page/servers";
import { expect, test } from "./other-pages";

// One after the other: Next allows a single development server in a folder.
test.describe.configure({ mode: "default" });

/** What the owner can do about a pitfall. */
function cureOf(slug: Slug): string {
  const sections: typeof SECTIONS = JSON.parse(
    readFileSync(join(FRONTEND, "src", "kit", "pitfalls.json"), "utf8"),
  );
  const pitfall = sections.flatMap(({ pitfalls }) => pitfalls).find((one) => one.slug === slug);
  return pitfall?.cure.replaceAll("`", "") ?? "not there";
}

/** Sees the panel with its cause, its next step and its link, by eye and by axe. */
async function expectPanel(person: Person, slug: Slug, ...words: string[]): Promise<void> {
  const { panel } = person;
  await expect(panel).toBeVisible();
  for (const some of [...words, cureOf(slug)]) await expect(panel).toContainText(some);
  const more = panel.getByRole("link", { name: "More about this" });
  await expect(more).toHaveAttribute("href", `/pitfalls#${slug}`);
  await expectNoBarriers(person.page);
}

test("dev-origin-blocked: the page of the development server is alive", async ({
  newPerson,
  developmentAddress,
}) => {
  const person = await newPerson();
  const reload = person.page.waitForEvent("websocket");
  await person.open(developmentAddress);
  expect((await reload).url()).toContain("/_next/");
  await person.say("Hello in development");
  await expect(person.answers).toContainText("You said: “Hello in development”");
  await person.waitForEnd();
});

test("localhost-is-not-one-place: whoever opens localhost ends at 127.0.0.1, as one person", async ({
  newPerson,
  developmentAddress,
}) => {
  const person = await newPerson();
  await person.open(developmentAddress.replace("127.0.0.1", "localhost"));
  expect(person.page.url()).toBe(`${developmentAddress}/`);
  await person.say("Hello from localhost");
  await person.waitForEnd();
  await person.open(developmentAddress);
  await person.pickNewest();
  await expect(person.said).toHaveText("Hello from localhost");
});

test.describe("the owner is told everything", () => {
  test("script-blocked: where it comes from", async ({ newPerson, developmentAddress }) => {
    const person = await newPerson();
    person.cdn = "blocked";
    await person.page.goto(developmentAddress);
    await expect(person.page.locator("[data-chat=basic]")).toBeVisible();
    await expect(
      person.page.getByText(`This is the basic chat. ChatKit's script could not be loaded from`),
    ).toBeVisible();
    await expect(person.page.getByRole("link", { name: CDN })).toBeVisible();
    const more = person.page.getByRole("link", { name: "More about this" });
    await expect(more).toHaveAttribute("href", "/pitfalls#script-blocked");
    await person.say("Hello all the same");
    await person.waitForEnd();
    await person.expectProblem("ERR_FAILED");
  });

  test("domain-key: which domain, and where to register it", async ({ newPerson, developmentAddress }) => {
    const person = await newPerson();
    await person.letFail("refusesDomain");
    await person.page.goto(developmentAddress);
    await expectPanel(
      person,
      "domain-key",
      "Domain verification failed",
      `This page is at ${developmentAddress}`,
      "/settings/organization/security/domain-allowlist",
    );
    await person.expectProblem("Domain verification failed");
  });

  test("options-refused: which option", async ({ newPerson, developmentAddress }) => {
    const person = await newPerson();
    await person.letFail("refusesOptions");
    await person.page.goto(developmentAddress);
    await expectPanel(person, "options-refused", "ChatKit says: ChatKit.create()");
    await person.panel.getByRole("button", { name: "Use the basic chat" }).click();
    await expect(person.page.locator("[data-chat=basic]")).toBeVisible();
    await person.expectChat();
    await person.expectProblem("ChatKit.create()");
  });

  test("what the page's server says of the backend", async ({ newPerson, developmentAddress }) => {
    const person = await newPerson();
    const message = "No answer from the backend at http://127.0.0.1:1/health (ECONNREFUSED).";
    await person.page.route("**/api/status", (route) =>
      route.fulfill({ status: 502, json: { slug: "backend-down", message } }),
    );
    await person.page.goto(developmentAddress);
    await expectPanel(person, "backend-down", message);
    await person.expectProblem("status of 502");
  });
});

test("a panel's link leads to the words about its pitfall", async ({ newPerson, developmentAddress }) => {
  const person = await newPerson();
  await person.page.goto(`${developmentAddress}/pitfalls#migrations-not-run`);
  const article = person.page.locator("#migrations-not-run");
  await expect(article).toBeInViewport();
  await expect(article).toContainText('relation "conversations" does not exist');
  // All are made alike, and axe would look at each for a long time.
  await expectNoBarriers(person.page, "article:not(:target)");
});

test("the pitfalls fit a telephone, and their table of contents leads to each", async ({
  newPerson,
  developmentAddress,
}) => {
  const person = await newPerson({ viewport: { width: 320, height: 640 } });
  const { page } = person;
  await page.goto(`${developmentAddress}/pitfalls`);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBe(320);
  const contents = page.getByRole("navigation", { name: "All pitfalls" });
  await contents.getByRole("group").first().locator("summary").click();
  const link = contents.getByRole("link").first();
  const target = String(await link.getAttribute("href"));
  await link.click();
  await expect(page.locator(target)).toBeInViewport();
  await person.keepPicture("pitfalls on a telephone");
  await page.getByRole("link", { name: "Back to the chat" }).click();
  await person.expectChat();
});
