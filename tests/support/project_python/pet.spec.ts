import { expect, test } from "./person";

test("the pet beside the chat is that of the open conversation", async ({ newPerson, address }) => {
  const person = await newPerson();
  await person.open(`${address}/pet`);
  const panel = person.page.getByRole("complementary", { name: "Hedgehog" });
  const name = panel.getByRole("heading");
  await expect(panel).toContainText("Say hello to your hedgehog.");

  await person.say("Hello");
  await person.waitForEnd();
  await expect(name).toHaveText("No name yet");
  await person.press("Bramble");
  await expect(name).toHaveText("Bramble");
  await person.waitForEnd();
  await person.say("Feed it");
  await expect(panel.getByLabel("food")).toHaveAttribute("value", "8");
  await person.waitForEnd();
  await person.keepPicture("pet");
  const first = person.page.url();

  await person.reload();
  await expect(name).toHaveText("Bramble");
  await person.open(`${address}/pet`);
  await person.say("Another one");
  await person.waitForEnd();
  await expect(name).toHaveText("No name yet");
  await person.openHistory();
  await person.titles.last().click();
  await expect(name).toHaveText("Bramble");
  expect(person.page.url()).toBe(first);
});
