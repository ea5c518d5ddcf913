import {
  type CSSProperties,
  createContext,
  type FormEvent,
  type ReactNode,
  useContext,
  useId,
  useMemo,
  useState,
} from "react";
import type { Action } from "@/kit/basic/protocol";
import { isNode, type Node, oneOf, textOf } from "@/kit/basic/widget/style";

type Json = Record<string, unknown>;
type Loading = "self" | "container" | "none";

/** What the parts of a widget know of the widget. */
export type Host = {
  /** Does what a click asks for, and settles when it is done. */
  act: (action: Action) => unknown;
  /** Whether an action of the widget is being done. */
  isBusy: boolean;
  /** Whether the widget as a whole waits for it. */
  isWaiting: boolean;
  setWaiting: (isWaiting: boolean) => void;
};

/** The widget that a part is in. */
export const HostContext = createContext<Host>({
  act: () => {},
  isBusy: false,
  isWaiting: false,
  setWaiting: () => {},
});

/** A form, or what is outside of all forms: in it the name of a field is unique. */
export type Scope = {
  /** With the name of a field it makes an id that is unique in the page. */
  id: string;
  /** The texts of the labels by the names of their fields. */
  labels: ReadonlyMap<string, string>;
};

/** The scope that a control is in. */
export const ScopeContext = createContext<Scope>({ id: "", labels: new Map() });

/** What the nearest form does when it is submitted; null outside of forms. */
export const FormContext = createContext<{ action: Action | null } | null>(null);

/** What is read of a control in the page. */
export type Control = Pick<HTMLInputElement, "type" | "value" | "checked" | "disabled"> & {
  readonly dataset: { field?: string | undefined };
};

/** Returns the action that a part of a widget has; null if it has none. */
export function actionOf(value: unknown): Action | null {
  if (!isNode(value) || typeof value.type !== "string") return null;
  const loadingBehavior = oneOf(value.loadingBehavior, ["auto", "self", "container", "none"]);
  return {
    type: value.type,
    // The server gets its payload back as it was.
    ...(value.payload != null && { payload: value.payload as Json }),
    ...(value.handler === "client" && { handler: "client" }),
    ...(loadingBehavior && { loadingBehavior }),
    ...(value.streaming === false && { streaming: false }),
  };
}

/** Returns the names and the values of controls. */
export function valuesOf(controls: Iterable<Control>): [name: string, value: string | boolean][] {
  const values: [string, string | boolean][] = [];
  for (const control of controls) {
    const name = control.dataset.field;
    if (!name || control.disabled || (control.type === "radio" && !control.checked)) continue;
    values.push([name, valueIn(control)]);
  }
  return values;
}

function valueIn({ type, value, checked }: Control): string | boolean {
  if (type === "checkbox") return checked;
  // ChatKit sends a date with a time, as it gets it.
  return type === "date" && value ? `${value}T00:00:00.000Z` : value;
}

/** Puts values into the payload of an action. A dot in a name leads into an object: `todo.title`. */
export function withValues(payload: unknown, values: Iterable<readonly [string, unknown]>): unknown {
  if (payload != null && !isNode(payload)) return payload;
  let filled: Node | null = null;
  for (const [name, value] of values) filled = put(filled ?? payload ?? {}, name.split("."), value);
  return filled ?? payload;
}

// A literal object defines its fields. Names such as `__proto__` are fields like others to it.
function put(into: Node, [name = "", ...rest]: string[], value: unknown): Node {
  const old = Object.hasOwn(into, name) ? into[name] : undefined;
  if (rest.length > 0 && (old === undefined || isNode(old))) {
    return { ...into, [name]: put(old ?? {}, rest, value) };
  }
  if (rest.length === 0 && old === undefined) return { ...into, [name]: value };
  // ChatKit, too, prefers what the payload says already.
  console.error(`The payload of a widget's action has "${name}" already, so that of the form is left out.`);
  return into;
}

/**
 * Returns a function that does an action, and whether it is being done.
 *
 * @param auto What shows that it is being done, if the action does not say so.
 */
export function useAction(
  auto: Loading,
): [(action: Action | null, from: Iterable<Control>) => void, boolean] {
  const { act, isBusy, isWaiting, setWaiting } = useContext(HostContext);
  const [isMine, setMine] = useState(false);
  const isMyTurn = !isBusy || !(isMine || isWaiting);
  const run = async (action: Action, from: Iterable<Control>) => {
    const { payload, loadingBehavior = "auto" } = action;
    const loading = loadingBehavior === "auto" ? auto : loadingBehavior;
    const values = valuesOf(from);
    const filled = values.length > 0 ? (withValues(payload, values) as Json) : payload;
    if (loading === "self") setMine(true);
    if (loading === "container") setWaiting(true);
    try {
      await act({ ...action, loadingBehavior: loading, ...(filled !== undefined && { payload: filled }) });
    } catch (error) {
      console.error(error);
    } finally {
      if (loading === "self") setMine(false);
      if (loading === "container") setWaiting(false);
    }
  };
  const start = (action: Action | null, from: Iterable<Control>) => {
    if (action && isMyTurn) void run(action, from);
  };
  return [start, isBusy && isMine];
}

/** Returns the controls of a form. Outside of a form there are none. */
export function controlsOf(form: HTMLFormElement | null): Control[] {
  // Buttons are among them, too, but have no name.
  return [...(form?.elements ?? [])] as HTMLInputElement[];
}

type Props = {
  node: Node;
  action: Action | null;
  className?: string | undefined;
  style?: CSSProperties | undefined;
  children: ReactNode;
};

/**
 * A form. All actions in it get the values of its controls.
 *
 * HTML has no form in a form: the inner one shares the controls of the outer one, and only its
 * submit buttons have an action of their own.
 */
export function WidgetForm({ node, action, className, style, children }: Props) {
  const outer = useContext(FormContext);
  const scope = useScope(node);
  const [run] = useAction("self");
  // Buttons submit by themselves. The browser does so if there is no button, by Enter.
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    run(action, controlsOf(event.currentTarget));
  };
  const inside = <FormContext value={{ action }}>{children}</FormContext>;
  if (outer) {
    return (
      <div className={className} style={style}>
        {inside}
      </div>
    );
  }
  return (
    <ScopeContext value={scope}>
      <form className={className} style={style} onSubmit={onSubmit}>
        {inside}
      </form>
    </ScopeContext>
  );
}

/** Returns a scope for the controls in a part of a widget. */
export function useScope(node: unknown): Scope {
  const id = useId();
  return useMemo(() => ({ id, labels: labelsIn(node) }), [id, node]);
}

function labelsIn(root: unknown): Map<string, string> {
  const labels = new Map<string, string>();
  const rest = [root];
  while (rest.length > 0) {
    const node = rest.pop();
    if (Array.isArray(node)) for (const one of node) rest.push(one);
    if (!isNode(node)) continue;
    if (node.type === "Label") labels.set(textOf(node.fieldName), textOf(node.value));
    rest.push(node.children);
  }
  return labels;
}
