import { expect, test } from "../page/person";
import { pageOf } from "./bundle";

// What is on a page beside the chat, built from the owner's files only, with either chat.

for (const chat of ["chatkit", "basic"] as const) {
  test(`a page and its chat change each other, ${chat}`, async ({ newPerson, address }) => {
    const person = await newPerson();
    const { page } = person;
    const { document, script } = await pageOf("beside.tsx");
    await page.goto(address); // for the cookie of a guest
    await page.route("**/beside?*", (route) => route.fulfill({ contentType: "text/html", body: document }));
    await page.goto(`${address}/beside?chat=${chat}`);
    await page.addScriptTag({ content: script });
    await person.expectChat();
    const beside = page.getByRole("complementary", { name: "Beside the chat" });
    await expect(beside).toContainText("ready, quiet, no conversation");
    await expect(person.composer).toHaveValue("Written at the start");

    await expect(page.getByText("Hello, Ada")).toBeVisible();
    await beside.getByRole("button", { name: "Sign in as Grace" }).click();
    await expect(page.getByText("Hello, Grace")).toBeVisible();

    const asked = page.waitForRequest((request) => (request.postData() ?? "").includes("threads.create"));
    await beside.getByRole("button", { name: "Ask about this" }).click();
    expect((await asked).headers()["x-shop"]).toBe("of Ada");
    await expect(person.answers).toContainText("You said: “Tell me about this”");
    await expect(beside).toContainText(/ready, quiet, thr_\w+/);
    await expect(person.composer).toHaveValue("Thank you");
    await expect(page.getByRole("note")).toHaveText("ready, a conversation, answered");

    if (chat === "basic") {
      await beside.getByRole("button", { name: "Change the theme" }).click();
      await expect(page.locator("[data-chat=basic]")).toHaveAttribute("data-scheme", "dark");
      await page.getByRole("button", { name: "compose" }).click();
      await expect(page.getByText("Hello, Grace")).toBeVisible();
      await expect(beside).toContainText("no conversation");
    }
    await person.keepPicture(`beside ${chat}`);
  });
}
