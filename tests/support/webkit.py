"""WebKit, of which Safari is made: Debian's, on a screen that nobody sees."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from contract.chat import HTTP, PATIENCE, Json, wait_until

from support.ports import free_port, listens
from support.processes import kill_tree
from support.programs import require

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""What WebDriver calls the id of an element."""

ENTER, TAB = "\ue007", "\ue004"


class StaleElementError(AssertionError):
    """The page has replaced the element meanwhile."""


@dataclass(frozen=True)
class WebKit:
    """A browser with one window, in which a person looks for things and waits for them."""

    session: str
    """The address at which WebDriver drives it."""

    def ask(self, method: str, path: str, **parameters: Any) -> Any:
        """Send a command of WebDriver, and return its answer."""
        response = self._send(method, path, **parameters)
        value = response.json()["value"]
        if not response.is_success and value["error"] == "stale element reference":
            raise StaleElementError
        assert response.is_success, value
        return value

    def _send(self, method: str, path: str, **parameters: Any) -> httpx2.Response:
        body = parameters if method == "POST" else None
        return httpx2.request(method, self.session + path, json=body, **HTTP)

    def open(self, address: str) -> None:
        """Open a page."""
        self._load("/url", url=address)

    def reload(self) -> None:
        """Load the page again."""
        self._load("/refresh")

    def _load(self, path: str, **parameters: Any) -> None:
        """Load a document, and wait until it is the one that is shown."""
        self.run("window.isOld = true")
        self.ask("POST", path, **parameters)
        wait_until(lambda: self.run("return !window.isOld"), problem="the old page stays")

    def resize(self, width: int, height: int) -> None:
        """Give the window a size. It has one that it does not become smaller than."""
        self.ask("POST", "/window/rect", width=width, height=height)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it returns."""
        return self.ask("POST", "/execute/sync", script=script, args=list(arguments))

    def see(self, selector: str, text: str = "") -> Json:
        """Wait for visible elements with a text, and return the last."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].findLast("
            "(one) => one.checkVisibility() && one.innerText.includes(arguments[1])) ?? null"
        )
        seen: list[Json] = []

        def look() -> list[Json]:
            with suppress(StaleElementError):
                if element := self.run(script, selector, text):
                    seen.append(element)
            return seen

        wait_until(look, problem=f"no {selector} with “{text}”")
        return seen[0]

    def press(self, selector: str, text: str = "") -> None:
        """Click on an element, as soon as nothing covers it."""

        def click() -> bool:
            element = self.see(selector, text)[ELEMENT]
            return self._send("POST", f"/element/{element}/click").is_success

        wait_until(click, problem=f"no click on {selector} with “{text}”")

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        focused = self.ask("GET", "/element/active")[ELEMENT]
        self.ask("POST", f"/element/{focused}/value", text=text)

    def strike(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("POST", "/actions", actions=[keyboard])

    def keep_picture(self, file: Path) -> None:
        """Save what the window shows, once it shows what is in the page by now."""
        frame = "requestAnimationFrame"
        script = f"const [done] = arguments; {frame}(() => {frame}(() => done()))"
        self.ask("POST", "/execute/async", script=script, args=[])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def run_webkit(folder: Path) -> Iterator[WebKit]:
    """Run a browser until the end of the block.

    Args:
        folder: where the browser finds nothing of anybody's, and where its log goes.
    """
    driver, screen = require("WebKitWebDriver"), require("Xvfb")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        (folder / "webkit.log").open("wb") as log,
        subprocess.Popen([screen, "-displayfd", "1"], stdout=subprocess.PIPE, stderr=log) as shown,
    ):
        try:
            assert shown.stdout
            display = shown.stdout.readline().decode().strip()
            assert display, "the screen does not start"
            environment = os.environ | {"DISPLAY": f":{display}", "HOME": str(folder)}
            process = subprocess.Popen(
                [driver, f"--port={port}"], env=environment, stdout=log, stderr=log
            )
            try:
                wait_until(lambda: listens(port))
                made = WebKit(address).ask("POST", "/session", capabilities={})
                browser = WebKit(f"{address}/session/{made['sessionId']}")
                yield browser
                browser.ask("DELETE", "")
            finally:
                kill_tree(process.pid)
                process.wait(PATIENCE)
        finally:
            shown.terminate()
