import type { Widgets } from "@openai/chatkit";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Basic, BasicContext } from "@/kit/basic/context";
import type { ItemOf, Widget } from "@/kit/basic/protocol";
import { actionOf, type Control, valuesOf, withValues } from "@/kit/basic/widget/form";
import { blockStyle, boxStyle, cellStyle, colorOf, imageStyle, textStyle } from "@/kit/basic/widget/style";
import { WidgetRoot, WidgetView } from "@/kit/basic/widget/widget";
import { en } from "@/kit/words/en";

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

const ITEM = { id: "w1", thread_id: "t1", type: "widget" } as const;

/** Draws a widget as the server sent it, which may be anything. */
function draw(widget: unknown, state: object = {}): string {
  const session = { state: { busyItems: [], thread: null, ...state }, subscribe: () => () => {} };
  const basic = { session, options: {}, locale: "en", words: en } as unknown as Basic;
  const item = { ...ITEM, widget } as ItemOf<"widget">;
  const view = createElement(WidgetView, { item });
  return renderToStaticMarkup(createElement(BasicContext, { value: basic }, view));
}

const drawPart = (part: unknown) => draw({ type: "Card", children: [part] });

/** React says so on the console if a document is not well formed, or if a key is there twice. */
function expectNoComplaint() {
  expect(vi.mocked(console.error).mock.calls).toEqual([]);
}

type Type =
  | Widget["type"]
  | Widgets.WidgetComponent["type"]
  | Widgets.ListView["children"][number]["type"]
  | "Chart";

const text = { type: "Text", value: "inside" };
const ACTION = { type: "go", payload: { id: 1 } };
const OPTIONS = [
  { value: "a", label: "Aye" },
  { value: "b", label: "Bee", disabled: true, description: "not now" },
];

// What each part looks like. A type that is new in ChatKit is missing here, which TypeScript notices.
const PARTS = {
  Badge: [{ label: "New", color: "danger", pill: true }, /<span[^>]* data-color="danger"[^>]*>New<\/span>/],
  Basic: [{ children: [text], direction: "row", gap: 2 }, /flex-direction:row;gap:0.5rem.*inside/],
  Box: [{ children: [text], padding: { x: 2 } }, /padding-inline-end:0.5rem;padding-inline-start:0.5rem/],
  Button: [{ label: "Go", onClickAction: ACTION, iconStart: "bolt" }, /<button type="button"[^>]*>.*Go<\/bu/],
  Caption: [{ value: "small", color: "secondary" }, /<p[^>]* style="color:var\(--basic-muted\)">small</],
  Card: [{ children: [text], status: { text: "At work", icon: "bolt" } }, /At work.*inside/],
  Chart: [
    { data: [{ day: "Mo", n: 3 }], series: [{ type: "bar", dataKey: "n", label: "N" }], xAxis: "day" },
    /<caption>.*<th scope="col">N<\/th>.*<th scope="row">Mo<\/th><td>3<\/td>/,
  ],
  Checkbox: [
    { name: "ok", label: "Fine", defaultChecked: true },
    /<label[^>]*><input[^>]* checked="".*Fine</,
  ],
  Col: [{ children: [text], align: "end" }, /align-items:end.*inside/],
  DatePicker: [
    { name: "day", defaultValue: "2026-01-31T10:00:00Z", min: "2026-01-01" },
    /<input[^>]* type="date"[^>]* min="2026-01-01"[^>]* value="2026-01-31"/,
  ],
  Divider: [
    { size: 3, spacing: 2 },
    /<hr[^>]* style="border-block-start-width:3px;margin-block-start:0.5rem/,
  ],
  Form: [{ children: [text], onSubmitAction: ACTION }, /<form[^>]*>.*inside.*<\/form>/],
  Icon: [{ name: "bolt", color: "red-500" }, /style="color:oklch\([^"]*"><svg/],
  Image: [{ src: "/a.png", alt: "A bird", size: "40px" }, /A bird/],
  Input: [
    { name: "mail", inputType: "email", required: true, pattern: ".+@.+", placeholder: "Yours" },
    /<input[^>]* data-field="mail" aria-label="Yours" required=""[^>]* type="email" pattern="\.\+@\.\+"/,
  ],
  Label: [{ value: "Name", fieldName: "name" }, /<label[^>]* for="[^"]+name"[^>]*>Name</],
  ListView: [{ children: [{ type: "ListViewItem", children: [text] }] }, /<ul><li>.*inside.*<\/li><\/ul>/],
  ListViewItem: [
    { children: [text], onClickAction: ACTION },
    /<button type="button"[^>]* aria-labelledby="([^"]+)"><\/button><div id="\1"[^>]*>.*inside/,
  ],
  Markdown: [{ value: "**bold**" }, /<strong>bold<\/strong>/],
  RadioGroup: [
    { name: "r", options: OPTIONS, ariaLabel: "Letters", defaultValue: "a" },
    /role="radiogroup" aria-label="Letters".*type="radio"[^>]* checked="" value="a".*disabled=""[^>]*value="b"/,
  ],
  Row: [{ children: [text], justify: "between" }, /flex-direction:row;justify-content:space-between.*inside/],
  Select: [
    { name: "s", options: OPTIONS, placeholder: "Choose" },
    /<select[^>]*><option value="" selected="">Choose<.*disabled="">Bee – not now</,
  ],
  Spacer: [{ minSize: 8 }, /flex-basis:8px/],
  Table: [
    {
      children: [
        { type: "Table.Row", header: true, children: [{ type: "Table.Cell", children: [text] }] },
        { type: "Table.Row", children: [{ type: "Table.Cell", children: [text], colSpan: 2 }] },
      ],
    },
    /<thead><tr><th scope="col">.*inside.*<\/thead><tbody><tr><td colSpan="2">.*inside/,
  ],
  "Table.Cell": [{ children: [text] }, /inside/],
  "Table.Row": [{ children: [{ type: "Table.Cell", children: [text] }] }, /inside/],
  Text: [
    { value: "words", maxLines: 2, weight: "bold" },
    /title="words"[^>]*style="font-weight:700;-webkit-line/,
  ],
  Textarea: [{ name: "t", rows: 4, defaultValue: "long" }, /<textarea[^>]* rows="4"[^>]*>long</],
  Title: [{ value: "Head", size: "lg" }, /<h2[^>]* style="font-size:1.25em">Head<\/h2>/],
  Transition: [{ children: text }, /inside/],
} satisfies Record<Type, [props: object, drawn: RegExp]>;

describe("each part of ChatKit's widgets", () => {
  test.each(Object.entries(PARTS))("%s is drawn", (type, [props, drawn]) => {
    const html = drawPart({ type, ...props });
    expect(html).toMatch(drawn);
    expect(html).not.toContain(en.notShown);
    expectNoComplaint();
  });

  test.each(Object.keys(PARTS))("%s is drawn when it has nothing", (type) => {
    drawPart({ type });
    expectNoComplaint();
  });

  const VALUES = [null, 0, -1, true, "x", [], [null, [[]], 3, "y"], {}, { type: 3 }, { light: {}, size: [] }];
  test.each(Object.entries(PARTS))("%s is drawn when its values are of wrong types", (type, [props]) => {
    for (const value of VALUES) {
      for (const name of [...Object.keys(props), ...FIELDS]) {
        expect(drawPart({ type, ...props, [name]: value })).toContain("<article");
      }
      drawPart({ type, ...Object.fromEntries(FIELDS.map((name) => [name, value])) });
    }
  });
});

const FIELDS = [
  ..."key id children theme direction gap padding align justify background border size status collapsed".split(
    " ",
  ),
  ..."confirm cancel asForm limit onClickAction color spacing value editable minLines maxLines label".split(
    " ",
  ),
  ..."name src alt position radius margin aspectRatio flex iconStart options placeholder defaultValue".split(
    " ",
  ),
  ..."min rows maxRows ariaLabel fieldName data series xAxis colSpan width onChangeAction".split(" "),
];

describe("a widget", () => {
  test("is an article with a name", () => {
    expect(draw({ type: "Card", children: [] })).toMatch(/^<article aria-label="Widget">/);
  });

  test.each([
    [null],
    [undefined],
    [3],
    ["text"],
    [[]],
    [{}],
    [{ type: null }],
    [{ type: "Card", children: 3 }],
  ])("may be %j", (widget) => {
    expect(draw(widget)).toContain("<article");
  });

  test.each(["constructor", "__proto__", "toString", "Hologram"])("of type %s shows its texts", (type) => {
    expect(drawPart({ type, value: "the text", children: [text] })).toMatch(/the text.*inside/);
    expect(drawPart({ type, label: "the label" })).toContain("the label");
    expect(drawPart({ type })).toContain(en.notShown);
  });

  test("may be a preview, without a conversation", () => {
    const basic = { session: {}, words: en } as unknown as Basic;
    const widget = { type: "Basic", children: [text] } as Widgets.BasicRoot;
    const view = createElement(WidgetRoot, { widget, act: () => {} });
    expect(renderToStaticMarkup(createElement(BasicContext, { value: basic }, view))).toContain("inside");
  });

  test("that is 10,000 parts deep is shown as far as is sensible", () => {
    let widget: object = text;
    for (let depth = 0; depth < 10_000; depth++) widget = { type: "Box", children: [widget] };
    const html = draw(widget);
    expect(html).toContain(en.notShown);
    expect(html.length).toBeLessThan(20_000);
  });

  test("may have one key twice", () => {
    const twice = { ...text, key: "k", id: "i" };
    const html = draw({ type: "Card", children: [twice, twice, { ...text, key: "1" }] });
    expect(html.match(/inside/g)).toHaveLength(3);
    expectNoComplaint();
  });

  test("that is a list shows its first items", () => {
    const item = { type: "ListViewItem", children: [text] };
    const html = draw({ type: "ListView", limit: 2, children: [item, item, item, item, item] });
    expect(html.match(/inside/g)).toHaveLength(2);
    expect(html).toContain("Show 3 more");
    expect(draw({ type: "ListView", children: [item, item] })).not.toContain("more");
  });

  test("that is collapsed can be opened", () => {
    const status = { text: "Sent" };
    const html = draw({ type: "Card", collapsed: true, status, children: [text] });
    expect(html).toMatch(/<details><summary[^>]*>Sent<\/summary>.*inside.*<\/details>/);
  });

  test("has a scheme of its own", () => {
    const html = draw({ type: "Card", theme: "dark", children: [] });
    expect(html).toMatch(/data-scheme="dark"[^>]* style="[^"]*color-scheme:dark/);
    expect(draw({ type: "Card", theme: "dark;x:y", children: [] })).not.toContain("x:y");
  });

  test("that is a form submits its confirmation", () => {
    const confirm = { label: "Send", action: ACTION };
    const cancel = { label: "Leave", action: ACTION };
    const asForm = draw({ type: "Card", asForm: true, confirm, cancel, children: [] });
    expect(asForm).toMatch(
      /<form.*<button type="button"[^>]*>Leave<.*<button type="submit"[^>]*>Send<.*<\/form>/,
    );
    const card = draw({ type: "Card", confirm, children: [] });
    expect(card).toMatch(/<button type="button"[^>]*>Send</);
    expect(card).not.toContain("<form");
  });

  test("that has a form in a form is still well formed", () => {
    const button = { type: "Button", label: "Inner", submit: true };
    const form = { type: "Form", onSubmitAction: ACTION, children: [button] };
    expect(draw({ type: "Card", asForm: true, children: [form] }).match(/<form/g)).toHaveLength(1);
    expectNoComplaint();
  });

  test("names its fields by their labels, or otherwise by what they have", () => {
    const label = { type: "Label", value: "Your name", fieldName: "name" };
    const children = [label, { type: "Input", name: "name" }, { type: "Input", name: "age" }];
    const html = draw({ type: "Card", children: [{ type: "Form", children }] });
    const [, id] = /<label[^>]* for="([^"]+)"/.exec(html) ?? [];
    expect(html).toMatch(new RegExp(`<input[^>]*id="${id}"[^>]*data-field="name"[^>]*type="text"`));
    expect(html).toMatch(/data-field="age" aria-label="age"/);
    expect(html.match(/aria-label="(?!Widget)/g)).toHaveLength(1);
  });

  test("has texts that can be edited", () => {
    const editable = { name: "title", required: true, pattern: "[a-z]+", autoComplete: "off;x" };
    const html = drawPart({ type: "Text", value: "old", editable });
    expect(html).toMatch(
      /<input[^>]*data-field="title"[^>]*required=""[^>]*pattern="\[a-z\]\+"[^>]*value="old"/,
    );
    expect(html).not.toContain("off;x");
    expect(drawPart({ type: "Text", value: "a\nb", editable })).toContain("<textarea");
    expect(drawPart({ type: "Text", value: "old", editable: false })).toMatch(/<p[^>]*>old<\/p>/);
  });

  test("keeps the names of its fields from the form's own", () => {
    const html = drawPart({ type: "Input", name: "elements" });
    expect(html).toContain('data-field="elements"');
    expect(html).not.toMatch(/ (?:name|id)="elements"/);
  });
});

describe("a hostile widget", () => {
  test.each([
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "https://evil.example/?q=secret",
    "//evil.example/a.png",
  ])("does not load %s", (src) => {
    const html = draw({
      type: "Card",
      status: { text: "At work", favicon: src },
      background: `url(${src})`,
      children: [
        { type: "Image", src, alt: "A bird" },
        { type: "Markdown", value: `![a bird](${src})` },
      ],
    });
    expect(html).not.toMatch(/<img|<script|url\(|(?:src|href)="/);
  });

  test("does not write markup or styles", () => {
    const evil = '"><script>alert(1)</script>';
    const style = 'red;background:url(//evil)"';
    const fields = Object.fromEntries(FIELDS.map((name) => [name, evil]));
    for (const type of Object.keys(PARTS)) {
      expect(drawPart({ ...fields, type })).not.toContain("<script");
      const html = drawPart({ type, ...Object.fromEntries(FIELDS.map((name) => [name, style])) });
      expect(html).not.toMatch(/style="[^"]*evil/);
    }
  });

  const BAD = [
    "url(https://evil)",
    "red; background:url(https://evil)",
    "var(--basic-text)",
    "image-set('https://evil' 1x)",
    "linear-gradient(red, url(https://evil))",
    "linear-gradient(red, blue), url(https://evil)",
    "rgb(1,2,3);x",
    "rgb(var(--x))",
    "#ff",
    "expression(alert(1))",
    "calc(1px)",
    "-5px",
    "1px;2px",
    "99999999px",
    "red-9999",
    "red\n",
    "__proto__",
  ];
  test.each(BAD)("has no style %j", (bad) => {
    const names = [..."width height minSize maxSize aspectRatio radius flex gap padding margin".split(" ")];
    names.push(..."align justify wrap border position fit size weight textAlign colSize vAlign".split(" "));
    const node = Object.fromEntries(names.map((name) => [name, bad]));
    const boxed = {
      ...node,
      border: { size: 1, style: bad },
      background: bad,
      color: { light: bad, dark: bad },
    };
    const all = [blockStyle, boxStyle, imageStyle, cellStyle, (one: object) => textStyle({ ...one }, {})];
    for (const style of all)
      expect(JSON.stringify(style(boxed))).not.toContain(JSON.stringify(bad).slice(1, -1));
  });

  test.each(["constructor", "toString", "__proto__"])("finds nothing under the name %s", (name) => {
    expect(boxStyle({ radius: name, justify: name })).toMatchObject({
      borderRadius: undefined,
      justifyContent: undefined,
    });
    expect(textStyle({ size: name, weight: name }, {})).toMatchObject({
      fontSize: undefined,
      fontWeight: undefined,
    });
  });
});

describe("a style", () => {
  test.each([
    ["red", "red"],
    ["#0af8", "#0af8"],
    ["rgba(1, 2, 3, 0.5)", "rgba(1, 2, 3, 0.5)"],
    ["hsl(120deg 50% 50% / 0.5)", "hsl(120deg 50% 50% / 0.5)"],
    ["secondary", "var(--basic-muted)"],
    ["surface-secondary", "var(--basic-raised)"],
    ["danger", "var(--basic-danger)"],
    ["alpha-10", "color-mix(in srgb, var(--basic-text) 10%, transparent)"],
    ["gray-0", "oklch(1.000 0.000 0)"],
    [{ light: "#fff", dark: "danger" }, "light-dark(#fff, var(--basic-danger))"],
    [{ light: "#fff", dark: "url(x)" }, "#fff"],
    [{ light: "url(x)" }, undefined],
    [["red"], undefined],
  ])("has the colour %j", (value, color) => {
    expect(colorOf(value)).toBe(color);
  });

  test.each([
    [
      { gap: 2, padding: 3 },
      { gap: "0.5rem", paddingBlockStart: "0.75rem", paddingInlineEnd: "0.75rem" },
    ],
    [{ padding: "1px 2rem" }, { paddingBlockStart: "1px", paddingInlineStart: "2rem" }],
    [{ margin: { y: 1, top: 2 } }, { marginBlockStart: "0.5rem", marginBlockEnd: "0.25rem" }],
    [
      { size: 40, width: "50%" },
      { width: "50%", height: "40px" },
    ],
    [{ border: 1 }, { borderBlockEnd: "1px solid var(--basic-line)" }],
    [{ border: { size: 2, color: "red", style: "dashed" } }, { borderInlineEnd: "2px dashed red" }],
    [{ border: { top: { size: 2 } } }, { borderBlockStart: "2px solid var(--basic-line)" }],
    [
      { radius: "full", aspectRatio: "16/9", flex: 1 },
      { borderRadius: "999rem", aspectRatio: "16/9", flex: "1" },
    ],
    [
      { align: "center", justify: "evenly" },
      { alignItems: "center", justifyContent: "space-evenly" },
    ],
    [
      { background: "linear-gradient(to right, red 10%, rgb(1, 2, 3))" },
      { backgroundImage: "linear-gradient(to right, red 10%, rgb(1, 2, 3))" },
    ],
  ])("has the measures %j", (node, style) => {
    expect(boxStyle(node)).toMatchObject(style);
  });
});

describe("the payload of an action", () => {
  const control = (type: string, field: string | undefined, value: string, rest: Partial<Control> = {}) => ({
    type,
    value,
    checked: false,
    disabled: false,
    dataset: { field },
    ...rest,
  });

  test("has the values of all controls that have a name and can be used", () => {
    const controls = [
      control("text", "name", "Jo"),
      control("number", "age", "7"),
      control("checkbox", "ok", "on", { checked: true }),
      control("checkbox", "news", "on"),
      control("radio", "way", "a"),
      control("radio", "way", "b", { checked: true }),
      control("date", "day", "2026-01-31"),
      control("date", "other", ""),
      control("text", "off", "x", { disabled: true }),
      control("submit", undefined, ""),
    ];
    expect(Object.fromEntries(valuesOf(controls))).toEqual({
      name: "Jo",
      age: "7",
      ok: true,
      news: false,
      way: "b",
      day: "2026-01-31T00:00:00.000Z",
      other: "",
    });
  });

  test("nests names with dots, into what is there already", () => {
    const payload = { id: 1, todo: { id: 2 } };
    const values = [
      ["todo.title", "Milk"] as const,
      ["todo.due.day", "Monday"] as const,
      ["a", true] as const,
    ];
    expect(withValues(payload, values)).toEqual({
      id: 1,
      todo: { id: 2, title: "Milk", due: { day: "Monday" } },
      a: true,
    });
    expect(payload).toEqual({ id: 1, todo: { id: 2 } });
  });

  test.each([
    [{ id: 1 }, "id"],
    [{ id: 1 }, "id.of"],
    [{ id: { of: 1 } }, "id.of"],
  ])("%j is not changed by a field %s", (payload, name) => {
    expect(withValues(payload, [[name, "typed"]])).toEqual(payload);
    expect(console.error).toHaveBeenCalledWith(expect.stringContaining("has"));
  });

  test.each([null, undefined])("may be %s", (payload) => {
    expect(withValues(payload, [])).toBe(payload);
    expect(withValues(payload, [["a", "b"]])).toEqual({ a: "b" });
  });

  test.each([["text"], [3], [[1]]])("that is no object remains %j", (payload) => {
    expect(withValues(payload, [["a", "b"]])).toBe(payload);
  });

  test.each(["__proto__", "constructor", "__proto__.polluted", "constructor.prototype.polluted", "toString"])(
    "has a field %s, and the prototypes of the page stay as they are",
    (name) => {
      const filled = withValues({ id: 1 }, [[name, "typed"]]);
      const [first = ""] = name.split(".");
      expect(Object.getPrototypeOf(filled)).toBe(Object.prototype);
      expect(Object.keys(filled as object)).toEqual(["id", first]);
      expect(JSON.stringify(filled)).toContain("typed");
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      expect(Object.prototype.toString.call({})).toBe("[object Object]");
    },
  );

  test.each([[null], ["go"], [{}], [{ type: 3 }], [[ACTION]]])("there is none in %j", (value) => {
    expect(actionOf(value)).toBeNull();
  });

  test("comes with what the action says", () => {
    expect(actionOf({ ...ACTION, handler: "client", streaming: false, loadingBehavior: "none" })).toEqual({
      ...ACTION,
      handler: "client",
      streaming: false,
      loadingBehavior: "none",
    });
    expect(actionOf({ ...ACTION, handler: "evil", streaming: 3, loadingBehavior: "x", more: 1 })).toEqual(
      ACTION,
    );
  });
});
