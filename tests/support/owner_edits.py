"""What the owner of a project changes in it: every file that docs/where.md says is theirs."""

import re
from dataclasses import dataclass
from pathlib import Path

from support.projects import Project


@dataclass(frozen=True)
class Edit:
    """A text of the template that the owner has replaced with one of their own."""

    file: str
    template: str
    theirs: str


EDITS = [
    Edit(
        "backend/src/app/assistant.py",
        "You are a helpful assistant. Answer briefly, in the language of the question.",
        "You answer the customers of Ada's shop.",
    ),
    Edit(
        "backend/src/app/assistant.py",
        "agent = Agent[ChatContext](",
        '@function_tool\ndef count_orders() -> int:\n    """Count the orders of today."""\n'
        "    return 3\n\n\nagent = Agent[ChatContext](",
    ),
    Edit(
        "backend/src/app/assistant.py",
        "tools=[get_server_time, get_browser_time]",
        "tools=[get_server_time, get_browser_time, count_orders]",
    ),
    Edit("backend/src/app/thread_titles.py", '"New conversation"', '"A question for the shop"'),
    Edit(
        "backend/src/app/tables.py",
        "from kit import Base\n",
        "from app.orders import Order  # noqa: F401\nfrom kit import Base\n",
    ),
    Edit("backend/src/app/routes.py", "/count", "/length"),
    Edit(
        "frontend/src/components/chat/client-tools.ts",
        '([["get_browser_time", getBrowserTime]])',
        '([["get_browser_time", getBrowserTime], ["get_cart", () => ({ items: 0 })]])',
    ),
    Edit(
        "frontend/src/components/chat/effects.ts",
        '([["demo.effect", nameTheTab]])',
        '([["demo.effect", nameTheTab], ["cart.cleared", () => location.reload()]])',
    ),
    Edit(
        "frontend/src/components/chat/widget-actions.ts",
        '([["demo.ask", writeQuestion]])',
        '([["demo.ask", writeQuestion], ["cart.open", () => location.assign("/orders")]])',
    ),
    Edit(
        "frontend/src/components/chat/events.ts",
        "export const events: ChatEvents = {\n",
        "export const events: ChatEvents = {\n"
        "  onThreadChange: ({ threadId }) => console.info(threadId),\n",
    ),
    Edit(
        "frontend/src/chatkit.config.ts",
        "What can I help with today?",
        "What are you looking for?",
    ),
    Edit(
        "frontend/src/chatkit.config.ts",
        '      { label: "Show me a form", prompt: "Show me a form", icon: "notebook-pencil" },\n',
        '      { label: "Where is my order?", prompt: "Where is my order?", icon: "suitcase" },\n',
    ),
    Edit(
        "frontend/src/lib/content-security-policy.ts",
        '"font-src": ["\'self\'", "data:"]',
        '"font-src": ["\'self\'", "data:", "https://fonts.example"]',
    ),
    Edit("frontend/src/app/page.tsx", "<Chat />", "<h1>Ada's shop</h1>\n      <Chat />"),
    Edit("frontend/src/app/layout.tsx", 'title: "Chat"', 'title: "Ada\'s shop"'),
    Edit("README.md", "# my-chat\n", "# Ada's shop\n"),
    Edit(
        "backend/alembic/env.py",
        "from app.models import Base  # noqa: E402\n",
        "from app.models import Base  # noqa: E402\n"
        "from app.orders import Order  # noqa: E402, F401\n",
    ),
]
"""Those of files that were not in a version yet are left out."""

ORDERS = '''"""The orders of the shop: a table and a route of its own."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base


class Order(Base):
    """An order."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
'''

OWN_FILES = {
    "backend/src/app/orders.py": ORDERS,
    "frontend/src/app/orders/page.tsx": "/** The orders. */\nexport default function Orders() {\n"
    "  return <h1>Your orders</h1>;\n}\n",
    "frontend/src/app/api/orders/route.ts": "/** The orders, as JSON. */\nexport function GET() {\n"
    "  return Response.json({ orders: [] });\n}\n",
}

ROUTE = '''

@app.get("/orders")
async def orders() -> dict[str, int]:
    """Count the orders."""
    return {"orders": 3}
'''
"""Appended to the backend's main.py."""

MAIN = "backend/src/app/main.py"
PYTHON_PACKAGE = "humanize>=4"
NPM_PACKAGE = "date-fns@4"

SETTINGS = {
    "CHATKIT_SECRET": "a-secret-of-the-owner-that-is-long-enough",
    "BACKEND_URL": "http://127.0.0.1:9000",
}
"""In each `.env.local` that has such a line."""


def edit(project: Project) -> None:
    """Change what docs/where.md says is the owner's, add files, and commit it all."""
    for one in edits_of(project):
        file = project.path / one.file
        text = file.read_text(encoding="utf-8")
        assert text.count(one.template) == 1, one
        file.write_text(text.replace(one.template, one.theirs), encoding="utf-8")
    for name, text in OWN_FILES.items():
        file = project.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for file in env_files(project):
        text = file.read_text(encoding="utf-8")
        for name, value in SETTINGS.items():
            text = re.sub(rf"(?m)^{name}=.*", f"{name}={value}", text)
        file.write_text(text, encoding="utf-8")
    project.commit("Make it the shop's")


def add_packages_and_a_route(project: Project) -> None:
    """Add what the tools and the owner write into files that the template writes too."""
    project.run("uv", "add", "--quiet", "--no-sync", PYTHON_PACKAGE, cwd="backend")
    install = ("npm", "install", "--package-lock-only", "--no-audit", NPM_PACKAGE)
    project.run(*install, cwd="frontend")
    with (project.path / MAIN).open("a", encoding="utf-8") as main:
        main.write(ROUTE)
    project.commit("Add packages and a route")


EXAMPLES_OF_THE_PAGE = {
    "client-tools.ts": ("getBrowserTime", '[["get_browser_time", getBrowserTime]]'),
    "effects.ts": ("nameTheTab", '[["demo.effect", nameTheTab]]'),
    "widget-actions.ts": ("writeQuestion", '[["demo.ask", writeQuestion]]'),
}
"""In `frontend/src/components/chat`: the function of each example, and where it is listed."""


def remove_examples(project: Project) -> Project:
    """Take out what is there as an example: tools, effects, prompts and the demo; commit it.

    Who needs no demo has a key.
    """
    (project.path / "backend" / "src" / "kit" / "demo.py").unlink()
    settings = project.path / "backend" / ".env.local"
    text, keys = re.subn(
        r"(?m)^OPENAI_API_KEY=$", "OPENAI_API_KEY=sk-test", settings.read_text(encoding="utf-8")
    )
    assert keys == 1
    settings.write_text(text, encoding="utf-8")
    assistant = project.path / "backend" / "src" / "app" / "assistant.py"
    text = re.sub(
        r"(?s)@function_tool.*?\n\n\n(?=agent|@)", "", assistant.read_text(encoding="utf-8")
    )
    text, tools = re.subn(r"tools=\[.*?\]", "tools=[]", text)
    text, stops = re.subn(r"    # [^\n]*\n    tool_use_behavior=[^\n]*\n", "", text)
    assert (tools, stops, "function_tool" in text.partition("agent =")[2]) == (1, 1, False)
    assistant.write_text(text, encoding="utf-8")
    tests = project.path / "backend" / "tests" / "test_assistant.py"
    of_tools = r"(?s)def test_it_(looks_at_the_clock|asks_the_browser)\(.*?\n\n\n(?=def )"
    text, removed = re.subn(of_tools, "", tests.read_text(encoding="utf-8"))
    assert removed == 2
    tests.write_text(text, encoding="utf-8")
    for name, (function, entries) in EXAMPLES_OF_THE_PAGE.items():
        file = project.path / "frontend" / "src" / "components" / "chat" / name
        text, functions = re.subn(
            rf"(?s)\nfunction {function}\(.*?\n}}\n", "", file.read_text(encoding="utf-8")
        )
        assert (functions, text.count(entries), text.count(function)) == (1, 1, 1), name
        file.write_text(text.replace(entries, ""), encoding="utf-8")
    config = project.path / "frontend" / "src" / "chatkit.config.ts"
    text, prompts = re.subn(
        r"(?s)prompts: \[.*?\n    \]", "prompts: []", config.read_text(encoding="utf-8")
    )
    assert prompts == 1
    config.write_text(text, encoding="utf-8")
    project.commit("Take out what is an example")
    return project


SUPPORT = '''"""The second assistant."""

from kit import stream_text


async def respond(turn):
    """Say what has come."""
    names = [one.name for one in turn.message.attachments]
    async for event in stream_text(turn, f"Support has your message and {len(names)} files."):
        yield event
'''

SUPPORT_SPEC = """\
import { expect, test } from "./person";

test("each assistant has a page and a history of its own", async ({ person, address }) => {
  await person.say("Hello");
  await person.waitForEnd();
  const { search } = new URL(person.page.url());

  await person.open(`${address}/support`);
  await expect(person.start).toContainText("What about your order?");
  await person.attach({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Hello") });
  await expect(person.attached).toContainText("notes.txt");
  await person.say("Where is it?");
  await expect(person.answers).toHaveText("Support has your message and 1 files.");
  await person.waitForEnd();
  await person.reload();
  await expect(person.said).toHaveText("Where is it?");
  await person.openHistory();
  await expect(person.titles).toHaveText(["Where is it?"]);

  await person.open(`${address}/support${search}`);
  await person.expectProblem("Failed to load initial thread");
  await expect(person.page).toHaveURL(`${address}/support`);
  person.problems = person.problems.filter((problem) => !problem.includes("404"));

  await person.open(address);
  await person.openHistory();
  await expect(person.titles).toHaveText(["Hello"]);
});
"""


def add_assistant(project: Project) -> Project:
    """Add a second assistant, with the line and the page that docs/kit.md shows; commit it.

    The components that the document shows beside that page come with it.
    """
    document = (project.path / "docs" / "kit.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```py\n(.*?)```", document, re.DOTALL)
    page, *components = re.findall(r"```tsx\n(.*?)```", document, re.DOTALL)
    app, frontend = project.path / "backend" / "src" / "app", project.path / "frontend"
    for new in filter(None, code.splitlines()):
        begin = new[: new.index("assistant")]
        old = re.compile(rf"(?m)^{re.escape(begin)}assistant\b.*$")
        (file,) = (
            file for file in app.rglob("*.py") if old.search(file.read_text(encoding="utf-8"))
        )
        file.write_text(old.sub(new, file.read_text(encoding="utf-8")), encoding="utf-8")
    (app / "support.py").write_text(SUPPORT, encoding="utf-8")
    (frontend / "src" / "app" / "support").mkdir()
    (frontend / "src" / "app" / "support" / "page.tsx").write_text(page, encoding="utf-8")
    for text in components:
        name = re.findall(r"export function (\w+)", text)[0]
        file = frontend / "src" / "components" / "chat" / f"{name.lower()}.tsx"
        file.write_text(text, encoding="utf-8")
    (frontend / "tests" / "page" / "support.spec.ts").write_text(SUPPORT_SPEC, encoding="utf-8")
    project.commit("Add a second assistant")
    return project


def edits_of(project: Project) -> list[Edit]:
    """Return the edits of what a project has."""
    return [one for one in EDITS if (project.path / one.file).exists()]


def env_files(project: Project) -> list[Path]:
    """Return the settings of both sides."""
    return [project.path / side / ".env.local" for side in ("backend", "frontend")]


def lost(project: Project, edited: list[Edit]) -> list[str]:
    """Return the files that have not, or not only, what the owner had written there."""
    names = {one.file for one in edited} | set(OWN_FILES)
    texts = {name: (project.path / name).read_text(encoding="utf-8") for name in names}
    return [
        *(one.file for one in edited if texts[one.file].count(one.theirs) != 1),
        *(name for name, text in OWN_FILES.items() if texts[name] != text),
    ]
