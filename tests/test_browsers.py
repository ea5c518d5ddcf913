"""The basic chat in the browsers of other makers, as Debian has them."""

from pathlib import Path

import pytest
from conftest import BUILT, Install, Installed
from support.deployed import deployed
from support.inside import lay
from support.pitfall_tests import keep_pictures, run_playwright
from support.programs import require
from support.projects import render_committed, share
from support.variants import DEFAULT, ROOT
from support.webkit import ENTER, TAB, WebKit, run_webkit

FIREFOX = "tests/internals/firefox/playwright.config.ts"
CHAT = "[data-chat=basic]"
COMPOSER = f"{CHAT} textarea"
ANSWER = "article[aria-label=Assistant]"
FORM = "article[aria-label=Form]"
SEND = "[aria-label=Send]"
COUNTED = " 1 2 3 4 5 6 7 8"


def test_firefox(install: Install, built: Installed, tmp_path: Path) -> None:
    """Holds the conversations that the page's own tests hold in Chromium."""
    firefox = require("firefox-esr", "firefox")
    project = lay(install(render_committed(tmp_path / "my-chat", DEFAULT)), "frontend")
    share(built(DEFAULT), project, BUILT)
    report, env = tmp_path / "report.json", {"CHROMIUM": firefox}
    verdict = run_playwright(project, report, config=FIREFOX, env=env)
    keep_pictures(project)
    assert verdict.failed | verdict.broken == {}
    assert verdict.passed


def test_webkit(built: Installed, tmp_path: Path) -> None:
    """Playwright drives none but its own, so this is one conversation, as narrow and as wide."""
    settings = {"NEXT_PUBLIC_CHAT": "basic"}
    with (
        run_webkit(tmp_path) as person,
        deployed(built(DEFAULT), tmp_path, page=settings) as site,
    ):
        for width in (360, 1440):
            person.resize(width, 900)
            person.open(site.page)
            converse(person)
            person.keep_picture(ROOT / "artifacts" / "webkit" / f"{width}.png")
            shown, needed = person.run("return [innerWidth, document.documentElement.scrollWidth]")
            assert needed == shown


def converse(person: WebKit) -> None:
    """Write, stop an answer, come back to it, fill in a form, and go back to the first chat."""
    person.press(COMPOSER)
    person.write(f"Hello{ENTER}")
    person.see(ANSWER, "You said: “Hello”")
    person.see(SEND)

    growth = watch_the_answer_grow(person)
    person.write(f"Give me a long answer{ENTER}")
    person.see(ANSWER, COUNTED)
    person.press("[aria-label=Stop]")
    person.see(SEND)
    assert person.run(growth) > 5, "the answer came all at once"

    person.reload()
    person.see("article[aria-label=You]", "Hello")
    person.see(ANSWER, COUNTED)

    person.press("[aria-label='New chat']")
    person.see("[aria-label=Start]")
    go_by_keyboard_to(person, COMPOSER)
    person.write(f"Show me a form{ENTER}")
    person.see(SEND)
    person.press(f"{FORM} label", "FastAPI")
    person.press(f"{FORM} textarea")
    person.write("A chat")
    person.press(f"{FORM} button", "Submit")
    person.see(ANSWER, "The form is answered: FastAPI; A chat.")

    person.press("[aria-label='Open history']")
    person.press("nav[aria-label=History] button", "Hello")
    person.see(ANSWER, COUNTED)


def watch_the_answer_grow(person: WebKit) -> str:
    """Note from now on how long an answer is, and return the script that counts what was noted."""
    person.run(
        "const [selector] = arguments; window.lengths = new Set();"
        "new MutationObserver(() => window.lengths.add("
        "[...document.querySelectorAll(selector)].at(-1)?.textContent.length"
        ")).observe(document.body, { childList: true, subtree: true, characterData: true })",
        ANSWER,
    )
    return "return window.lengths.size"


def go_by_keyboard_to(person: WebKit, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(20):
        if person.run("return document.activeElement.matches(arguments[0])", selector):
            return
        person.strike(TAB)
    pytest.fail(f"no key leads to {selector}")
