import { chatkitConfig } from "@/chatkit.config";
import { expect, test } from "./fixtures";

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPwd3tKEmIY1TCqYfhqAABe7noQUGj3EgAAAABJRU5ErkJggg==",
  "base64",
);
const IMAGE = { name: "square.png", mimeType: "image/png", buffer: PNG };
const NOTES = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Buy milk.") };

test.skip(!chatkitConfig.composer?.attachments?.enabled, "chatkit.config.ts switches them off");

test("image-preview-http: the preview of an image is seen, here and in the history", async ({ person }) => {
  const preview = person.element.getByRole("img", { name: IMAGE.name });
  const width = () => preview.evaluate((image) => (image as HTMLImageElement).naturalWidth);
  await person.attach(IMAGE, NOTES);
  await expect.poll(width).toBeGreaterThan(0);
  await expect(person.element.getByRole("list", { name: "Attachments" })).toContainText(NOTES.name);

  await person.say("What is in these?");
  await expect(person.answers).toContainText("I see your square.png, notes.txt.");
  await person.waitForEnd();
  await person.keepPicture("attachments");

  await person.reload();
  await person.pick("What is in these?");
  await expect.poll(width).toBeGreaterThan(0);
});

test("a file is taken out again", async ({ person }) => {
  await person.attach(IMAGE, NOTES);
  const removal = () => person.press(`Remove ${IMAGE.name}`);
  expect(await person.statusOf("attachments.delete", removal)).toBe(200);
  await person.say("What is in this?");
  await expect(person.answers).toContainText("I see your notes.txt.");
  await person.waitForEnd();
});

test("a file that is not what it is called is refused in words", async ({ person }) => {
  await person.attach({ ...IMAGE, buffer: NOTES.buffer });
  await expect(person.alert).toContainText("The file is not what it is called");
  await person.expectProblem("415");
  await person.say("Never mind");
  await expect(person.answers).toContainText("You said: “Never mind”");
  await person.waitForEnd();
});
