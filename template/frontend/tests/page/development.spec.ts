import { expect, test } from "./fixtures";

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
  await person.pick("Hello from localhost");
});
