import type { Widgets } from "@openai/chatkit";
import {
  type ComponentType,
  type CSSProperties,
  createContext,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import { useBasic, useChatState } from "@/kit/basic/context";
import { Markdown } from "@/kit/basic/parts/markdown";
import { Boundary, NotShown, Picture } from "@/kit/basic/parts/parts";
import { type Action, DEEPEST, type ItemOf, type Widget } from "@/kit/basic/protocol";
import {
  ActionButton,
  EditableText,
  NamedIcon,
  TEXT_SIZES,
  WidgetButton,
  WidgetCheckbox,
  WidgetDatePicker,
  WidgetIconPart,
  WidgetInput,
  WidgetLabel,
  WidgetRadioGroup,
  WidgetSelect,
  WidgetTextarea,
} from "@/kit/basic/widget/controls";
import {
  actionOf,
  controlsOf,
  HostContext,
  ScopeContext,
  useAction,
  useScope,
  WidgetForm,
} from "@/kit/basic/widget/form";
import {
  blockStyle,
  boxStyle,
  cellStyle,
  countOf,
  dividerStyle,
  imageStyle,
  isNode,
  lengthOf,
  lookUp,
  type Node,
  oneOf,
  textOf,
  textStyle,
} from "@/kit/basic/widget/style";
import styles from "@/kit/basic/widget/widget.module.css";
import { fill } from "@/kit/words";

type Props = { node: Node };

/** The widget of an item. Its actions go to the server, or to the page if they say so. */
export function WidgetView({ item }: { item: ItemOf<"widget"> }) {
  const { session, words } = useBasic();
  const isBusy = useChatState(({ busyItems }) => busyItems.includes(item.id));
  return (
    <article aria-label={words.widget}>
      <WidgetRoot widget={item.widget} act={(action) => session.act(action, item)} isBusy={isBusy} />
    </article>
  );
}

type RootProps = {
  widget: Widget;
  /** Does what a click asks for, and settles when it is done. */
  act: (action: Action) => unknown;
  /** Whether an action of the widget is being done. */
  isBusy?: boolean;
};

/** Draws a widget, or says that it cannot be shown. */
export function WidgetRoot({ widget, act, isBusy = false }: RootProps) {
  const [isWaiting, setWaiting] = useState(false);
  const scope = useScope(widget);
  const host = { act, isBusy, isWaiting, setWaiting };
  return (
    <Boundary of={widget}>
      <HostContext value={host}>
        <ScopeContext value={scope}>
          <div className={styles.widget} aria-busy={(isBusy && isWaiting) || undefined}>
            <Parts of={[widget]} />
          </div>
        </ScopeContext>
      </HostContext>
    </Boundary>
  );
}

const DepthContext = createContext(0);

/** Draws the children of a part. A part keeps what was typed in it as long as its key stays. */
function Parts({ of }: { of: unknown }) {
  const depth = useContext(DepthContext) + 1;
  if (depth > DEEPEST) return <NotShown />;
  const nodes = childrenOf(of);
  const keys = keysOf(nodes);
  return (
    <DepthContext value={depth}>
      {nodes.map((node, index) => (
        <Part key={keys[index]} node={node} />
      ))}
    </DepthContext>
  );
}

/** Returns the children of a part. A server may send one alone, outside of a list. */
function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value == null ? [] : [value];
}

/** Returns a key for each part, which is the same in the next version of the widget. */
function keysOf(nodes: readonly unknown[]): string[] {
  const seen = new Set<string>();
  return nodes.map((node, index) => {
    const name = isNode(node) ? textOf(node.key) || textOf(node.id) : "";
    const key = name && !seen.has(name) ? `=${name}` : `${index}`;
    seen.add(name);
    return key;
  });
}

function Part({ node }: { node: unknown }) {
  if (!isNode(node)) return textOf(node) || null;
  const Known = lookUp<ComponentType<Props>>(DRAWN, node.type) ?? Unknown;
  return <Known node={node} />;
}

/** Of a part that a newer server has sent: its text and its children. */
function Unknown({ node }: Props) {
  const text = textOf(node.value) || textOf(node.label);
  const children = childrenOf(node.children);
  return (
    <div className={styles.col}>
      {text || children.length > 0 ? text : <NotShown />}
      <Parts of={children} />
    </div>
  );
}

function schemeProps({ theme }: Node) {
  const scheme = oneOf(theme, ["light", "dark"]);
  return { "data-scheme": scheme, style: { colorScheme: scheme } satisfies CSSProperties };
}

function Card({ node }: Props) {
  const { words } = useBasic();
  const { style, ...scheme } = schemeProps(node);
  const confirm = cardActionOf(node.confirm);
  const cancel = cardActionOf(node.cancel);
  const isForm = node.asForm === true;
  const content = (
    <>
      <Parts of={node.children} />
      {(confirm || cancel) && (
        <div className={styles.actions}>
          {cancel && (
            <ActionButton action={cancel.action} waiting="container" color="secondary" variant="outline">
              {cancel.label || words.cancel}
            </ActionButton>
          )}
          {confirm && (
            <ActionButton
              action={confirm.action}
              waiting="container"
              color="primary"
              variant="solid"
              isSubmit={isForm}
            >
              {confirm.label || words.submit}
            </ActionButton>
          )}
        </div>
      )}
    </>
  );
  const body = isForm ? (
    <WidgetForm node={node} action={confirm?.action ?? null} className={styles.body}>
      {content}
    </WidgetForm>
  ) : (
    <div className={styles.body}>{content}</div>
  );
  return (
    <div
      {...scheme}
      className={styles.card}
      data-size={oneOf(node.size, ["sm", "md", "lg", "full"])}
      style={{ ...boxStyle(node), ...style }}
    >
      {node.collapsed === true ? (
        <details>
          <summary>{statusTextOf(node) || words.details}</summary>
          {body}
        </details>
      ) : (
        <>
          <Status node={node} />
          {body}
        </>
      )}
    </div>
  );
}

type CardAction = { label: string; action: Action | null };

function cardActionOf(value: unknown): CardAction | null {
  if (!isNode(value)) return null;
  return { label: textOf(value.label), action: actionOf(value.action) };
}

function statusTextOf({ status }: Node): string {
  return isNode(status) ? textOf(status.text) : "";
}

function Status({ node }: Props) {
  const text = statusTextOf(node);
  return (
    text && (
      <p className={styles.status}>
        {isNode(node.status) && <NamedIcon name={node.status.icon} />}
        {text}
      </p>
    )
  );
}

/** How many items a list shows at first if it leaves that to the chat. */
const AUTO_LIMIT = 5;

function ListView({ node }: Props) {
  const { words } = useBasic();
  const [isOpen, setOpen] = useState(false);
  const firstOfMore = useRef<HTMLLIElement>(null);
  // The button for more disappears, so the focus moves to what it has opened.
  useEffect(() => {
    if (isOpen) firstOfMore.current?.focus();
  }, [isOpen]);
  const items = childrenOf(node.children);
  const keys = keysOf(items);
  const limit = node.limit === "auto" ? AUTO_LIMIT : (countOf(node.limit) ?? items.length);
  const shown = isOpen ? items : items.slice(0, limit);
  const more = items.length - shown.length;
  return (
    <div {...schemeProps(node)} className={styles.list}>
      <Status node={node} />
      <ul>
        {shown.map((item, index) => (
          <li key={keys[index]} {...(index === limit && { ref: firstOfMore, tabIndex: -1 })}>
            <Parts of={[item]} />
          </li>
        ))}
      </ul>
      {more > 0 && (
        <button
          type="button"
          className={styles.button}
          data-color="secondary"
          data-variant="ghost"
          onClick={() => setOpen(true)}
        >
          {fill(words.showMore, { count: more })}
        </button>
      )}
    </div>
  );
}

function ListViewItem({ node }: Props) {
  const id = useId();
  const [run, isBusy] = useAction("self");
  const action = actionOf(node.onClickAction);
  return (
    <div className={styles.listItem} aria-busy={isBusy || undefined}>
      {action && (
        // A button cannot hold other buttons, so this one lies beneath them.
        <button
          type="button"
          className={styles.cover}
          aria-labelledby={id}
          aria-disabled={isBusy || undefined}
          onClick={({ currentTarget }) => !isBusy && run(action, controlsOf(currentTarget.form))}
        />
      )}
      <div id={id} className={styles.row} style={boxStyle(node)}>
        <Parts of={node.children} />
      </div>
    </div>
  );
}

function Basic({ node }: Props) {
  const { style, ...scheme } = schemeProps(node);
  return (
    <div {...scheme} className={styles.col} style={{ ...boxStyle(node), ...style }}>
      <Parts of={node.children} />
    </div>
  );
}

function Box({ node }: Props) {
  return (
    <div className={styles.col} style={boxStyle(node)}>
      <Parts of={node.children} />
    </div>
  );
}

function Row({ node }: Props) {
  return (
    <div className={styles.row} style={boxStyle(node, "row")}>
      <Parts of={node.children} />
    </div>
  );
}

function Col({ node }: Props) {
  return (
    <div className={styles.col} style={boxStyle(node, "col")}>
      <Parts of={node.children} />
    </div>
  );
}

function Form({ node }: Props) {
  return (
    <WidgetForm
      node={node}
      action={actionOf(node.onSubmitAction)}
      className={styles.col}
      style={boxStyle(node)}
    >
      <Parts of={node.children} />
    </WidgetForm>
  );
}

function Spacer({ node }: Props) {
  return <div className={styles.spacer} style={{ flexBasis: lengthOf(node.minSize) }} />;
}

function Divider({ node }: Props) {
  return (
    <hr
      className={node.flush === true ? `${styles.divider} ${styles.flush}` : styles.divider}
      style={dividerStyle(node)}
    />
  );
}

function Transition({ node }: Props) {
  return <Parts of={node.children} />;
}

const TITLE_SIZES = { sm: 1, md: 1.125, lg: 1.25, xl: 1.5, "2xl": 1.75, "3xl": 2, "4xl": 2.25, "5xl": 2.75 };
const CAPTION_SIZES = { sm: 0.75, md: 0.8125, lg: 0.875 };

/** What shortens a text. The whole of it is in its title. */
function shortProps(node: Node) {
  const isShort = node.truncate === true || countOf(node.maxLines) !== undefined;
  return {
    "data-truncate": node.truncate === true || undefined,
    "data-clamp": countOf(node.maxLines) !== undefined || undefined,
    title: isShort ? textOf(node.value) : undefined,
  };
}

function Title({ node }: Props) {
  return (
    <h2 {...shortProps(node)} className={styles.title} style={textStyle(node, TITLE_SIZES)}>
      {textOf(node.value)}
    </h2>
  );
}

function Caption({ node }: Props) {
  return (
    <p {...shortProps(node)} className={styles.caption} style={textStyle(node, CAPTION_SIZES)}>
      {textOf(node.value)}
    </p>
  );
}

function Text({ node }: Props) {
  if (isNode(node.editable)) return <EditableText node={node} />;
  return (
    <p
      {...shortProps(node)}
      className={styles.text}
      data-streaming={node.streaming === true || undefined}
      style={textStyle(node, TEXT_SIZES)}
    >
      {textOf(node.value)}
    </p>
  );
}

function MarkdownPart({ node }: Props) {
  return (
    <div className={styles.markdown}>
      <Markdown text={textOf(node.value)} />
    </div>
  );
}

const BADGE_COLORS = ["secondary", "success", "danger", "warning", "info", "discovery"] as const;

function Badge({ node }: Props) {
  return (
    <span
      className={styles.badge}
      data-color={oneOf(node.color, BADGE_COLORS) ?? "secondary"}
      data-variant={oneOf(node.variant, ["solid", "soft", "outline"]) ?? "soft"}
      data-size={oneOf(node.size, ["sm", "md", "lg"])}
      data-pill={node.pill === true || undefined}
    >
      {textOf(node.label)}
    </span>
  );
}

function Image({ node }: Props) {
  const src = textOf(node.src);
  if (!src) return textOf(node.alt);
  const { image, frame, flush } = styles;
  const names = [image, node.frame === true && frame, node.flush === true && flush];
  const className = names.filter(Boolean).join(" ");
  return <Picture src={src} alt={textOf(node.alt)} className={className} style={imageStyle(node)} />;
}

function Table({ node }: Props) {
  const rows = childrenOf(node.children).filter(isNode);
  const keys = keysOf(rows);
  const drawn = rows.map((row, index) => <TableRow key={keys[index]} node={row} />);
  const body = rows.findIndex(({ header }) => header !== true);
  const count = body < 0 ? rows.length : body;
  return (
    <div className={styles.scroll}>
      <table className={styles.table}>
        {count > 0 && <thead>{drawn.slice(0, count)}</thead>}
        {count < rows.length && <tbody>{drawn.slice(count)}</tbody>}
      </table>
    </div>
  );
}

function TableRow({ node }: Props) {
  const cells = childrenOf(node.children);
  const keys = keysOf(cells);
  return (
    <tr>
      {cells.map((cell, index) => (
        <TableCell key={keys[index]} cell={cell} isHeader={node.header === true} />
      ))}
    </tr>
  );
}

/** A cell. Any other part in its place gets a cell of its own. */
function TableCell({ cell, isHeader }: { cell: unknown; isHeader: boolean }) {
  const node: Node = isNode(cell) && cell.type === "Table.Cell" ? cell : { children: [cell] };
  const Cell = isHeader ? "th" : "td";
  return (
    <Cell
      scope={isHeader ? "col" : undefined}
      colSpan={countOf(node.colSpan)}
      rowSpan={countOf(node.rowSpan)}
      style={cellStyle(node)}
    >
      <Parts of={node.children} />
    </Cell>
  );
}

/** A chart is drawn by nothing here, so its numbers are in a table. */
function Chart({ node }: Props) {
  const { words } = useBasic();
  const axis = isNode(node.xAxis) ? node.xAxis : { dataKey: node.xAxis };
  const labels = isNode(axis.labels) ? axis.labels : {};
  const series = childrenOf(node.series).filter(isNode);
  const rows = childrenOf(node.data).filter(isNode);
  const place = (row: Node) => textOf(lookUp(row, axis.dataKey));
  return (
    <div className={styles.scroll} style={blockStyle({ flex: node.flex, width: node.width })}>
      <table className={styles.table}>
        <caption>{words.chartAsTable}</caption>
        <thead>
          <tr>
            <td />
            {series.map(({ label, dataKey }, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: two series may have one name
              <th key={index} scope="col">
                {textOf(label) || textOf(dataKey)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two rows may have one name
            <tr key={index}>
              <th scope="row">{textOf(lookUp(labels, place(row))) || place(row)}</th>
              {series.map(({ dataKey }, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two series may have one name
                <td key={at}>{textOf(lookUp(row, dataKey))}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** All types of ChatKit. The last two are a child of a list, and one that only widgets.py knows. */
type Type = Widget["type"] | Widgets.WidgetComponent["type"] | "ListViewItem" | "Chart";

const DRAWN = {
  Badge,
  Basic,
  Box,
  Button: WidgetButton,
  Caption,
  Card,
  Chart,
  Checkbox: WidgetCheckbox,
  Col,
  DatePicker: WidgetDatePicker,
  Divider,
  Form,
  Icon: WidgetIconPart,
  Image,
  Input: WidgetInput,
  Label: WidgetLabel,
  ListView,
  ListViewItem,
  Markdown: MarkdownPart,
  RadioGroup: WidgetRadioGroup,
  Row,
  Select: WidgetSelect,
  Spacer,
  Table,
  // Outside of a table.
  "Table.Cell": Box,
  "Table.Row": Row,
  Text,
  Textarea: WidgetTextarea,
  Title,
  Transition,
} satisfies Record<Type, ComponentType<Props>>;
