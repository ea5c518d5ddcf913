import { expectNoBarriers } from "./barriers";
import { expect, test } from "./fixtures";

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing keeps people out, in ${colorScheme} colours`, async ({ newPerson, address }) => {
    const person = await newPerson({ colorScheme });
    await person.open(address);
    await expectNoBarriers(person.page);

    await person.say("Show me a form");
    await person.waitForEnd();
    await expectNoBarriers(person.page);

    await person.openHistory();
    await expectNoBarriers(person.page);
  });
}

test("a message is written and sent by keyboard", async ({ person }) => {
  await person.composer.focus();
  await person.page.keyboard.type("Without a mouse");
  await person.page.keyboard.press("Enter");
  await expect(person.said).toHaveText("Without a mouse");
  await person.waitForEnd();
});
