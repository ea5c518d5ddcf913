"""Strangers spend neither the owner's key nor the disk: a new project, with the limits it has."""

from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
from conftest import Installed
from contract.chat import Chat, message
from support.deployed import Deployed, deployed
from support.variants import DEFAULT

GUESTS = 40
OF_AN_ADDRESS = 30
"""How many turns a minute the guests of one address have in a new project."""


@pytest.fixture(scope="module")
def site(built: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    nobody = {"TRUSTED_PROXIES": ""}
    with deployed(built(DEFAULT), tmp_path_factory.mktemp("spending"), page=nobody) as running:
        yield running


def ask(person: Chat, text: str = "notice") -> httpx2.Response:
    return person.post("threads.create", input=message(text))


def test_a_message_has_an_end(site: Deployed) -> None:
    refused = ask(site.visit(), "x" * 50_001)
    assert refused.status_code == 413
    assert "at most 50000 are allowed" in refused.json()["message"]


def test_cookies_are_free_and_turns_are_not(site: Deployed) -> None:
    """Slug: free-cookies-spend-the-key. Whatever a stranger says about where they come from."""
    answers: list[httpx2.Response] = []
    guests: list[Chat] = []
    for number in range(GUESTS):
        guest = site.visit()
        headers = {**guest.headers, "X-Forwarded-For": f"198.51.100.{number}"}
        guests.append(Chat(guest.url, headers))
        answers.append(ask(guests[-1]))
    assert Counter(answer.status_code for answer in answers) == {
        200: OF_AN_ADDRESS,
        429: GUESTS - OF_AN_ADDRESS,
    }
    refused = answers[-1]
    assert "At most 30 answers a minute are allowed" in refused.json()["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert guests[-1].ask("threads.list")["data"] == [], "a refused turn leaves no conversation"
    assert guests[0].ask("threads.list")["data"], "reading is not limited"


def test_uploads_of_new_guests_are_counted_together(site: Deployed) -> None:
    """Slug: guest-fills-the-disk."""
    announced = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}
    guests = [site.visit() for _ in range(7)]
    statuses = [
        guest.post("attachments.create", **announced).status_code
        for guest in guests
        for _ in range(10)
    ]
    assert Counter(statuses) == {200: 60, 429: 10}
