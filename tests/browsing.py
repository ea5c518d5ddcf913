"""People in front of the page: each in a browser of their own, with OpenAI's CDN played."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)
from projects import Project
from variants import ROOT
from wait import wait_until

CDN = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
ColorScheme = Literal["light", "dark"]
Cdn = Literal["up", "blocked", "silent"]
ARTIFACTS = ROOT / "artifacts"
STAND_IN = Path(__file__).parent / "browser"

# For machines without a GPU and a network, and for root, whom the sandbox does not serve.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OUTSIDE = re.compile(r"^https?://(?!(?:127\.0\.0\.1|localhost)[:/])")
PATIENCE_MS = 30_000


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Run a browser until the end of the block."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def check_stand_in(project: Project, folder: Path) -> None:
    """Check the stand-in against the types of the ChatKit that a project has installed."""
    frontend = project.path / "frontend"
    settings = {
        "extends": str(frontend / "tsconfig.json"),
        "compilerOptions": {
            "incremental": False,
            "plugins": [],
            "types": [],
            "paths": {"@openai/chatkit": [str(frontend / "node_modules/@openai/chatkit")]},
        },
        "include": [str(STAND_IN / "*.ts")],
        "exclude": [],
    }
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    project.run("node_modules/.bin/tsc", "--project", str(folder), cwd="frontend")


def build_stand_in(project: Project) -> str:
    """Return the stand-in as the one script that a browser loads."""
    entry = str(STAND_IN / "stand-in-chatkit.ts")
    command = ("node_modules/.bin/esbuild", entry, "--bundle", "--format=iife")
    return project.run(*command, cwd="frontend").stdout


class Person:
    """Somebody in front of the page, and everything that their browser complains of."""

    def __init__(self, browser: Browser, script: str, color_scheme: ColorScheme = "light") -> None:
        self.script = script
        self.cdn: Cdn = "up"
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(
            color_scheme=color_scheme, viewport={"width": 1000, "height": 750}
        )
        self.context.route(OUTSIDE, self._play_the_world)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.problems.append(said.text)

    def _see(self, request: Request) -> None:
        if request.url.endswith("/api/chatkit"):
            self.asked.append(json.loads(request.post_data or "{}")["type"])

    def _play_the_world(self, route: Route) -> None:
        if route.request.url != CDN:
            self.problems.append(f"asked for {route.request.url}")
        if route.request.url == CDN and self.cdn == "up":
            route.fulfill(content_type="text/javascript", body=self.script)
        elif self.cdn != "silent":
            route.abort()

    @property
    def start(self) -> Locator:
        """The screen before the first message."""
        return self.page.get_by_role("region", name="Start")

    @property
    def log(self) -> Locator:
        """The conversation."""
        return self.page.get_by_role("log", name="Conversation")

    @property
    def said(self) -> Locator:
        """The person's own messages."""
        return self.log.get_by_role("article", name="You")

    @property
    def answers(self) -> Locator:
        """What the assistant wrote."""
        return self.log.get_by_role("article", name="Assistant")

    @property
    def history(self) -> Locator:
        """The titles of the conversations."""
        return self.page.get_by_role("navigation", name="History")

    @property
    def stop(self) -> Locator:
        """The button that is there while the assistant answers."""
        return self.page.get_by_role("button", name="Stop")

    def open(self, address: str) -> None:
        """Open the page and wait for the chat."""
        self.page.goto(address)
        self.expect_chat()

    def reload(self) -> None:
        """Open the page again, with all its scripts."""
        self.page.reload()
        self.expect_chat()

    def expect_chat(self) -> None:
        """Wait until the chat is there and nothing lies on it."""
        expect(self.start).to_be_visible()
        expect(self.page.get_by_text("The chat is loading")).to_be_hidden()

    def say(self, text: str) -> None:
        """Write a message and send it."""
        self.page.get_by_role("textbox", name="Write a message…").fill(text)
        self.page.get_by_role("button", name="Send").click()
        expect(self.said.last).to_have_text(text)

    def wait_for_end(self) -> None:
        """Wait until the assistant has no more to say."""
        expect(self.page.get_by_role("button", name="Send")).to_be_visible()

    def open_history(self) -> None:
        """Look at the list of conversations."""
        self.page.get_by_role("button", name="Open history").click()
        expect(self.history).to_be_visible()

    def pick(self, title: str) -> None:
        """Go back to a conversation."""
        self.open_history()
        self.history.get_by_role("button", name=title, exact=True).click()
        expect(self.log).to_be_visible()

    def pick_until(self, title: str, text: str) -> None:
        """Go back to a conversation until it holds a text, which the server may still be saving."""

        def is_there() -> bool:
            self.pick(title)
            return text in self.log.inner_text()

        wait_until(is_there, PATIENCE_MS / 1000)

    def watch_the_answer_grow(self) -> Callable[[], float]:
        """Return what tells for how many milliseconds words of an answer have been coming."""
        log = self.page.get_by_role("log", name="Conversation", include_hidden=True)
        log.evaluate(
            """log => {
                window.grew = [];
                const look = () => {
                    const answer = log.querySelector("[aria-label=Assistant]:last-child");
                    if (answer?.textContent) window.grew.push(performance.now());
                };
                new MutationObserver(look).observe(log, { childList: true, subtree: true });
            }"""
        )
        return lambda: float(self.page.evaluate("window.grew.at(-1) - window.grew[0]"))

    def keep_picture(self, name: str) -> None:
        """Keep what the page looks like."""
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
