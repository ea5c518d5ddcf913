import { expect, test } from "./person";

test("the newspaper and the chat know of each other", async ({ newPerson, address }) => {
  const person = await newPerson();
  await person.open(`${address}/newsroom`);
  const paper = person.page.getByRole("region", { name: "Newspaper" });
  await paper.getByRole("button", { name: "The library stays open until ten" }).click();
  const asked = person.page.waitForRequest("**/api/chatkit");
  await person.say("What is this about?");
  expect((await asked).headers()["x-page-context"]).toBe("article=library");
  await person.waitForEnd();

  await person.composer.pressSequentially("When does it open? @brid");
  await person.page.getByRole("option", { name: "The old bridge closes in May" }).click();
  await person.press("Send");
  await expect(person.answers.last()).toHaveText("In October.");
  const name = person.said.last().getByRole("button", { name: "The old bridge closes in May" });
  await name.hover();
  await expect(person.page.getByRole("tooltip")).toContainText("A ferry goes every ten minutes");
  await name.click();
  await expect(paper.getByRole("heading")).toHaveText("The old bridge closes in May");
  await person.waitForEnd();

  await person.say("Anything about birds?");
  await expect(person.answers.last()).toHaveText("The storks are back.");
  await expect(paper.getByRole("heading")).toHaveText("Storks are back on the town hall");
  await person.keepPicture("newsroom");
});
