import { expect, expectNoBarriers, type Person, test } from "../page/person";
import { sharedServers } from "../page/servers";

test.use({ chat: "basic" });

const EVENTS = { "content-type": "text/event-stream" };
const AT = "2026-01-01T00:00:00Z";

/** Lets the server answer the next message with an item of the test's own. */
async function answerWith({ page }: Person, item: object): Promise<void> {
  const named = { id: "itm_1", thread_id: "thr_1", created_at: AT, ...item };
  const events = [
    { type: "thread.created", thread: { id: "thr_1", created_at: AT, status: { type: "active" } } },
    { type: "thread.item.done", item: userMessage("Show it") },
    { type: "thread.item.done", item: named },
  ];
  const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  await page.route("**/api/chatkit", (route) => route.fulfill({ headers: EVENTS, body }), { times: 1 });
}

function userMessage(text: string) {
  const content = [{ type: "input_text", text }];
  return {
    id: "msg_1",
    thread_id: "thr_1",
    created_at: AT,
    type: "user_message",
    content,
    attachments: [],
    inference_options: {},
  };
}

function answer(text: string) {
  return { type: "assistant_message", content: [{ type: "output_text", text, annotations: [] }] };
}

const RICH = `## A heading

Some **bold**, *emphasized* and \`code\` words, and [a link](https://example.com/).

1. One
2. Two
   - and a half

| name | price |
|---|---:|
| tea | 3.20 |

> A quotation

\`\`\`python
print("Hello")
\`\`\`

The root is \\(\\sqrt{2}\\).`;

test("it asks nobody but the page's server", async ({ person, address }) => {
  const document = await fetch(address);
  const text = await document.text();
  expect(text).toContain('data-chat="basic"');
  expect(text).not.toContain("openai.com");
  expect(document.headers.get("content-security-policy")).not.toContain("openai.com");
  const asked: string[] = [];
  person.page.on("request", (request) => asked.push(new URL(request.url()).origin));
  await person.say("Hello");
  await person.waitForEnd();
  expect([...new Set(asked)]).toEqual([new URL(address).origin]);
});

/** What a browser loads of our scripts and styles: how many bytes, and the texts. */
async function loaded(person: Person): Promise<{ bytes: number; texts: string[] }> {
  const entries = await person.page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map((entry) => entry as PerformanceResourceTiming)
      .filter(({ name }) => name.includes("/_next/static/"))
      .map(({ name, encodedBodySize }) => ({ name, encodedBodySize })),
  );
  const texts = await Promise.all(entries.map(async ({ name }) => (await fetch(name)).text()));
  return { bytes: entries.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0), texts };
}

test("a page with ChatKit's element loads nothing of it, and it weighs 60 kB at most", async ({
  person,
  newPerson,
}) => {
  const usual = await newPerson();
  usual.cdn = "up";
  await usual.open(sharedServers().address);
  const [basic, chatkit] = [await loaded(person), await loaded(usual)];
  expect(chatkit.texts.filter((text) => text.includes('"data-chat"'))).toEqual([]);
  expect(basic.texts.filter((text) => text.includes('"data-chat"'))).toHaveLength(1);
  expect(basic.bytes - chatkit.bytes).toBeLessThan(60_000);
});

const WIDTHS = [360, 768, 1440];

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of WIDTHS) {
    test(`it is for everybody, ${width} px wide and ${colorScheme}`, async ({ newPerson, address }) => {
      const person = await newPerson({ colorScheme, viewport: { width, height: 800 } });
      const look = async (name: string) => {
        await expectNoBarriers(person.page);
        await person.keepPicture(`basic ${name} ${width} ${colorScheme}`);
        const wide = await person.page.evaluate(() => document.documentElement.scrollWidth);
        expect(wide).toBe(width);
      };
      await person.open(address);
      await look("start");
      await answerWith(person, answer(RICH));
      await person.composer.fill("Show it");
      await person.press("Send");
      await person.waitForEnd();
      await look("markdown");
      await person.press("New chat");
      await person.say("Show me a form");
      await person.waitForEnd();
      await look("form");
      await person.press("New chat");
      await person.say("Show me a widget");
      await person.waitForEnd();
      await look("widget");
      await person.openHistory();
      await look("history");
    });
  }
}

test("what a model writes never becomes a script or a request", async ({ person }) => {
  const tricks = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "![beacon](https://evil.example/beacon.png)",
    "[click](javascript:window.hacked=3)",
    "<iframe src='https://evil.example/'></iframe>",
    "<style>body { display: none }</style>",
  ];
  await answerWith(person, answer(tricks.join("\n\n")));
  await person.composer.fill("Show it");
  await person.press("Send");
  await person.waitForEnd();
  await expect(person.answers).toContainText("<script>window.hacked = 1</script>");
  await expect(person.answers.getByRole("link")).toHaveCount(0);
  await expect(person.page.locator("main iframe, main script")).toHaveCount(0);
  expect(await person.page.evaluate(() => "hacked" in window)).toBe(false);
  await expect(person.composer).toBeVisible();
});

test("a message that the server does not take is there to be sent again", async ({ person }) => {
  await person.page.route("**/api/chatkit", (route) => route.abort(), { times: 1 });
  await person.composer.fill("Do not lose me");
  await person.press("Send");
  await expect(person.alert).toContainText("The connection is lost");
  await expect(person.composer).toHaveValue("Do not lose me");
  await person.expectProblem("ERR_FAILED");
  await person.expectProblem("ChatKit:");
  await person.press("Send");
  await expect(person.answers).toContainText("You said: “Do not lose me”");
  await person.waitForEnd();
});

test("blank-screen: the basic chat whose files do not come is loaded anew by Retry", async ({
  newPerson,
  address,
}) => {
  const person = await newPerson();
  let isAway = true;
  await person.page.route("**/_next/static/**/*.js", async (route) => {
    const answer = await route.fetch();
    const isIt = (await answer.text()).includes('"data-chat"');
    return isIt && isAway ? route.abort() : route.fulfill({ response: answer });
  });
  await person.page.goto(address);
  await expect(person.panel).toContainText("The chat did not start.");
  await expect(person.panel.getByRole("button")).toHaveText(["Retry"]);
  await person.expectProblem("ERR_FAILED");
  isAway = false;
  await person.panel.getByRole("button", { name: "Retry" }).click();
  await person.expectChat();
  await person.say("Hello");
  await person.waitForEnd();
});

test("answers go on when the page is reloaded", async ({ person }) => {
  await person.say("Give me a long answer");
  await expect(person.answers).toContainText(" 1 2 3 4 5");
  await person.reload();
  await expect(person.answers).toContainText("299 300");
});

test("it speaks the person's language, from right to left", async ({ newPerson, address }) => {
  const person = await newPerson({ locale: "ar" });
  await person.page.goto(address);
  await expect(person.element).toHaveAttribute("dir", "rtl");
  await expect(person.element).toHaveAttribute("lang", "ar");
  await expectNoBarriers(person.page);
  await person.keepPicture("basic arabic");
});

test("the address of an open conversation is kept, and that of a foreign one forgotten", async ({
  person,
  newPerson,
  address,
}) => {
  await person.say("Remember me");
  await person.waitForEnd();
  const link = person.page.url();
  await person.page.reload();
  await expect(person.said).toHaveText("Remember me");
  const stranger = await newPerson();
  await stranger.page.goto(link);
  await expect(stranger.page).toHaveURL(new URL(address).href);
  await stranger.expectProblem("Failed to load initial thread");
  stranger.problems = stranger.problems.filter((problem) => !problem.includes("status of 404"));
});
