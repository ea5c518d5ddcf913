"""What one person does in two tabs at once ends as if one had come after the other."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
from chat import Chat, Json, message
from variants import DEFAULT

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
