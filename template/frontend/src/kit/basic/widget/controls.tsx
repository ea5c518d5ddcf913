import type { Widgets } from "@openai/chatkit";
import {
  type ChangeEvent,
  type CSSProperties,
  type FocusEvent,
  type MouseEvent,
  type ReactNode,
  useContext,
} from "react";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { Spinner } from "@/kit/basic/parts/parts";
import type { Action } from "@/kit/basic/protocol";
import { actionOf, controlsOf, FormContext, ScopeContext, useAction } from "@/kit/basic/widget/form";
import {
  colorOf,
  controlStyle,
  countOf,
  isNode,
  lookUp,
  type Node,
  oneOf,
  textOf,
  textStyle,
} from "@/kit/basic/widget/style";
import styles from "@/kit/basic/widget/widget.module.css";

type Props = { node: Node };

/** The sizes of texts in em. */
export const TEXT_SIZES = { xs: 0.75, sm: 0.875, md: 1, lg: 1.125, xl: 1.25 };

/** The sizes of icons in em. */
const ICON_SIZES: Record<string, number> = {
  xs: 0.875,
  sm: 1,
  md: 1.25,
  lg: 1.5,
  xl: 1.75,
  "2xl": 2,
  "3xl": 2.5,
};

/** An icon of ChatKit, or nothing if the name is none. */
export function NamedIcon({ name, size }: { name: unknown; size?: unknown }) {
  if (typeof name !== "string") return null;
  return (
    <Icon name={chatkitIcon(name as Widgets.WidgetIcon)} size={`${lookUp(ICON_SIZES, size) ?? 1.25}em`} />
  );
}

/** An icon that stands alone. */
export function WidgetIconPart({ node }: Props) {
  return (
    <span className={styles.icon} style={{ color: colorOf(node.color) }}>
      <NamedIcon name={node.name} size={node.size} />
    </span>
  );
}

const VARIANTS = ["solid", "soft", "outline", "ghost"] as const;
const COLORS = [
  "primary",
  "secondary",
  "info",
  "discovery",
  "success",
  "caution",
  "warning",
  "danger",
] as const;

/** A button, which does its own action or submits the form around it. */
export function WidgetButton({ node }: Props) {
  const form = useContext(FormContext);
  const isSubmit = node.submit === true && form !== null;
  const isPrimary = node.style === "primary";
  return (
    <ActionButton
      action={(isSubmit && form.action) || actionOf(node.onClickAction)}
      isSubmit={isSubmit}
      isDisabled={node.disabled === true}
      color={oneOf(node.color, COLORS) ?? (isPrimary ? "primary" : "secondary")}
      variant={oneOf(node.variant, VARIANTS) ?? (isPrimary ? "solid" : "outline")}
      // A button must have a name, and the icon's is better than none.
      label={node.label ? undefined : textOf(node.iconStart) || textOf(node.iconEnd)}
      style={controlStyle(node)}
    >
      <NamedIcon name={node.iconStart} size={node.iconSize} />
      {textOf(node.label)}
      <NamedIcon name={node.iconEnd} size={node.iconSize} />
    </ActionButton>
  );
}

type ButtonProps = {
  action: Action | null;
  isSubmit?: boolean;
  isDisabled?: boolean;
  color: (typeof COLORS)[number];
  variant: (typeof VARIANTS)[number];
  /** The accessible name, if the content has no text. */
  label?: string | undefined;
  /** What waits for the action, if the action does not say so. */
  waiting?: "self" | "container";
  style?: CSSProperties;
  children: ReactNode;
};

/** A button that does an action. It is busy until the action is done. */
export function ActionButton({
  action,
  isSubmit = false,
  isDisabled = false,
  color,
  variant,
  label,
  waiting = "self",
  style,
  children,
}: ButtonProps) {
  const [run, isBusy] = useAction(waiting);
  const onClick = (event: MouseEvent<HTMLButtonElement>) => {
    // The form does not submit itself, so that only this button is busy.
    event.preventDefault();
    const { form } = event.currentTarget;
    if (isBusy || (isSubmit && !form?.reportValidity())) return;
    run(action, controlsOf(form));
  };
  return (
    <button
      type={isSubmit ? "submit" : "button"}
      className={styles.button}
      data-color={color}
      data-variant={variant}
      disabled={isDisabled}
      // A button that is only busy keeps the focus.
      aria-disabled={isBusy || undefined}
      aria-busy={isBusy || undefined}
      aria-label={label}
      style={style}
      onClick={onClick}
    >
      {children}
      {isBusy && <Spinner />}
    </button>
  );
}

/** The label of a field, which is in the same form. */
export function WidgetLabel({ node }: Props) {
  const { id } = useContext(ScopeContext);
  return (
    <label className={styles.label} htmlFor={id + textOf(node.fieldName)} style={textStyle(node, TEXT_SIZES)}>
      {textOf(node.value)}
    </label>
  );
}

/** What all controls of a field have in common. */
function useField(node: Node, fallback: unknown) {
  const { id, labels } = useContext(ScopeContext);
  const field = textOf(node.name);
  return {
    // A bare name would hide the form's own properties, such as `elements`.
    id: field ? id + field : undefined,
    name: id + field,
    "data-field": field,
    "aria-label": labels.has(field) ? undefined : textOf(fallback) || textOf(node.placeholder) || field,
    disabled: node.disabled === true,
    required: node.required === true,
  };
}

/** Returns a listener that does the action of a control which has changed. */
function useChange(node: Node) {
  const [run] = useAction("none");
  return ({ currentTarget }: ChangeEvent<HTMLInputElement | HTMLSelectElement>) => {
    const control = currentTarget as HTMLInputElement;
    run(actionOf(node.onChangeAction), control.form ? controlsOf(control.form) : [control]);
  };
}

/** What a text field has in addition. */
function textFieldProps(node: Node) {
  const select = (event: FocusEvent<HTMLInputElement | HTMLTextAreaElement>) => event.currentTarget.select();
  return {
    className: styles.field,
    "data-variant": oneOf(node.variant, VARIANTS),
    placeholder: textOf(node.placeholder) || undefined,
    style: controlStyle(node),
    ...(node.autoSelect === true && { onFocus: select }),
    ...(node.allowAutofillExtensions !== true && { "data-1p-ignore": true, "data-lpignore": "true" }),
  };
}

const INPUT_TYPES = ["number", "email", "text", "password", "tel", "url"] as const;
const COMPLETION = /^[a-z]+(?:[ -][a-z]+){0,4}$/;

/** A field for one line of text. */
export function WidgetInput({ node }: Props) {
  const field = useField(node, null);
  const completion = textOf(node.autoComplete);
  return (
    <input
      {...field}
      {...textFieldProps(node)}
      type={oneOf(node.inputType, INPUT_TYPES) ?? "text"}
      // A number may have decimals.
      step={node.inputType === "number" ? "any" : undefined}
      pattern={textOf(node.pattern) || undefined}
      autoComplete={COMPLETION.test(completion) ? completion : "off"}
      defaultValue={textOf(node.defaultValue)}
    />
  );
}

const MOST_ROWS = 30;

/** A field for several lines of text. */
export function WidgetTextarea({ node }: Props) {
  const field = useField(node, null);
  const rows = Math.min(countOf(node.rows) ?? 3, MOST_ROWS);
  const most = Math.max(rows, Math.min(countOf(node.maxRows) ?? 12, MOST_ROWS));
  const { style, ...props } = textFieldProps(node);
  const grows = node.autoResize === true;
  return (
    <textarea
      {...field}
      {...props}
      rows={rows}
      data-grows={grows || undefined}
      style={grows ? { ...style, minHeight: `${rows + 1}lh`, maxHeight: `${most + 1}lh` } : style}
      defaultValue={textOf(node.defaultValue)}
    />
  );
}

/** A text that can be edited in its place. */
export function EditableText({ node }: Props) {
  const editable = isNode(node.editable) ? node.editable : {};
  const Field = countOf(node.minLines) || textOf(node.value).includes("\n") ? WidgetTextarea : WidgetInput;
  const field = { ...editable, defaultValue: node.value, rows: node.minLines, autoResize: true, block: true };
  return <Field node={field} />;
}

type Option = { value: string; label: string; description: string; isDisabled: boolean };

function optionsOf(value: unknown): Option[] {
  const options = Array.isArray(value) ? value.filter(isNode) : [];
  return options.map((option) => ({
    value: textOf(option.value),
    label: textOf(option.label) || textOf(option.value),
    description: textOf(option.description),
    isDisabled: option.disabled === true,
  }));
}

/** A choice out of a list. */
export function WidgetSelect({ node }: Props) {
  const field = useField(node, null);
  const onChange = useChange(node);
  const chosen = textOf(node.defaultValue);
  const placeholder = textOf(node.placeholder);
  return (
    <select
      {...field}
      className={styles.field}
      data-variant={oneOf(node.variant, VARIANTS)}
      style={controlStyle(node)}
      defaultValue={chosen}
      onChange={onChange}
    >
      {(!chosen || node.clearable === true) && <option value="">{placeholder}</option>}
      {optionsOf(node.options).map(({ value, label, description, isDisabled }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the server may repeat a value
        <option key={index} value={value} disabled={isDisabled}>
          {description ? `${label} – ${description}` : label}
        </option>
      ))}
    </select>
  );
}

/** A date. The browser shows it in its own way. */
export function WidgetDatePicker({ node }: Props) {
  const field = useField(node, null);
  const onChange = useChange(node);
  return (
    <input
      {...field}
      type="date"
      className={styles.field}
      data-variant={oneOf(node.variant, VARIANTS)}
      style={controlStyle(node)}
      min={dateOf(node.min)}
      max={dateOf(node.max)}
      defaultValue={dateOf(node.defaultValue)}
      onChange={onChange}
    />
  );
}

function dateOf(value: unknown): string | undefined {
  return /^\d{4}-\d{2}-\d{2}(?=T|$)/.exec(textOf(value))?.[0];
}

/** A box to tick. */
export function WidgetCheckbox({ node }: Props) {
  const { "aria-label": name, ...field } = useField(node, null);
  const onChange = useChange(node);
  const label = textOf(node.label);
  return (
    <label className={styles.choice}>
      <input
        {...field}
        type="checkbox"
        aria-label={label ? undefined : name}
        defaultChecked={node.defaultChecked === true}
        onChange={onChange}
      />
      {label}
    </label>
  );
}

/** A choice out of a few options, all of which are visible. */
export function WidgetRadioGroup({ node }: Props) {
  const { id, "aria-label": _, disabled, ...field } = useField(node, null);
  const { labels } = useContext(ScopeContext);
  const onChange = useChange(node);
  const name = textOf(node.ariaLabel) || labels.get(field["data-field"]) || field["data-field"];
  return (
    <div
      role="radiogroup"
      aria-label={name}
      className={styles.choices}
      data-direction={node.direction === "row" ? "row" : "col"}
    >
      {optionsOf(node.options).map(({ value, label, isDisabled }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the server may repeat a value
        <label key={index} className={styles.choice}>
          <input
            {...field}
            // The group's label leads to its first option.
            id={index === 0 ? id : undefined}
            type="radio"
            value={value}
            disabled={disabled || isDisabled}
            defaultChecked={textOf(node.defaultValue) === value}
            onChange={onChange}
          />
          {label}
        </label>
      ))}
    </div>
  );
}
