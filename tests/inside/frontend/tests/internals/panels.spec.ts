import { createServer, type RequestListener, type Server } from "node:http";
import type { Locator } from "@playwright/test";
import type { Slug } from "@/kit/causes";
import { CUTS, expectNoBarriers, type Person } from "../page/person";
import { expect, type Orphan, test } from "./other-pages";

// The page is built, so that whoever sees it is a visitor.
const NOT_NOW_WITH_ID = /not available at the moment\. Try again in a minute\. \(request [0-9a-f-]{36}\)$/;
const IN_PLACE = "This is a basic chat, because the usual one could not be loaded.";

/** Sees the panel with words for a visitor and nothing else, by eye and by axe, and keeps a picture of it. */
async function expectPanel(person: Person, slug: Slug, words: string | RegExp): Promise<Locator> {
  const { panel } = person;
  await expect(panel).toBeVisible();
  await expect(panel).toHaveAttribute("data-cause", slug);
  await expect(panel.getByRole("heading")).toHaveText("The chat could not start");
  await expect(panel.locator("p:not(:has(button, a))")).toHaveText(words);
  await expect(panel.getByRole("link", { name: "More about this" })).toBeHidden();
  await expectNoBarriers(person.page);
  await person.keepPicture(`panel ${test.info().title}`);
  return panel;
}

/** Sees the basic chat in the place of ChatKit, with a line that says so, by eye and by axe. */
async function expectBasic(person: Person): Promise<void> {
  await expect(person.page.locator("[data-chat=basic]")).toBeVisible();
  await expect(person.page.getByText(IN_PLACE)).toBeVisible();
  await expect(person.panel).toBeHidden();
  await person.expectChat();
  await expectNoBarriers(person.page);
  await person.keepPicture(`basic ${test.info().title}`);
}

/** Puts a server in the place of the backend that a page looks for, for one test. */
async function takeItsPlace({ backend }: Orphan, listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(Number(new URL(backend).port), "127.0.0.1", resolve));
  return server;
}

function leave(server: Server): void {
  server.close();
  server.closeAllConnections();
}

test.describe("blank-screen", () => {
  for (const cut of CUTS) {
    test(`script-blocked: OpenAI's script is ${cut}, and there is a chat within ten seconds`, async ({
      newPerson,
      address,
    }) => {
      const person = await newPerson();
      person.cdn = cut;
      await person.page.goto(address, { waitUntil: "commit" });
      await expect(person.composer).toBeEnabled({ timeout: 10_000 });
      await expectBasic(person);
      await person.say("In spite of all");
      await expect(person.answers).toContainText("You said: “In spite of all”");
      await person.waitForEnd();
      person.problems = [];
    });
  }

  test("script-blocked, cdn-unreachable: Retry brings ChatKit, in the same conversation", async ({
    newPerson,
    address,
  }) => {
    const person = await newPerson();
    person.cdn = "blocked";
    await person.page.goto(address);
    await expectBasic(person);
    await person.say("Remember me");
    await person.waitForEnd();
    const retry = person.page.getByRole("button", { name: "Retry" });
    await retry.click();
    await expect(retry).toHaveAttribute("aria-disabled", "false");
    await expect(retry).toBeFocused();
    await expect(person.said).toHaveText("Remember me");

    person.cdn = "up";
    await person.composer.fill("I am not done yet");
    await person.page.route("**/api/attachments", () => {}, { times: 1 });
    await person.attach({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Buy milk.") });
    await retry.click();
    await expect(person.page.locator("openai-chatkit")).toBeVisible();
    await person.expectChat();
    await expect(person.said).toHaveText("Remember me");
    await expect(person.composer).toHaveValue("I am not done yet");
    await expect(person.composer).toBeFocused();
    await person.press("Send");
    await expect(person.answers.last()).toContainText("I see your notes.txt.");
    await person.waitForEnd();
    await expect(retry).toBeHidden();
    await person.expectProblem("ERR_FAILED");
  });

  test("backend-down: nobody listens", async ({ newPerson, orphan }) => {
    const person = await newPerson();
    await person.page.goto(orphan.address);
    await expectPanel(person, "backend-down", NOT_NOW_WITH_ID);
    await person.expectProblem("status of 502");
  });

  for (const [locale, language, dir, words] of [
    ["de-AT", "de", "ltr", /^Der Chat ist im Moment nicht verfügbar\. .*\(request [0-9a-f-]{36}\)$/],
    ["ar-EG", "ar", "rtl", /^الدردشة غير متاحة حاليًا\. .*\(request [0-9a-f-]{36}\)$/],
  ] as const) {
    test(`backend-down: the panel speaks the person's language, ${locale}`, async ({ newPerson, orphan }) => {
      const person = await newPerson({ locale });
      await person.page.goto(orphan.address);
      const panel = person.page.locator("[data-cause=backend-down]");
      await expect(panel.locator("p:not(:has(button, a))")).toHaveText(words);
      await expect(panel.locator("..")).toHaveAttribute("lang", language);
      await expect(panel.locator("..")).toHaveAttribute("dir", dir);
      await expectNoBarriers(person.page);
      await person.keepPicture(`panel in ${language}`);
      await person.expectProblem("status of 502");
    });
  }

  test.describe("a backend that is up, and cannot serve", () => {
    for (const [state, slug, message] of [
      ["not migrated", "migrations-not-run", "The database is not migrated; it lacks 0001."],
      ["unavailable", "database-down", "The database does not answer: connection refused."],
    ] as const) {
      test(`${slug}: ${message}`, async ({ newPerson, orphan }) => {
        const server = await takeItsPlace(orphan, (_, response) => {
          response.writeHead(503, { "content-type": "application/json" });
          response.end(JSON.stringify({ status: state, message }));
        });
        const person = await newPerson();
        await person.page.goto(orphan.address);
        await expectPanel(person, slug, NOT_NOW_WITH_ID);
        await person.expectProblem("status of 502");
        leave(server);
      });
    }
  });

  test("proxy-hides-the-cause: something else answers there", async ({ newPerson, orphan }) => {
    const server = await takeItsPlace(orphan, (_, response) => response.end("<h1>It works!</h1>"));
    const person = await newPerson();
    await person.page.goto(orphan.address);
    await expectPanel(person, "proxy-hides-the-cause", NOT_NOW_WITH_ID);
    await person.expectProblem("status of 502");
    leave(server);
  });

  test("env-file-lost: the two sides have different secrets", async ({ newPerson, startOtherPage }) => {
    const person = await newPerson();
    await person.page.goto(
      await startOtherPage({ CHATKIT_SECRET: "another secret, longer than 32 characters" }),
    );
    await expectPanel(person, "env-file-lost", NOT_NOW_WITH_ID);
    await person.expectProblem("status of 502");
  });

  test("not-signed-in: a browser that keeps no cookies", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.page.route(address, async (route) => {
      const document = await fetch(address);
      const { "set-cookie": cookie, ...headers } = Object.fromEntries(document.headers);
      expect(cookie).toContain("chatkit_guest");
      await route.fulfill({ headers, body: await document.text() });
    });
    await person.page.goto(address);
    await expectPanel(
      person,
      "not-signed-in",
      /Reload the page: the cookie comes with it, if cookies are allowed\.$/,
    );
    await person.expectProblem("status of 401");
  });

  test("domain-key: a refused domain", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail("refusesDomain");
    await person.page.goto(address);
    await expectBasic(person);
    await person.expectProblem("Domain verification failed");
  });

  test("domain-key: the element takes itself away without a word", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail("removesItself");
    await person.page.goto(address);
    await expectBasic(person);
  });

  test("options-refused: the console has ChatKit's words for the option", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail("refusesOptions");
    await person.page.goto(address);
    await expectBasic(person);
    await person.expectProblem("ChatKit.create()");
  });

  test("any error before ChatKit is ready", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail("failsBeforeReady");
    await person.page.goto(address);
    await expectBasic(person);
    await person.expectProblem("ChatKit:");
  });

  test("a fatal error in the middle of a chat", async ({ person }) => {
    await person.say("Hello");
    await person.waitForEnd();
    await person.element.evaluate((element) => {
      const error = Object.assign(new Error("The frame is gone."), { name: "FatalAppError" });
      element.dispatchEvent(new CustomEvent("chatkit.error", { detail: { error } }));
    });
    await expectBasic(person);
    await person.expectProblem("ChatKit:");
  });

  test("a script that comes, and never starts the chat", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail("neverReady");
    await person.page.clock.install();
    await person.page.goto(address);
    await person.page.waitForFunction(() => customElements.get("openai-chatkit"));
    await person.page.clock.fastForward(10_000);
    await expectBasic(person);
  });

  test("csp-blocks-chatkit: a policy of somebody else's keeps the script out", async ({
    newPerson,
    address,
  }) => {
    const person = await newPerson();
    await person.page.route(address, async (route) => {
      const response = await route.fetch();
      const policy = "script-src 'self' 'unsafe-inline'";
      await route.fulfill({
        response,
        headers: { ...response.headers(), "content-security-policy": policy },
      });
    });
    await person.page.goto(address);
    await expectBasic(person);
    person.problems = [];
  });

  test("dev-origin-blocked: our own scripts do not start", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.page.route("**/_next/**/*.js*", (route) => route.abort());
    await person.page.goto(address);
    const loading = person.page.getByText("The chat is loading…");
    await expect(loading).toBeVisible();
    await expect(person.panel).toBeHidden();
    await person.page.evaluate(() => {
      for (const animation of document.getAnimations()) animation.currentTime = 10_000;
    });
    await expectPanel(person, "dev-origin-blocked", /^The page could not start in this browser\./);
    await expect(loading).toBeHidden();
    await person.expectProblem("ERR_FAILED");
  });

  test("our own component fails", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.page.addInitScript(() => {
      const { matchMedia } = window;
      window.matchMedia = () => {
        throw new Error("What came of somebody's edit.");
      };
      window.addEventListener("mended", () => {
        window.matchMedia = matchMedia;
      });
    });
    await person.page.goto(address);
    const panel = person.page.getByRole("alert").filter({ hasText: "This page could not be displayed" });
    await expect(panel).toContainText("Try again in a minute.");
    await expect(panel).not.toContainText("What came of somebody's edit.");
    await expectNoBarriers(person.page);
    await person.keepPicture("panel our own component fails");
    person.problems = [];

    await person.page.evaluate(() => window.dispatchEvent(new Event("mended")));
    await panel.getByRole("button", { name: "Retry" }).click();
    await person.expectChat();
  });

  test("no JavaScript at all", async ({ newPerson, address }) => {
    const person = await newPerson({ javaScriptEnabled: false });
    await person.page.goto(address);
    await expect(person.page.locator("noscript p")).toBeVisible();
    await expect(person.page.getByText("The chat is loading")).toBeHidden();
    await expect(person.panel).toBeHidden();
    await person.keepPicture("without-javascript");
  });

  test("a place without a height", async ({ person }) => {
    await person.page.locator("main").evaluate((main) => {
      main.style.height = "0";
    });
    expect((await person.element.boundingBox())?.height).toBeGreaterThan(300);
  });
});

test("a panel is used by the keyboard, on a telephone in the dark, and Retry keeps the focus", async ({
  newPerson,
  address,
}) => {
  const viewport = { width: 390, height: 844 };
  const person = await newPerson({ viewport, colorScheme: "dark" });
  const status = { status: 502, json: { slug: "backend-down", message: "Nobody is there." } };
  await person.page.route("**/api/status", (route) => route.fulfill(status), { times: 2 });
  await person.page.goto(address);
  const { panel } = person;
  await expect(panel).toBeVisible();
  await expectNoBarriers(person.page);
  await person.keepPicture("panel-telephone-dark");
  const retry = panel.getByRole("button", { name: "Retry" });
  await person.page.keyboard.press("Tab");
  await expect(retry).toBeFocused();
  const again = person.page.waitForResponse("**/api/status");
  await person.page.keyboard.press("Enter");
  await again;
  await expect(retry).toBeFocused();
  await person.page.keyboard.press("Enter");
  await person.expectChat();
  await expect(person.composer).toBeFocused();
  await person.expectProblem("status of 502");
});

test("address-forgets-the-conversation: after an outage Retry opens the conversation of the address again", async ({
  person,
}) => {
  await person.say("Remember me");
  await person.waitForEnd();
  const link = person.page.url();
  const isLoad = (body: string | null) => body?.includes("threads.get_by_id") ?? false;
  let isOut = true;
  await person.page.route("**/api/chatkit", (route) =>
    isOut && isLoad(route.request().postData())
      ? route.fulfill({ status: 502, json: { message: "Nobody is there." } })
      : route.fallback(),
  );
  await person.page.reload();
  await expect(person.panel).toHaveAttribute("data-cause", "backend-down");
  expect(person.page.url()).toBe(link);
  isOut = false;
  await person.panel.getByRole("button", { name: "Retry" }).click();
  await expect(person.said).toHaveText("Remember me");
  expect(person.page.url()).toBe(link);
  person.problems = [];
});

test("visitors-see-the-inside: there are no pitfalls to read", async ({ address }) => {
  const answer = await fetch(`${address}/pitfalls`);
  expect(answer.status).toBe(404);
  expect(await answer.text()).not.toContain("uv run");
});

for (const [locale, heading, home] of [
  ["en-US", "There is no page at this address", "To the chat"],
  ["de-DE", "Unter dieser Adresse gibt es keine Seite", "Zum Chat"],
] as const) {
  test(`an address without a page leads to the chat, ${locale}`, async ({ newPerson, address }) => {
    const person = await newPerson({ locale });
    const { page } = person;
    const answer = await page.goto(`${address}/no/such/page`);
    expect(answer?.status()).toBe(404);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(heading);
    await expectNoBarriers(page);
    await person.keepPicture(`not found ${locale}`);
    await page.getByRole("link", { name: home }).click();
    await expect(page.locator("link[rel=icon]")).toHaveAttribute("href", /icon\.svg/);
    await expect(page.locator("openai-chatkit")).toBeVisible();
    await person.expectProblem("status of 404");
  });
}
