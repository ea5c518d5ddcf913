import { createServer, type RequestListener, type Server } from "node:http";
import type { Locator } from "@playwright/test";
import type { Slug } from "@/kit/causes";
import { expectNoBarriers, type Person } from "../page/person";
import { expect, type Orphan, test } from "./other-pages";

// The page is built, so that whoever sees it is a visitor.
const NOT_NOW = "The chat is not available at the moment. Try again in a minute.";
const NOT_NOW_WITH_ID = /not available at the moment\. Try again in a minute\. \(request [0-9a-f-]{36}\)$/;
const ALLOW_SCRIPTS = "Check your connection, and allow scripts on this page";
const NOT_STARTED = "The chat did not start. Check your connection, then try again in a minute.";

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
  test("script-blocked: OpenAI's script does not come, and Retry brings the chat", async ({
    newPerson,
    address,
  }) => {
    const person = await newPerson();
    person.cdn = "blocked";
    await person.page.goto(address);
    const panel = await expectPanel(person, "script-blocked", new RegExp(ALLOW_SCRIPTS));
    await panel.getByRole("button", { name: "Retry" }).click();
    await expect(panel).toContainText(ALLOW_SCRIPTS);

    person.cdn = "up";
    await panel.getByRole("button", { name: "Retry" }).click();
    await person.expectChat();
    await person.say("There you are");
    await person.waitForEnd();
    await person.expectProblem("ERR_FAILED");
  });

  test("a script that is slow is spoken of after ten seconds, and Retry reloads nothing else", async ({
    newPerson,
    address,
  }) => {
    const person = await newPerson();
    person.cdn = "silent";
    await person.page.clock.install();
    await person.page.goto(address, { waitUntil: "commit" });
    await expect(person.page.locator("script[src^='https://cdn']")).toBeAttached();
    await person.page.locator("main").evaluate((main) => {
      main.append(Object.assign(document.createElement("input"), { ariaLabel: "Elsewhere" }));
    });
    const elsewhere = person.page.getByRole("textbox", { name: "Elsewhere" });
    await elsewhere.fill("typed before Retry");
    await person.page.clock.fastForward(10_000);
    const panel = await expectPanel(person, "blank-screen", NOT_STARTED);

    person.cdn = "up";
    await panel.getByRole("button", { name: "Retry" }).click();
    await person.expectChat();
    await expect(elsewhere).toHaveValue("typed before Retry");
  });

  test("backend-down: nobody listens", async ({ newPerson, orphan }) => {
    const person = await newPerson();
    await person.page.goto(orphan.address);
    await expectPanel(person, "backend-down", NOT_NOW_WITH_ID);
    await person.expectProblem("502");
  });

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
        await person.expectProblem("502");
        leave(server);
      });
    }
  });

  test("proxy-hides-the-cause: something else answers there", async ({ newPerson, orphan }) => {
    const server = await takeItsPlace(orphan, (_, response) => response.end("<h1>It works!</h1>"));
    const person = await newPerson();
    await person.page.goto(orphan.address);
    await expectPanel(person, "proxy-hides-the-cause", NOT_NOW_WITH_ID);
    await person.expectProblem("502");
    leave(server);
  });

  test("env-file-lost: the two sides have different secrets", async ({ newPerson, startOtherPage }) => {
    const person = await newPerson();
    await person.page.goto(
      await startOtherPage({ CHATKIT_SECRET: "another secret, longer than 32 characters" }),
    );
    await expectPanel(person, "env-file-lost", NOT_NOW_WITH_ID);
    await person.expectProblem("502");
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
    await person.expectProblem("401");
  });

  test("domain-key: a refused domain", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail({ refusesDomain: true });
    await person.page.goto(address);
    await expectPanel(person, "domain-key", NOT_NOW);
    await person.expectProblem("Domain verification failed");
  });

  test("domain-key: the element takes itself away without a word", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail({ removesItself: true });
    await person.page.goto(address);
    await expectPanel(person, "domain-key", NOT_NOW);
  });

  test("options-refused: the console has ChatKit's words for the option", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail({ refusesOptions: true });
    await person.page.goto(address);
    await expectPanel(person, "options-refused", NOT_NOW);
    await person.expectProblem("ChatKit.create()");
  });

  test("any error before ChatKit is ready", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail({ failsBeforeReady: true });
    await person.page.goto(address);
    await expectPanel(person, "blank-screen", NOT_STARTED);
    await person.expectProblem("ChatKit:");
  });

  test("a fatal error in the middle of a chat", async ({ person }) => {
    await person.say("Hello");
    await person.waitForEnd();
    await person.element.evaluate((element) => {
      const error = Object.assign(new Error("The frame is gone."), { name: "FatalAppError" });
      element.dispatchEvent(new CustomEvent("chatkit.error", { detail: { error } }));
    });
    await expectPanel(person, "blank-screen", NOT_STARTED);
    await person.expectProblem("ChatKit:");
  });

  test("a script that comes, and never starts the chat", async ({ newPerson, address }) => {
    const person = await newPerson();
    await person.letFail({ neverReady: true });
    await person.page.clock.install();
    await person.page.goto(address);
    await person.page.waitForFunction(() => customElements.get("openai-chatkit"));
    await person.page.clock.fastForward(10_000);
    await expectPanel(person, "blank-screen", NOT_STARTED);
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
    await expectPanel(person, "csp-blocks-chatkit", NOT_NOW);
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

test("a panel is reached and used by the keyboard, on a telephone in the dark", async ({
  newPerson,
  address,
}) => {
  const viewport = { width: 390, height: 844 };
  const person = await newPerson({ viewport, colorScheme: "dark" });
  person.cdn = "blocked";
  await person.page.goto(address);
  const { panel } = person;
  await expect(panel).toBeVisible();
  await expectNoBarriers(person.page);
  await person.keepPicture("panel-telephone-dark");
  person.cdn = "up";
  const retry = panel.getByRole("button", { name: "Retry" });
  await person.page.keyboard.press("Tab");
  await expect(retry).toBeFocused();
  await person.page.keyboard.press("Enter");
  await person.expectChat();
  await person.expectProblem("ERR_FAILED");
});

test("visitors-see-the-inside: there are no pitfalls to read", async ({ address }) => {
  const answer = await fetch(`${address}/pitfalls`);
  expect(answer.status).toBe(404);
  expect(await answer.text()).not.toContain("uv run");
});
