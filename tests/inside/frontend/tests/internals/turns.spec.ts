import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { CustomApiConfig } from "@openai/chatkit";
import { expect, type Locator } from "@playwright/test";
import { test as base, expectNoBarriers, type Person } from "../page/person";
import { sharedServers, startPage } from "../page/servers";
import type { StandIn } from "../stand-in/element";

// Here answers go on when their reader leaves, as ANSWERS_GO_ON says.

type Fixtures = { person: Person; going: { address: string } };
type WorkerFixtures = { goingOn: string };

const test = base.extend<Fixtures, WorkerFixtures>({
  goingOn: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads from the pattern what a fixture needs.
    async ({}, use) => {
      const page = await startPage(sharedServers().backend, { ANSWERS_GO_ON: "true" });
      await use(page.at);
      await page.stop();
    },
    { scope: "worker" },
  ],
  address: ({ goingOn }, use) => use(goingOn),
});

const QUESTION = "A long answer, please";
const WHOLE = / 298 299 300$/;

function notice({ page }: Person): Locator {
  return page.getByRole("status").filter({ hasText: "This conversation is being answered." });
}

/** A network between a browser and the page's server, which can be cut. */
class Network {
  private readonly connections = new Set<Socket>();
  private isCut = false;

  private constructor(private readonly server: Server) {}

  static async to(address: string): Promise<Network> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const network = new Network(server);
    server.on("connection", (near) =>
      network.join(near, connect(Number(new URL(address).port), "127.0.0.1")),
    );
    return network;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private join(near: Socket, far: Socket): void {
    for (const one of [near, far]) {
      this.connections.add(one.on("error", () => {}).on("close", () => this.connections.delete(one)));
      if (this.isCut) one.destroy();
    }
    near.pipe(far).pipe(near);
  }

  cut(): void {
    this.isCut = true;
    for (const one of this.connections) one.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}

/** How the newest turn of the conversation is that the person's page shows. */
async function outcome({ page, endpoint }: Person): Promise<string> {
  const { searchParams } = new URL(page.url());
  const params = { thread_id: searchParams.get("thread") };
  const answer = await page.request.post(endpoint, { data: { type: "kit.turn", params } });
  return (await answer.json()).outcome;
}

/** The stored words of the newest answer. */
async function stored({ page, endpoint }: Person): Promise<string> {
  const { searchParams } = new URL(page.url());
  const params = { thread_id: searchParams.get("thread"), order: "desc" };
  const answer = await page.request.post(endpoint, { data: { type: "items.list", params } });
  const { data } = await answer.json();
  return data.find(({ type }: { type: string }) => type === "assistant_message").content[0].text;
}

/** Stops an answer, which takes a second at most. */
async function stopIt(person: Person, press: () => Promise<void>): Promise<void> {
  expect(await outcome(person)).toBe("running");
  await press();
  await expect.poll(() => outcome(person), { timeout: 1000, intervals: [50] }).toBe("stopped");
}

async function begin(person: Person, question = QUESTION): Promise<void> {
  await person.say(question);
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
}

async function expectWhole(person: Person): Promise<void> {
  await expect(person.answers).toHaveText(WHOLE, { timeout: 30_000 });
  await expect(notice(person)).toBeHidden();
  await expect(person.said).toHaveCount(1);
  await expect(person.answers).toHaveCount(1);
}

test("reload-ends-the-turn: after a reload the answer grows to its end", async ({ person }) => {
  await begin(person);
  await person.reload();
  await expect(notice(person)).toBeVisible();
  await person.keepPicture("answered while the page is reloaded");
  await expectNoBarriers(person.page, "openai-chatkit");
  await expectWhole(person);
  await person.say("And now?");
  await person.waitForEnd();
  await expect(person.answers).toHaveCount(2);
});

test("a page that is closed and opened again has the whole answer", async ({ person }) => {
  await begin(person);
  const url = person.page.url();
  await person.page.goto("about:blank");
  await person.page.goto(url);
  await person.expectChat();
  await expectWhole(person);
});

test("a network that goes and comes back leaves the answer whole", async ({ newPerson, address }) => {
  const network = await Network.to(address);
  const person = await newPerson();
  await person.open(network.address);
  await begin(person);
  const readsOn = person.page.waitForRequest((request) => request.postData()?.includes("kit.turn") ?? false);
  network.cut();
  await readsOn;
  network.mend();
  await expectWhole(person);
  await person.waitForEnd();
  expect(person.asked.filter((type) => type.startsWith("threads."))).toEqual(["threads.create"]);
  await person.expectProblem("ERR_");
  network.close();
});

test("stop-loses-the-answer: Stop stops, and keeps what was said", async ({ person }) => {
  await begin(person, "An endless answer");
  await stopIt(person, () => person.press("Stop"));
  await person.waitForEnd();
  await expect.poll(() => person.answers.textContent()).toBe(await stored(person));
  await expect(async () => {
    await person.reload();
    await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
    await expect(notice(person)).toBeHidden({ timeout: 1000 });
  }).toPass();
  await person.say("Go on");
  await person.waitForEnd();
  await expect(person.answers.last()).toContainText("You said: “Go on”");
});

test("Stop just before a reload is Stop", async ({ person }) => {
  await begin(person, "An endless answer");
  await stopIt(person, async () => {
    await person.press("Stop");
    await person.page.reload();
  });
});

test("Stop before the first word is Stop", async ({ person }) => {
  // The basic chat offers Stop with the first event, and another element may offer it at once.
  const asked = person.page.waitForRequest("**/api/chatkit");
  const connection = await person.element.evaluateHandle((element) => {
    const api = (element as StandIn).options?.api as CustomApiConfig;
    const content = [{ type: "input_text", text: "An endless answer" }];
    const params = { input: { content, attachments: [], inference_options: {} } };
    const body = JSON.stringify({ type: "threads.create", params });
    const headers = { "content-type": "application/json" };
    const connection = new AbortController();
    api.fetch?.(api.url, { method: "POST", headers, body, signal: connection.signal }).catch(() => {});
    return connection;
  });
  await asked;
  const saysStop = person.statusOf("kit.stop", () => connection.evaluate((stop) => stop.abort()));
  expect(await saysStop).toBe(200);
  await person.openHistory();
  await person.titles.click();
  await expect.poll(() => outcome(person), { timeout: 1000, intervals: [50] }).toBe("stopped");
});

test("Stop works after a reload too", async ({ person }) => {
  await begin(person, "An endless answer");
  await person.reload();
  await stopIt(person, () => notice(person).getByRole("button", { name: "Stop the answer" }).click());
  await expect(notice(person)).toBeHidden();
  await person.say("Go on");
  await person.waitForEnd();
  await expect(person.answers).toHaveCount(2);
});

test("two tabs see the same conversation, and each of them stops it", async ({ person }) => {
  await begin(person, "An endless answer");
  const page = await person.context.newPage();
  await page.goto(person.page.url());
  const other = page.getByRole("log", { name: "Conversation" });
  await expect(other).toContainText(" 1 2 3 4 5 6 7 8");
  await stopIt(person, () => page.getByRole("button", { name: "Stop the answer" }).click());
  await person.waitForEnd();
  await person.say("Hello from the first tab");
  await person.waitForEnd();
  await expect(other).toContainText("You said: “Hello from the first tab”");
});

test("a question that is refused, because another tab asks, leaves the notice", async ({ person }) => {
  await begin(person, "An endless answer");
  const page = await person.context.newPage();
  await page.goto(person.page.url());
  await expect(page.getByRole("log", { name: "Conversation" })).toContainText(" 1 2 3 4 5 6 7 8");
  await page.getByRole("textbox").fill("And I?");
  const refused = page.waitForResponse((response) => response.status() === 409);
  await page.getByRole("button", { name: "Send" }).click();
  await refused;
  const isAnswered = page.getByRole("status").filter({ hasText: "This conversation is being answered." });
  await expect(isAnswered).toBeVisible();
  await stopIt(person, () => isAnswered.getByRole("button", { name: "Stop the answer" }).click());
  await expect(isAnswered).toBeHidden();
});

test("another conversation that is opened stops nothing", async ({ person }) => {
  await begin(person);
  await person.openHistory();
  await person.press("New chat");
  await person.say("Meanwhile");
  await person.waitForEnd();
  await person.openHistory();
  await person.titles.last().click();
  await expectWhole(person);
});

test("without the setting a closed connection is Stop, and the page says nothing else", async ({
  newPerson,
}) => {
  const person = await newPerson();
  const kinds: string[] = [];
  person.page.on("request", (request) => {
    if (request.url().endsWith("/api/chatkit")) kinds.push(request.postDataJSON().type);
    expect(request.headers()).not.toHaveProperty("x-says-stop");
  });
  await person.open(sharedServers().address);
  await begin(person, "An endless answer");
  await stopIt(person, () => person.reload());
  await expect(person.answers).toContainText(" 1 2 3 4 5 6 7 8");
  expect(kinds.filter((kind) => kind.startsWith("kit."))).toEqual([]);
});
