"""What one person does in two tabs at once ends as if one had come after the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx2
from contract.chat import HTTP, PATIENCE, Chat, Json, message
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

ROUNDS = 5


def at_once(person: Chat, *requests: tuple[str, Json]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(len(requests)) as tabs:
        return list(tabs.map(lambda request: person.post(request[0], **request[1]), requests))


def test_a_file_is_sent_or_removed(deployed_of: DeployedOf) -> None:
    """Never a message that refers to a file that is gone."""
    person = deployed_of(DEFAULT).visit("192.0.2.4")
    for number in range(ROUNDS):
        file_id = person.upload("a.txt", b"Hello", "text/plain").json()["id"]
        sent, removed = at_once(
            person,
            ("threads.create", {"input": message("notice", attachments=[file_id])}),
            ("attachments.delete", {"attachment_id": file_id}),
        )
        outcome = (sent.status_code, removed.status_code, person.download(file_id).status_code)
        assert outcome in ((200, 409, 200), (404, 200, 404)), (sent.text, removed.text)
        threads = person.ask("threads.list")["data"]
        assert len(threads) == (outcome[0] == 200)
        for thread in threads:
            person.ask("threads.delete", thread_id=thread["id"])
        assert person.download(file_id).status_code == 404, number


def test_a_conversation_is_gone_with_what_was_just_written(deployed_of: DeployedOf) -> None:
    person = deployed_of(DEFAULT).visit("192.0.2.4")
    for number in range(ROUNDS):
        thread_id = person.say("notice")[0]["thread"]["id"]
        file_id = person.upload("a.txt", b"Hello", "text/plain").json()["id"]
        written = message("Hello", attachments=[file_id])
        added, deleted = at_once(
            person,
            ("threads.add_user_message", {"thread_id": thread_id, "input": written}),
            ("threads.delete", {"thread_id": thread_id}),
        )
        assert deleted.status_code == 200
        assert added.status_code in (200, 404), added.text
        assert "Something went wrong" not in added.text
        assert person.post("threads.get_by_id", thread_id=thread_id).status_code == 404
        # What was not sent may still be sent elsewhere.
        left = 404 if added.status_code == 200 else 200
        assert person.download(file_id).status_code == left, number


def test_a_file_is_as_large_as_it_is_counted(deployed_of: DeployedOf) -> None:
    """A large one comes to an end when a small one is sent already."""
    person = deployed_of(DEFAULT).visit("192.0.2.5")
    about = {"name": "a.txt", "size": 1, "mime_type": "text/plain"}
    file_id = person.ask("attachments.create", **about)["id"]
    url = person.file_url(file_id)
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    form += b"%b\r\n--b--\r\n"
    headers = {**person.headers, "Content-Type": "multipart/form-data; boundary=b"}
    begun, may_end = Event(), Event()

    def large() -> Iterator[bytes]:
        whole = form % (b"L" * 1_000_000)
        yield whole[:500_000]
        begun.set()
        may_end.wait(PATIENCE)
        yield whole[500_000:]

    with ThreadPoolExecutor(1) as another_tab:
        slow = another_tab.submit(httpx2.post, url, content=large(), headers=headers, **HTTP)
        assert begun.wait(PATIENCE)
        small = httpx2.post(url, content=form % b"s", headers=headers, **HTTP)
        assert small.status_code == 200, small.text
        person.post("threads.create", input=message("notice", attachments=[file_id]))
        may_end.set()
        refused = slow.result(60)
    assert refused.status_code == 400, refused.text
    assert "already uploaded" in refused.json()["message"]
    assert person.download(file_id).content == b"s"
