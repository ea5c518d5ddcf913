import { expect, test } from "./person";

test("the assistant sees the map and moves it", async ({ newPerson, address }) => {
  const person = await newPerson();
  await person.open(`${address}/map`);
  const map = person.page.getByRole("region", { name: "Map" });
  const piers = map.getByRole("button");
  await expect(piers).toHaveCount(6);
  await piers.filter({ hasText: "Shipyard" }).click();

  await person.say("How do I get to the Lighthouse?");
  await person.waitForEnd();
  const card = person.log.getByRole("article", { name: "Widget" });
  await expect(card.getByRole("heading")).toHaveText("Shipyard to Lighthouse");
  await person.keepPicture("map");
  await person.press("The way back");
  await expect(card.getByRole("heading")).toHaveText("Lighthouse to Shipyard");

  await person.say("Where is that?");
  await expect(person.answers.last()).toContainText("It is alone.");
  await expect(piers).toHaveText(["Lighthouse", "Show all"]);
  expect(person.asked.at(-1)).toBe("threads.add_client_tool_output");
});
