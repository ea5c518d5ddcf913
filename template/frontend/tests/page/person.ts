import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  test as base,
  expect,
  type Locator,
  type Page,
  type Route,
} from "@playwright/test";
import { chatkitConfig } from "@/chatkit.config";
import type { ChatKind } from "@/kit/settings";
import { standInScript } from "../stand-in/bundle";
import { findBrowser, whyNoBrowser } from "./browser";
import { RESULTS, sharedServers } from "./servers";

export { expect };

/** What playwright.config.ts sets. */
export type Options = {
  /** Which chat the page shows. */
  chat: ChatKind;
};

type Fixtures = {
  withBrowser: undefined;
  /** The address of the page, which is built for production and has a backend behind it. */
  address: string;
  /**
   * Makes a person with a new browser. The test fails if problems of this person are left at its
   * end.
   */
  newPerson: (options?: BrowserContextOptions) => Promise<Person>;
  /** A person who has the page open. */
  person: Person;
};

/**
 * A test of the real page in a browser, with the real backend. The page has the basic chat, or a
 * stand-in for OpenAI's element.
 */
export const test = base.extend<Options & Fixtures>({
  withBrowser: [
    async ({ browserName }, use) => {
      test.skip(browserName === "chromium" && !findBrowser(), whyNoBrowser());
      await use(undefined);
    },
    { auto: true },
  ],

  chat: ["chatkit", { option: true }],

  address: ({ chat }, use) => use(chat === "basic" ? sharedServers().basic : sharedServers().address),

  newPerson: async ({ browser, chat }, use) => {
    const people: Person[] = [];
    await use(async (options) => {
      const person = await Person.enter(browser, options);
      if (chat === "basic") person.cdn = "unwanted";
      people.push(person);
      return person;
    });
    for (const { context } of people) await context.close();
    expect(people.flatMap(({ problems }) => problems)).toEqual([]);
  },

  person: async ({ newPerson, address }, use) => {
    const person = await newPerson();
    await person.open(address);
    await use(person);
  },
});

/** The address of OpenAI's script. The tests serve the stand-in in its place. */
export const CDN = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

const OUTSIDE = /^https?:\/\/(?!(?:127\.0\.0\.1|localhost)[:/])/;

/** How OpenAI's CDN answers a browser. A company's firewall may send a page of its own. */
export type Cdn = "up" | "unwanted" | Cut;
export const CUTS = ["blocked", "refused", "reset", "silent", "forbidden", "another page"] as const;
type Cut = (typeof CUTS)[number];

/** A file that a person picks in the browser. */
export type PickedFile = { name: string; mimeType: string; buffer: Buffer };

/** A person in front of the page, with their own browser and all the problems that it reports. */
export class Person {
  /** How OpenAI's CDN is, or that it may not be asked. */
  cdn: Cdn = "up";
  /** The errors of the console and the network. A test fails if any are left here at its end. */
  problems: string[] = [];
  /** The types of the ChatKit requests, in order, without the kit's own, such as `kit.turn`. */
  readonly asked: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  /** Opens a new browser, without any cookies. */
  static async enter(browser: Browser, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1000, height: 750 }, ...options });
    const person = new Person(context, await context.newPage());
    await context.route(OUTSIDE, (route) => person.playTheWorld(route));
    person.page.on("pageerror", (error) => person.problems.push(String(error)));
    person.page.on("console", (said) => {
      if (said.type() === "error") person.problems.push(said.text());
    });
    person.page.on("request", (request) => {
      if (!request.url().endsWith("/api/chatkit")) return;
      const { type } = request.postDataJSON();
      if (!type.startsWith("kit.")) person.asked.push(type);
    });
    return person;
  }

  private async playTheWorld(route: Route): Promise<void> {
    const url = route.request().url();
    // From the second attempt on, the page adds a query to the address.
    const isScript = url.split("?")[0] === CDN && this.cdn !== "unwanted";
    if (!isScript) this.problems.push(`asked for ${url}`);
    if (!isScript) return route.abort();
    switch (this.cdn) {
      case "up":
        return route.fulfill({ contentType: "text/javascript", body: await standInScript() });
      case "silent":
        return;
      case "forbidden":
        return route.fulfill({ status: 403, body: "Forbidden" });
      case "another page":
        return route.fulfill({ contentType: "text/html", body: "<h1>Blocked by your company</h1>" });
      case "refused":
        return route.abort("connectionrefused");
      case "reset":
        return route.abort("connectionreset");
      default:
        return route.abort();
    }
  }

  /** Makes the stand-in fail, from the next document on. */
  async letFail(failure: Window["standIn"]): Promise<void> {
    await this.page.addInitScript((chosen) => {
      window.standIn = chosen;
    }, failure);
  }

  /** Waits for a problem that the test expects, and removes it from the list. */
  async expectProblem(words: string): Promise<void> {
    await expect.poll(() => this.problems.join("\n"), `nothing complained of “${words}”`).toContain(words);
    this.problems = this.problems.filter((problem) => !problem.includes(words));
  }

  get element(): Locator {
    return this.page.locator("openai-chatkit, [data-chat]");
  }

  /** Where the open page sends ChatKit's requests. */
  get endpoint(): string {
    const { origin, pathname } = new URL(this.page.url());
    return `${origin}${pathname.replace(/\/$/, "")}/api/chatkit`;
  }

  /** The panel over the chat that says why it could not start. */
  get panel(): Locator {
    const heading = this.page.getByRole("heading", { name: "The chat could not start" });
    return this.page.getByRole("alert").filter({ has: heading });
  }

  /** The screen before the first message. */
  get start(): Locator {
    return this.page.getByRole("region", { name: "Start" });
  }

  /** The conversation. */
  get log(): Locator {
    return this.page.getByRole("log", { name: "Conversation" });
  }

  /** The conversation, also before the first message, when it is hidden. */
  private get hiddenLog(): Locator {
    return this.page.getByRole("log", { name: "Conversation", includeHidden: true });
  }

  /** The person's own messages. */
  get said(): Locator {
    return this.log.getByRole("article", { name: "You" });
  }

  /** The assistant's messages. */
  get answers(): Locator {
    return this.log.getByRole("article", { name: "Assistant" });
  }

  /** The list of conversations. */
  get history(): Locator {
    return this.page.getByRole("navigation", { name: "History" });
  }

  /** The titles in the list of conversations. */
  get titles(): Locator {
    return this.history.getByRole("button", { name: /^(?!(Rename|Delete) )/ });
  }

  /** ChatKit's own error message. */
  get alert(): Locator {
    return this.element.getByRole("alert");
  }

  /** The uploaded files of the message that is being written, or of a message that has some. */
  get attached(): Locator {
    return this.element.getByRole("list", { name: "Attachments" });
  }

  /** The field in which the person writes. */
  get composer(): Locator {
    const name = chatkitConfig.composer?.placeholder ?? "Message the AI";
    return this.page.getByRole("textbox", { name });
  }

  /** Opens the page and waits for the chat. */
  async open(address: string): Promise<void> {
    await this.page.goto(address);
    await this.expectChat();
  }

  /** Loads the page again, and waits for the chat. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.expectChat();
  }

  /** Comes back to the page from another tab. */
  async comeBack(): Promise<void> {
    // A headless browser shows all of its pages, so it sends no such event.
    await this.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  }

  /** Waits until the chat is there and nothing covers it. */
  async expectChat(): Promise<void> {
    await expect(this.composer).toBeVisible();
    await expect(this.page.getByText("The chat is loading")).toBeHidden();
  }

  /** Writes a message and sends it. */
  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.press("Send");
    await expect(this.said.last()).toHaveText(text);
  }

  /** Presses a button of the chat. */
  async press(name: string): Promise<void> {
    await this.element.getByRole("button", { name, exact: true }).click();
  }

  /** Adds files to the message that is being written. */
  async attach(...files: PickedFile[]): Promise<void> {
    await this.page.getByLabel("Attach files").setInputFiles(files);
  }

  /** Waits until the assistant has finished its answer. */
  async waitForEnd(): Promise<void> {
    await expect(this.page.locator("[role=log][aria-busy=true]")).toHaveCount(0);
    await expect(this.page.getByRole("button", { name: "Send" })).toBeVisible();
  }

  /** Opens the list of conversations. */
  async openHistory(): Promise<void> {
    await this.press("Open history");
    await expect(this.history).toBeVisible();
  }

  /** Deletes the newest conversation of the list, which asks first. */
  async deleteNewest(): Promise<void> {
    await this.history.getByRole("button", { name: "Delete " }).first().click();
    await this.press("Delete");
  }

  /** Opens the newest conversation from the list. */
  async pickNewest(): Promise<void> {
    await this.openHistory();
    await this.titles.first().click();
    await expect(this.log).toBeVisible();
  }

  /** Opens the newest conversation until it has a text, which the server may still be saving. */
  async pickNewestUntil(text: string): Promise<void> {
    await expect(async () => {
      await this.pickNewest();
      expect(await this.log.innerText()).toContain(text);
    }).toPass({ timeout: 30_000 });
  }

  /** Calls `act`, and returns the status of the answer to the ChatKit request of this type. */
  async statusOf(type: string, act: () => Promise<void>): Promise<number> {
    const isAnswer = (url: string, body: string | null) =>
      url.endsWith("/api/chatkit") && JSON.parse(body ?? "{}").type === type;
    const answer = this.page.waitForResponse((response) =>
      isAnswer(response.url(), response.request().postData()),
    );
    await act();
    return (await answer).status();
  }

  /**
   * Starts to count the frames in which an answer grows. An answer that comes all at once counts
   * one.
   */
  async watchTheAnswerGrow(): Promise<() => Promise<number>> {
    const growth = await this.hiddenLog.evaluateHandle((element) => {
      const seen = { frames: 0, length: 0 };
      const look = () => {
        const answers = element.querySelectorAll("[aria-label=Assistant]");
        const { length } = answers[answers.length - 1]?.textContent ?? "";
        if (length > seen.length) seen.frames++;
        seen.length = length;
        requestAnimationFrame(look);
      };
      look();
      return seen;
    });
    return () => growth.evaluate(({ frames }) => frames);
  }

  /**
   * Notes all texts that the line of progress has from now on, and returns what tells them.
   * A slow browser may never paint a text that is there for a moment, so changes count, not frames.
   */
  async watchTheStatus(): Promise<() => Promise<string[]>> {
    const texts = await this.hiddenLog.evaluateHandle((element) => {
      const seen: string[] = [];
      const note = (changes: MutationRecord[]) => {
        for (const { target, addedNodes } of changes) {
          if (!(target instanceof Element && target.role === "status")) continue;
          seen.push(...Array.from(addedNodes, (added) => added.textContent ?? ""));
        }
      };
      new MutationObserver(note).observe(element.getRootNode(), { childList: true, subtree: true });
      return seen;
    });
    return () => texts.jsonValue();
  }

  /** Saves a screenshot of the page in test-results/pictures. */
  async keepPicture(name: string): Promise<void> {
    const file = `${name.replace(/\W+/g, "-")}.png`;
    await this.page.screenshot({ path: join(RESULTS, "pictures", file), fullPage: true });
  }
}

/** Fails if axe finds an accessibility problem on a page, outside of what matches `leftOut`. */
export async function expectNoBarriers(page: Page, leftOut?: string): Promise<void> {
  const axe = new AxeBuilder({ page });
  const { violations } = await (leftOut ? axe.exclude(leftOut) : axe).analyze();
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}\n${target.join(" ")}\n${failureSummary}`),
  );
  expect(found).toEqual([]);
}
