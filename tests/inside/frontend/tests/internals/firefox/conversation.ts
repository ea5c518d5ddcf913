import { Person } from "../../page/person";
import { mend } from "./bidi";
import "../../page/conversation.spec";

const { enter } = Person;

Person.enter = async (browser, options) => {
  const person = await enter.call(Person, browser, options);
  await mend(person.context);
  // Chromium says so in its console, in these words.
  person.page.on("response", (response) => {
    const status = response.status();
    if (status >= 400) person.problems.push(`the server responded with a status of ${status}`);
  });
  return person;
};
