import { expect, test } from "./person";

test("the panel has the bookings as they are now", async ({ newPerson, address }) => {
  const person = await newPerson();
  await person.open(`${address}/support`);
  const panel = person.page.getByRole("complementary", { name: "Your bookings" });
  await expect(panel.getByRole("listitem")).toHaveCount(0);
  await person.say("Hello");
  await person.waitForEnd();
  await expect(panel.getByRole("listitem")).toHaveCount(2);

  await person.say("What can we drink?");
  await person.waitForEnd();
  await person.press("Order for 12 €");
  await expect(panel.getByRole("listitem").first()).toContainText("2 seats, with drinks");
  await expect(person.log.getByRole("button", { name: "Ordered" })).toBeVisible();
  await person.keepPicture("support");
});
