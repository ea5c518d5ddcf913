import { expect, test } from "./person";

const PAGE = "https://example.com/chat";
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPwd3tKEmIY1TCqYfhqAABe7noQUGj3EgAAAABJRU5ErkJggg==",
  "base64",
);

test.use({ chat: "basic" });

test("a chat below a path asks for nothing that is not", async ({ newPerson }) => {
  const person = await newPerson();
  const { origin, pathname } = new URL(PAGE);
  const elsewhere: string[] = [];
  person.page.on("request", (request) => {
    const url = new URL(request.url());
    const isBelow = url.pathname === pathname || url.pathname.startsWith(`${pathname}/`);
    if (url.origin !== origin || !isBelow) elsewhere.push(url.href);
  });
  await person.open(PAGE);
  await expect(person.page).toHaveURL(PAGE);

  const preview = person.element.getByRole("img", { name: "square.png" });
  await person.attach({ name: "square.png", mimeType: "image/png", buffer: PNG });
  await person.say("What is in this?");
  await person.waitForEnd();
  await person.reload();
  await expect(person.said).toContainText("What is in this?");
  await expect
    .poll(() => preview.evaluate((image) => (image as HTMLImageElement).naturalWidth))
    .toBeGreaterThan(0);

  await person.press("New chat");
  await expect(person.page).toHaveURL(PAGE);
  await person.pickNewest();
  await person.keepPicture("sub-path");

  await person.page.goto(`${PAGE}/no/such/page`);
  await person.expectProblem("status of 404");
  await person.page.getByRole("link", { name: "To the chat" }).click();
  await expect(person.page).toHaveURL(PAGE);
  await person.expectChat();

  expect(elsewhere.filter((address) => !/^(?:blob|data):/.test(address))).toEqual([]);
});
