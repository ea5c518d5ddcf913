import { make } from "./make";

/** Something that can be chosen, as the options name it. */
export type Choice = { id: string; label: string; disabled?: boolean; default?: boolean };

/** A list to choose from, which is there only when there is something to choose. */
export class Picker {
  readonly element: HTMLSelectElement;
  private offered = "";

  /**
   * @param label What it is called.
   * @param none What is called to choose nothing, where that is possible.
   */
  constructor(
    label: string,
    private readonly none: string | null,
    onchange: (id: string | null) => void,
  ) {
    this.element = make("select", {
      ariaLabel: label,
      hidden: true,
      onchange: () => onchange(this.chosen),
    });
  }

  /** Offers choices; what is chosen stays so while the choices are the same. */
  offer(choices: Choice[] = []): void {
    const offered = JSON.stringify(choices);
    if (offered === this.offered) return;
    this.offered = offered;
    this.element.hidden = choices.length === 0;
    const options = choices.map(({ id, label, disabled = false, default: selected = false }) =>
      make("option", { value: id, disabled, selected }, label),
    );
    const nothing = this.none === null ? [] : [make("option", { value: "" }, this.none)];
    this.element.replaceChildren(...nothing, ...options);
  }

  get chosen(): string | null {
    return this.element.value || null;
  }

  choose(id: string | null): void {
    this.element.value = id ?? "";
  }
}
