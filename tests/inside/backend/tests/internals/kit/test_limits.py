"""How much one person may ask for, and how a request is found in the log."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from chatkit.server import NonStreamingResult, StreamingResult
from contract.chat import HTTP, PATIENCE, Chat, Json, message, wait_until
from contract.serving import DEMO, Server, alembic, empty_database, environment, run_server
from contract.test_people import GUESTS, MB, announce, assert_refused, guest
from sqlalchemy.engine import URL

from internals.conftest import Run, new_server
from kit.backend import answer
from kit.chat.chatkit_server import ChatKitServer
from kit.chat.request_checks import AnyReq
from kit.people.identity import Headers, Identity, RequestContext

SECRET = "j8Zr2LqWn5Xv9Tb3Yc6Hd1Kf4Mg7Ps0A"


def lines(log: Path, request_id: str) -> list[dict[str, object]]:
    """Return the lines of the log that tell of a request."""
    everything = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [line for line in everything if line.get("request_id") == request_id]


def test_an_action_that_may_ask_the_model_is_counted(strict: Server) -> None:
    person = strict.someone()
    thread_id = person.say("notice")[0]["thread"]["id"]
    action = {"thread_id": thread_id, "action": {"type": "demo.click"}}
    attempts = [person.post("threads.sync_custom_action", **action) for _ in range(3)]
    assert [response.status_code for response in attempts] == [200, 200, 429]


def test_dictation_is_counted(database: URL) -> None:
    """The demo does not hear it; a model would be paid for it."""
    speech = {"audio_base64": "AAAA", "mime_type": "audio/webm"}
    with run_server(database, None, **DEMO, TURNS_PER_MINUTE="3") as server:
        person = server.someone()
        attempts = [person.post("input.transcribe", **speech) for _ in range(4)]
    assert [response.status_code for response in attempts] == [400, 400, 400, 429]


def test_many_at_once_are_no_more_than_one_by_one(uncounted: URL) -> None:
    with run_server(uncounted, None, **GUESTS) as server, ThreadPoolExecutor(20) as threads:

        def ask(_: int) -> int:
            return guest(server).post("threads.create", input=message("notice")).status_code

        statuses = sorted(threads.map(ask, range(20)))
    assert statuses == [200] * 5 + [429] * 15


def test_guests_at_once_and_all_in_a_minute_are_limited(uncounted: URL) -> None:
    settings = {"TURNS_AT_ONCE_GUESTS": "1", "TURNS_PER_MINUTE_ALL": "3"}
    greeting = {"input": message("notice")}
    with run_server(uncounted, None, **settings) as server:
        with guest(server).say_slowly("a long answer") as one:
            next(one)
            assert_refused(guest(server).post("threads.create", **greeting), "to guests")
            for _ in range(2):
                server.someone().say("notice")
        assert_refused(server.someone().post("threads.create", **greeting), "for all together")


def test_a_turn_counts_until_it_is_over(uncounted: URL) -> None:
    settings = {"TURNS_AT_ONCE": "2", "TURNS_AT_ONCE_ALL": "3"}
    with run_server(uncounted, None, **settings) as server:
        ada, bob = server.someone(), server.someone()
        first, greeting = ada.say("notice")[0]["thread"]["id"], {"input": message("notice")}
        with ada.say_slowly("a long answer") as one, ada.say_slowly("a long answer") as two:
            next(one), next(two)
            assert_refused(ada.post("threads.create", **greeting), "2 answers at once")
            action = {"thread_id": first, "action": {"type": "demo.click"}}
            assert_refused(ada.post("threads.sync_custom_action", **action), "2 answers at once")
            assert ada.items(first), "reading is not limited"
            with bob.say_slowly("a long answer") as three:
                next(three)
                assert_refused(server.someone().post("threads.create", **greeting), "at the moment")
        wait_until(lambda: ada.post("threads.create", **greeting).status_code == 200)
        wait_until(lambda: bob.post("threads.create", **greeting).status_code == 200)


def test_the_limits_of_the_chat_count_no_route_of_yours(database: URL) -> None:
    with run_server(database, REQUESTS_AT_ONCE="1", TURNS_PER_MINUTE="1") as server:
        ada = server.someone()
        with ada.say_slowly("a long answer") as events:
            thread_id = next(events)["thread"]["id"]
            assert ada.post("threads.list").status_code == 429
            url = f"{server.address}/conversations/{thread_id}/count"
            statuses = {httpx2.get(url, headers=ada.headers, **HTTP).status_code for _ in range(5)}
    assert statuses == {200}


def test_requests_at_once_are_limited(database: URL) -> None:
    """Of every kind: an answer that is a stream, too, until it is over."""
    with run_server(database, REQUESTS_AT_ONCE="3") as server:
        ada = server.someone()
        with ExitStack() as stack:
            for _ in range(3):
                next(stack.enter_context(ada.say_slowly("a long answer")))
            assert_refused(ada.post("threads.list"), "3 requests at once")
            assert server.someone().ask("threads.list") == {"data": [], "has_more": False}
        wait_until(lambda: ada.post("threads.list").status_code == 200)
        attachment_id = ada.upload("a.txt", b"text", "text/plain").json()["id"]
        for _ in range(5):
            # The last byte may be here before the server has noticed that it was the last.
            wait_until(lambda: ada.download(attachment_id).content == b"text")


LONG = "x" * 101


def test_what_is_written_has_an_end(database: URL) -> None:
    with run_server(database, MESSAGE_MAX_CHARACTERS="100", TURNS_PER_MINUTE="3") as server:
        ada = server.someone()
        thread_id = ada.say("x" * 100)[0]["thread"]["id"]
        parts = [{"type": "input_text", "text": "x" * 60}] * 2
        tag = {"type": "input_tag", "id": "1", "text": "a", "data": {"a": [{"b": LONG}]}}
        # What is no text is sent to the model as JSON.
        digits, nothing = {"a": [10**50] * 2}, [None] * 20
        number = {**tag, "data": digits}
        form = {"answers": {"1": {"values": [LONG]}}}
        action = {"type": "demo.click", "payload": {"a": LONG}}
        here, item = {"thread_id": thread_id}, {"item_id": "msg_none"}
        attempts: list[tuple[str, Json]] = [
            ("threads.create", {"input": message(LONG)}),
            ("threads.create", {"input": message("", content=parts)}),
            ("threads.create", {"input": message("", content=[tag])}),
            ("threads.create", {"input": message("", content=[number])}),
            ("threads.create", {"input": message("", quoted_text=LONG)}),
            ("threads.create", {"input": message("", inference_options={"model": LONG})}),
            ("threads.add_user_message", {**here, "input": message(LONG)}),
            ("threads.add_client_tool_output", {**here, "result": {"a": [LONG]}}),
            ("threads.add_client_tool_output", {**here, "result": digits}),
            ("threads.add_client_tool_output", {**here, "result": nothing}),
            ("threads.add_structured_input", {**here, **item, "input": form}),
            ("threads.custom_action", {**here, "action": action}),
            ("threads.sync_custom_action", {**here, "action": action}),
            ("threads.sync_custom_action", {**here, "action": {**action, "payload": digits}}),
        ]
        for kind, params in attempts:
            response = ada.post(kind, **params)
            assert response.status_code == 413, (kind, response.text)
            assert "at most 100 are allowed" in response.json()["message"]
        assert len(ada.ask("threads.list")["data"]) == 1
        assert len(ada.items(thread_id)) == 2
        assert ada.say("not counted as turns", thread_id)


async def list_threads(
    owner: str, address: str | None = None, server: ChatKitServer | None = None
) -> None:
    """Ask for the history, in this process."""

    async def who(_: Headers) -> Identity:
        return Identity(owner, address=address)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"type": "threads.list", "params": {}}'

    servers = {"": server or new_server()}
    reply = await answer(servers, {"content-type": "application/json"}, body(), who)
    assert reply.status == 200, reply.body


def test_a_flood_puts_two_before_a_bystander(run: Run) -> None:
    """Slug: one-request-blocks-all. A new cookie for each request makes the guest no other.

    The order in which requests begin says it on a slow machine, too. A request that began first
    may wait longer for the database.
    """
    began: list[str | None] = []

    class Noting(ChatKitServer):
        async def handle(
            self, request: AnyReq, context: RequestContext
        ) -> StreamingResult | NonStreamingResult:
            began.append(context.address)
            return await super().handle(request, context)

    async def work() -> None:
        noting = new_server(Noting)
        flood = [list_threads(f"guest_{number}", "192.0.2.1", noting) for number in range(20)]
        await asyncio.gather(*flood, list_threads("guest_bystander", "192.0.2.2", noting))

    run(work())
    assert began[:3] == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
    assert len(began) == 21


def test_who_hangs_up_leaves_the_line(run: Run) -> None:
    """Wherever their requests are then."""

    async def work() -> None:
        for steps in range(50):
            requests = [asyncio.create_task(list_threads("ada")) for _ in range(5)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*[list_threads("ada") for _ in range(5)])

    run(work())


STARTED = """
import asyncio, gc
from kit.backend import running
from app.main import app

async def start():
    async with running():
        print(gc.get_freeze_count(), len(gc.get_objects()))

asyncio.run(start())
"""


def test_a_few_kilobytes_make_nobody_look_for_garbage_in_the_whole_app(database: URL) -> None:
    """Slug: one-request-blocks-all. What is there at the start is looked through no more."""
    command = [sys.executable, "-c", STARTED]
    started = subprocess.run(
        command, env=environment(database), capture_output=True, encoding="utf-8", check=False
    )
    assert started.returncode == 0, started.stderr
    frozen, others = map(int, started.stdout.split())
    assert frozen > 100_000
    assert others < 10_000


def test_uploads_and_announcements_are_limited(database: URL) -> None:
    with run_server(database, UPLOADS_PER_MINUTE="3") as server:
        ada = server.someone()
        announced = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}
        attachment_id = ada.ask("attachments.create", **announced)["id"]
        assert ada.upload("a.txt", b"text", "text/plain", attachment_id).status_code == 200
        assert ada.upload("a.txt", b"text", "text/plain").status_code == 200
        assert_refused(ada.upload("a.txt", b"text", "text/plain"), "3 files a minute")
        assert_refused(ada.post("attachments.create", **announced), "3 files a minute")
        assert server.someone().upload("a.txt", b"text", "text/plain").status_code == 200
        for _ in range(3):
            guest = server.someone(f"guest_{secrets.token_hex(8)}", address="203.0.113.9")
            assert announce(guest, 4).status_code == 200
        guest = server.someone(f"guest_{secrets.token_hex(8)}", address="203.0.113.9")
        assert_refused(announce(guest, 4), "3 files a minute")


def test_all_together_fill_no_more_than_they_may(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        assert alembic("upgrade", "head", env=environment(url)).returncode == 0
        with run_server(url, tmp_path / "log", ATTACHMENTS_MAX_MB_ALL="2") as server:
            for _ in range(5):
                assert announce(server.someone(), MB).status_code == 200
            announced = (person := server.someone()), announce(person, MB).json()["id"]
            for _ in range(2):
                one = server.someone().upload("a.txt", b"x" * MB, "text/plain")
                assert one.status_code == 200, one.text
            assert_refused(server.someone().upload("a.txt", b"x", "text/plain"), "no room")
            assert_refused(announce(server.someone(), 1), "no room")
            late, attachment_id = announced
            assert_refused(late.upload("a.txt", b"x", "text/plain", attachment_id), "no room")
        with run_server(url, tmp_path / "log", ATTACHMENTS_MAX_MB_ALL="2") as server:
            assert_refused(announce(server.someone(), 1), "no room")


def test_guests_of_an_address_fill_a_share_of_the_disk(database: URL) -> None:
    """Slug: guest-fills-the-disk. A new cookie is a new guest, with the share of a person."""
    here, there = "203.0.113.9", "2001:db8:1:2::/64"

    def assert_refused_for_a_day(response: httpx2.Response) -> None:
        assert response.status_code == 429, response.text
        assert "3 MB of files a day" in response.json()["message"]
        assert 23 * 3600 < int(response.headers["retry-after"]) <= 24 * 3600

    def send(person: Chat) -> httpx2.Response:
        return person.upload("a.txt", b"x" * MB, "text/plain")

    with run_server(database, ATTACHMENTS_MAX_MB_ADDRESS="3") as server:
        late = guest(server, here)
        announced = announce(late, MB).json()["id"]
        assert guest(server, here).upload("a.pdf", b"x" * MB, "application/pdf").status_code == 415
        with ThreadPoolExecutor(6) as threads:
            statuses = threads.map(lambda _: send(guest(server, here)).status_code, range(6))
            assert sorted(statuses) == [200] * 3 + [429] * 3
        assert_refused_for_a_day(send(guest(server, here)))
        assert_refused_for_a_day(announce(guest(server, here), MB))
        assert_refused_for_a_day(late.upload("a.txt", b"x" * MB, "text/plain", announced))
        assert late.download(announced).status_code == 404
        for person in (guest(server, there), guest(server), server.someone(address=here)):
            assert send(person).status_code == 200


@pytest.mark.parametrize("host", ["a b", "x:99999999", "evil.example/x?"])
def test_a_host_that_is_none_is_refused(server: Server, host: str) -> None:
    """Upload addresses are made of it, where there is no page in between."""
    headers = {**server.someone("somebody").headers, "host": host}
    response = Chat(f"{server.address}/chatkit", headers).post("threads.list")
    assert response.status_code == 400


@pytest.mark.parametrize("given", ["from-the-page_1", None, "x" * 65, "a b", "a\tb"])
def test_a_request_is_found_in_the_log(strict: Server, log: Path, given: str | None) -> None:
    person = strict.someone()
    headers = dict(person.headers) | ({"x-request-id": given} if given else {})
    response = Chat(person.url, headers).post("threads.get_by_id", thread_id="thr_none")
    request_id = response.headers["x-request-id"]
    assert (request_id == given) == (given == "from-the-page_1")
    [line] = lines(log, request_id)
    assert (line["kind"], line["status"]) == ("threads.get_by_id", 404)
    assert line["outcome"] == "refused"


def test_a_failed_turn_is_found_in_the_log(strict: Server, log: Path) -> None:
    """Its answer has begun with 200 all the same."""
    person = strict.someone()
    headers = {**person.headers, "x-request-id": "a-turn-that-fails"}
    failure = Chat(person.url, headers).say("Show an error")[-1]
    assert failure["type"] == "error"
    assert failure["message"].endswith(" (request a-turn-that-fails)")
    wait_until(lambda: lines(log, "a-turn-that-fails"))
    [line] = lines(log, "a-turn-that-fails")
    assert (line["status"], line["outcome"]) == (200, "failed")


def test_a_stopped_turn_is_found_in_the_log(strict: Server, log: Path) -> None:
    person = strict.someone()
    with person.say_slowly("a long answer") as events:
        thread_id = next(events)["thread"]["id"]
        next(events)

    def outcomes() -> list[object]:
        everything = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return [line.get("outcome") for line in everything]

    wait_until(lambda: "stopped" in outcomes())
    assert person.items(thread_id)
