import { type FormEvent, useId, useRef } from "react";
import { useBasic, useChatState } from "@/kit/basic/context";
import styles from "@/kit/basic/items/items.module.css";
import type { Answers, ItemOf, Question } from "@/kit/basic/protocol";

type Form = ItemOf<"structured_input">;

/** The questions of an assistant, as a form or with their answers. */
export function StructuredInputView({ item }: { item: Form }) {
  return item.status === "pending" ? <PendingForm item={item} /> : <Answered item={item} />;
}

function Answered({ item: { inputs } }: { item: Form }) {
  return inputs.map(({ id, question, answer }) => (
    <p key={id} className={styles.answered} dir="auto">
      <span>{question}</span> {answer?.values.join(", ") || "—"}
    </p>
  ));
}

function PendingForm({ item }: { item: Form }) {
  const { session, words } = useBasic();
  const isRunning = useChatState((state) => state.isRunning);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    session.answer(
      item,
      "answered",
      answersTo(item.inputs, (input, index) => valuesOf(input, index, given)),
    );
  };
  const skip = () =>
    session.answer(
      item,
      "skipped",
      answersTo(item.inputs, () => []),
    );
  return (
    <form className={styles.form} onSubmit={submit}>
      {item.inputs.map((input, index) =>
        input.type === "multiple_choice" ? (
          <Choices key={input.id} input={input} index={index} />
        ) : (
          <Freeform key={input.id} input={input} index={index} />
        ),
      )}
      <div className={styles.buttons}>
        <button type="submit" disabled={isRunning} className={styles.primary}>
          {words.submit}
        </button>
        <button type="button" disabled={isRunning} onClick={skip}>
          {words.skip}
        </button>
      </div>
    </form>
  );
}

type QuestionProps<T extends Question["type"]> = { input: Extract<Question, { type: T }>; index: number };

function Freeform({ input: { question, description }, index }: QuestionProps<"freeform">) {
  const id = useId();
  return (
    <div className={styles.question}>
      <label htmlFor={id} dir="auto">
        {question}
      </label>
      {description && (
        <p id={`${id}-help`} className={styles.help} dir="auto">
          {description}
        </p>
      )}
      <textarea
        id={id}
        name={nameOf(index)}
        rows={2}
        dir="auto"
        aria-describedby={description ? `${id}-help` : undefined}
      />
    </div>
  );
}

const OTHER = "other";

function Choices({ input: { question, options, multiple }, index }: QuestionProps<"multiple_choice">) {
  const { words } = useBasic();
  const other = useRef<HTMLInputElement>(null);
  const type = multiple ? "checkbox" : "radio";
  const choose = () => {
    if (other.current) other.current.checked = true;
  };
  return (
    <fieldset className={styles.question}>
      <legend dir="auto">{question}</legend>
      {options.map(({ value }, place) => {
        const key = `${place}`;
        return (
          <label key={key} className={styles.choice}>
            <input type={type} name={nameOf(index)} value={place} />
            <span dir="auto">{value}</span>
          </label>
        );
      })}
      <div className={styles.other}>
        <label className={styles.choice}>
          <input ref={other} type={type} name={nameOf(index)} value={OTHER} />
          <span>{words.otherAnswer}</span>
        </label>
        <input
          type="text"
          name={nameOf(index, OTHER)}
          aria-label={words.otherAnswer}
          autoComplete="off"
          dir="auto"
          onInput={choose}
        />
      </div>
    </fieldset>
  );
}

/** The name of a field. Ids come from the server, so two fields could get the same name from them. */
function nameOf(index: number, part = "value"): string {
  return `${part} ${index}`;
}

function valuesOf(input: Question, index: number, given: FormData): string[] {
  const typed = (name: string) => String(given.get(name) ?? "").trim();
  if (input.type === "freeform") return [typed(nameOf(index))];
  return given
    .getAll(nameOf(index))
    .map((place) =>
      place === OTHER ? typed(nameOf(index, OTHER)) : (input.options[Number(place)]?.value ?? ""),
    );
}

function answersTo(inputs: readonly Question[], valuesOf: (input: Question, index: number) => string[]) {
  const answers = inputs.map((input, index) => {
    const values = valuesOf(input, index).filter(Boolean);
    return [input.id, { values, skipped: !values.length }] as const;
  });
  return Object.fromEntries(answers) satisfies Answers;
}
