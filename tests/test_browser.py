"""The page in a browser, in front of a project that runs by `uv run dev`."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import CDN, ColorScheme, Person, build_stand_in, check_stand_in, chromium
from conftest import Installed
from playwright.sync_api import Browser, expect
from required import require
from running import dev
from variants import COVERING, DEFAULT, Variant

NewPerson = Callable[..., Person]

# Each variant is started once: pytest sorts the tests by the parameters of such a fixture.
each_variant = pytest.mark.parametrize("address", COVERING, ids=str, indirect=True, scope="module")
default_variant = pytest.mark.parametrize(
    "address", [DEFAULT], ids=str, indirect=True, scope="module"
)


# Not for the whole session: Playwright keeps an event loop running, which other tests may not like.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(require("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(
    browser: Browser, installed: Installed, request: pytest.FixtureRequest
) -> Iterator[str]:
    variant: Variant = request.param
    with dev(installed(variant)) as running:
        yield running.wait_for_address()


@pytest.fixture(scope="module")
def script(installed: Installed) -> str:
    return build_stand_in(installed(DEFAULT))


@pytest.fixture
def new_person(browser: Browser, script: str) -> Iterator[NewPerson]:
    """Return somebody with a new browser, which in the end must have had nothing to complain of."""
    people: list[Person] = []

    def enter(color_scheme: ColorScheme = "light") -> Person:
        people.append(Person(browser, script, color_scheme))
        return people[-1]

    yield enter
    for person in people:
        person.context.close()
    assert [problem for person in people for problem in person.problems] == []


@pytest.fixture
def person(new_person: NewPerson, address: str) -> Person:
    """Return somebody who has the page open."""
    person = new_person()
    person.open(address)
    return person


def test_the_stand_in_has_the_types_of_the_real_element(
    installed: Installed, tmp_path: Path
) -> None:
    check_stand_in(installed(DEFAULT), tmp_path)


@each_variant
def test_a_conversation_survives_a_reload(
    new_person: NewPerson, address: str, request: pytest.FixtureRequest
) -> None:
    """Slugs: blank-screen, dev-origin-blocked, proxy-buffers, assistant-message-not-saved."""
    person = new_person()
    person.open(address)
    expect(person.start).to_contain_text("What can I help with today?")
    expect(person.start.get_by_role("button")).to_have_count(4)
    assert person.asked == []

    milliseconds = person.watch_the_answer_grow()
    person.say("Hello, who are you?")
    person.wait_for_end()
    assert milliseconds() > 500, "the answer came all at once"
    expect(person.answers).to_contain_text("You said: “Hello, who are you?”")
    expect(person.answers).to_contain_text("or a **long answer**.")
    person.keep_picture(request.node.callspec.id)

    person.reload()
    person.pick("Hello, who are you?")
    expect(person.said).to_have_text("Hello, who are you?")
    expect(person.answers).to_contain_text("or a **long answer**.")
    person.say("And a second time?")
    person.wait_for_end()
    expect(person.said).to_have_count(2)
    expect(person.answers).to_have_count(2)
    expect(person.answers.last).to_contain_text("You said: “And a second time?”")
    assert person.asked == [
        "threads.create",
        "threads.list",
        "threads.get_by_id",
        "threads.add_user_message",
    ]


@default_variant
def test_stop_loses_the_answer(person: Person) -> None:
    person.say("Give me a long answer")
    expect(person.answers).to_contain_text(" 1 2 3 4 5 6 7 8")
    person.stop.click()
    person.wait_for_end()
    seen = person.answers.inner_text().strip()
    assert not seen.endswith("300")

    person.reload()
    person.pick_until("Give me a long answer", seen)
    assert not person.answers.inner_text().endswith("300")
    person.say("Go on")
    person.wait_for_end()
    expect(person.answers.last).to_contain_text("You said: “Go on”")


@default_variant
def test_a_closed_tab_loses_nothing(person: Person, address: str) -> None:
    """Slug: stop-loses-the-answer."""
    person.say("A long answer, please")
    expect(person.answers).to_contain_text(" 1 2 3 4 5 6 7 8")
    person.reload()
    person.pick_until("A long answer, please", " 1 2 3 4 5 6 7 8")


@default_variant
def test_a_widget_has_a_button_that_works(person: Person) -> None:
    person.start.get_by_role("button", name="Show me a widget").click()
    widget = person.log.get_by_role("article", name="Widget")
    expect(widget.get_by_role("heading")).to_have_text("A widget of the demo")
    person.wait_for_end()
    widget.get_by_role("button", name="Click me").click()
    expect(person.answers.last).to_contain_text("the server got the action `demo.click`")
    assert person.asked == ["threads.create", "threads.custom_action"]


@default_variant
def test_a_client_tool_runs_in_the_browser(person: Person) -> None:
    person.start.get_by_role("button", name="Use a client tool").click()
    zone = person.page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(person.answers).to_contain_text("Your browser answered:")
    expect(person.answers).to_contain_text(zone)
    assert person.asked == ["threads.create", "threads.add_client_tool_output"]


@default_variant
def test_answered_form_reopens(person: Person) -> None:
    person.start.get_by_role("button", name="Show me a form").click()
    form = person.log.get_by_role("article", name="Form")
    form.get_by_role("radio", name="FastAPI").check()
    form.get_by_role("textbox", name="What will you build?").fill("A chat")
    person.wait_for_end()
    person.keep_picture("form")
    form.get_by_role("button", name="Submit").click()
    expect(person.answers.last).to_contain_text("The form is answered: FastAPI; A chat.")
    assert person.asked == ["threads.create", "threads.add_structured_input"]

    person.reload()
    person.pick("Show me a form")
    expect(form).to_contain_text("What will you build? A chat")
    expect(form.get_by_role("button")).to_have_count(0)


@default_variant
def test_progress_is_seen_while_it_happens(person: Person) -> None:
    person.start.get_by_role("button", name="Show progress").click()
    for step in ("Reading the question", "Looking around", "Making it up"):
        expect(person.page.get_by_role("status").filter(has_text=step)).to_be_visible()
    expect(person.log.get_by_role("article", name="Workflow")).to_contain_text("Three steps")
    person.wait_for_end()


@default_variant
def test_error_without_words(person: Person) -> None:
    person.say("Show me an error")
    sentence = "This is what an error looks like: a sentence."
    expect(person.page.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
    expect(person.answers).to_be_visible()
    # The page tells the developer too.
    assert [problem for problem in person.problems if sentence not in problem] == []
    assert person.problems
    person.problems.clear()


@default_variant
def test_two_guests_in_one_browser(person: Person, new_person: NewPerson, address: str) -> None:
    """Two browsers are two people; one browser is one, also in two tabs and from its first call."""
    person.say("Only mine")
    other = new_person()
    other.open(address)
    other.open_history()
    expect(other.history).to_have_text("No conversations yet")
    other.say("Only theirs")
    for somebody, title in ((person, "Only mine"), (other, "Only theirs")):
        somebody.wait_for_end()
        somebody.reload()
        somebody.open_history()
        expect(somebody.history.get_by_role("button")).to_have_text([title])


@default_variant
def test_localhost_is_not_one_place(new_person: NewPerson, address: str) -> None:
    """Slugs: localhost-is-not-one-place, two-guests-in-one-browser, dev-origin-blocked."""
    person = new_person()
    person.open(address.replace("127.0.0.1", "localhost"))
    assert person.page.url == f"{address}/"
    person.say("Hello from localhost")
    person.wait_for_end()
    person.open(address)
    person.pick("Hello from localhost")


@default_variant
def test_blank_screen(new_person: NewPerson, address: str) -> None:
    """Without OpenAI's script a panel says so, and Retry brings the chat."""
    person = new_person()
    person.cdn = "blocked"
    person.page.goto(address)
    panel = person.page.get_by_role("alert").filter(has_text="The chat could not start")
    expect(panel).to_contain_text(CDN, timeout=10_000)
    person.keep_picture("cdn-blocked")
    retry = panel.get_by_role("button", name="Retry")
    retry.click()
    expect(panel).to_contain_text(CDN)

    person.cdn = "up"
    retry.click()
    person.expect_chat()
    person.say("There you are")
    person.wait_for_end()
    assert [problem for problem in person.problems if "ERR_FAILED" not in problem] == []
    person.problems.clear()


@default_variant
def test_blank_screen_of_a_slow_network(new_person: NewPerson, address: str) -> None:
    """A script that does not come is spoken of after ten seconds; Retry asks for it again."""
    person = new_person()
    person.cdn = "silent"
    person.page.clock.install()
    person.page.goto(address, wait_until="commit")
    expect(person.page.locator("script[src^='https://cdn']")).to_be_attached()
    person.page.clock.fast_forward(10_000)
    panel = person.page.get_by_role("alert").filter(has_text="The chat could not start")
    expect(panel).to_contain_text("did not start within 10 seconds")
    expect(panel).to_contain_text(CDN)
    person.cdn = "up"
    panel.get_by_role("button", name="Retry").click()
    person.expect_chat()


@default_variant
def test_dark_mode(new_person: NewPerson, address: str) -> None:
    """The chat and what lies around it are dark where the system is."""
    person = new_person(color_scheme="dark")
    person.open(address)
    chat = person.page.locator("openai-chatkit")
    expect(chat).to_have_attribute("data-scheme", "dark")
    expect(person.page.locator("body")).to_have_css(
        "background-color", re.compile(r"\(23, 23, 26\)")
    )
    person.keep_picture("dark")
