"""What people do at the page: each action sends a request and yields what must come of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
from contract.chat import Json, is_delta, message, text_of

from properties.person import Person, Show, Target, events_of, page_of, show_thread
from properties.world import HIDDEN, Effect, File, Page, World

Effects = Iterator[Effect]

LONG = "Long answer"
LONG_ANSWER = (
    "Counting slowly, so that you can press Stop and see that nothing is lost: "
    f"{' '.join(str(number) for number in range(1, 301))}"
)
ERROR = "This is what an error looks like: a sentence."
SCRIPTS: dict[str, list[str]] = {
    "Notice": [],
    "Effect": [],
    "Task": ["task", "end_of_turn"],
    "Image": ["generated_image"],
    "Correction": ["assistant_message", "assistant_message"],
    "Client tool": ["client_tool_call"],
    "Hidden note": ["assistant_message"],
    "Widget": ["assistant_message", "widget"],
    "Form": ["assistant_message", "structured_input"],
    "Error": ["assistant_message"],
    "Lock": ["assistant_message"],
    LONG: ["assistant_message"],
}
"""What people write, and what the demo answers with."""

FILES = {
    "a.txt": (b"Hello", "text/plain", 200),
    "b.json": (b"{}", "application/json", 200),
    "fake.png": (b"Hello", "image/png", 415),
    "page.html": (b"<p>", "text/html", 415),
}
"""The content and the type of files, and the status with which they are taken."""


def write(
    person: Person, text: str, thread: Target | None = None, files: tuple[Target, ...] = ()
) -> Effects:
    """Write a message, in a new conversation without a target."""
    thread_id = None if thread is None else person.thread(thread)
    ids = [person.file(file) for file in files]
    kind, params = _message(text, thread_id, ids)
    response = person.post(kind, **params)
    yield _status(response, lambda world: world.writing(thread_id, ids))
    yield from _turn(response, thread_id, text)


def stop(person: Person, after: int, thread: Target | None) -> Effects:
    """Ask for a long answer, and press Stop after some events."""
    asked = None if thread is None else person.thread(thread)
    kind, params = _message(LONG, asked)
    response, heard = person.stop(after, kind, **params)
    yield _status(response, lambda world: world.writing(asked))
    if not response.is_success:
        return
    thread_id = asked or heard[0]["thread"]["id"]
    if not asked:
        yield partial(World.begin, thread_id=thread_id, title=LONG)
    new = person.stored(thread_id)[len(person.world.items(thread_id)) :]
    words = "".join(event["update"]["delta"] for event in heard if is_delta(event))
    kinds = [item["type"] for item in new]
    if words.strip() or len(kinds) == 3:
        assert kinds == ["user_message", "assistant_message", "hidden"]
        assert text_of(new[1]).startswith(words)
        assert LONG_ANSWER.startswith(text_of(new[1]))
    else:
        assert kinds == ["user_message", "hidden"]
    for item in new:
        yield partial(World.put, thread_id=thread_id, item=item)


def retry(person: Person, question: Target) -> Effects:
    """Have a message answered again."""
    thread_id, item_id = person.item(question, "user_message")
    response = person.post("threads.retry_after_item", thread_id=thread_id, item_id=item_id)
    yield _status(response, lambda world: world.using(thread_id, item_id, type="user_message"))
    if response.is_success:
        yield lambda world: world.cut(thread_id, item_id)
        asked = person.world.item(thread_id, item_id)
        yield from _turn(response, thread_id, text_of(asked) if asked else None)


def click(person: Person, widget: Target, button: str, is_sync: bool) -> Effects:
    """Click on a button of a widget."""
    thread_id, item_id = person.item(widget, "widget")
    kind = "threads.sync_custom_action" if is_sync else "threads.custom_action"
    clicked = {"thread_id": thread_id, "item_id": item_id, "action": {"type": button}}
    response = person.post(kind, **clicked)
    yield _status(response, lambda world: world.using(thread_id, item_id, type="widget"))
    if not is_sync:
        yield from _turn(response, thread_id)
    elif response.is_success:
        yield lambda world: world.put(thread_id, response.json()["updated_item"])


def bring_output(person: Person, call: Target, output: Any) -> Effects:
    """Bring the output of a client tool."""
    thread_id, _ = person.item(call, "client_tool_call")
    brought: Json = {"thread_id": thread_id, "result": output}
    response = person.post("threads.add_client_tool_output", **brought)
    if response.status_code in (403, 404):
        yield _status(response, lambda world: world.writing(thread_id))
        return
    # Refused with 400 too where the conversation is deleted while it is looked for.
    yield _same(response.is_success, lambda world: world.waits_for_output(thread_id))
    if response.is_success:
        yield lambda world: world.bring_output(thread_id, output)
        yield from _turn(response, thread_id)


def answer(person: Person, form: Target, text: str | None) -> Effects:
    """Answer a form, or skip it."""
    thread_id, item_id = person.item(form, "structured_input")
    values = [text] if text else []
    given = {"status": "answered" if text else "skipped", "answers": {"idea": {"values": values}}}
    params: Json = {"thread_id": thread_id, "item_id": item_id, "input": given}
    response = person.post("threads.add_structured_input", **params)
    needed: Json = {"type": "structured_input", "status": "pending"}
    yield _status(response, lambda world: world.using(thread_id, item_id, **needed))
    for event in events_of(response):
        if event["type"] == "thread.item.replaced":
            assert event["item"]["status"] == given["status"]
            assert event["item"]["inputs"][1]["answer"]["values"] == values
    yield from _turn(response, thread_id)


def rename(person: Person, thread: Target, title: str) -> Effects:
    thread_id = person.thread(thread)
    response = person.post("threads.update", thread_id=thread_id, title=title)
    assert response.json().get("title", title) == title
    yield _status(response, lambda world: world.rename(thread_id, title))


def delete(person: Person, thread: Target) -> Effects:
    thread_id = person.thread(thread)
    assert person.post("threads.delete", thread_id=thread_id).json() == {}
    yield lambda world: world.delete(thread_id)


def rate(person: Person, items: tuple[Target, ...], kind: str) -> Effects:
    """Press thumbs up or down."""
    places = [person.item(item) for item in items]
    thread_id, ids = places[0][0], [item_id for _, item_id in places]
    response = person.post("items.feedback", thread_id=thread_id, item_ids=ids, kind=kind)
    yield _status(response, lambda world: world.rate(thread_id, ids, kind))


def upload(person: Person, name: str, announced: Target | None = None) -> Effects:
    """Upload a file, in the second phase of an upload with a target."""
    file_id = None if announced is None else person.file(announced)
    file = person.world.files.get(file_id or "", File(name))
    content, mime_type, status = FILES[file.name]
    response = person.upload(file.name, content, mime_type, file_id)
    yield _status(response, lambda world: world.uploading(file_id, status))
    if response.is_success:
        uploaded = {response.json()["id"]: replace(file, content=content)}
        yield lambda world: world.files.update(uploaded)
    elif response.status_code == 415 and file_id:
        yield lambda world: world.files.pop(file_id, None)


def announce(person: Person, name: str) -> Effects:
    """Announce a file, which is uploaded later."""
    content, mime_type, _ = FILES[name]
    announced = {"name": name, "size": len(content), "mime_type": mime_type}
    response = person.post("attachments.create", **announced)
    assert response.status_code == (415 if mime_type == "text/html" else 200)
    if response.is_success:
        yield lambda world: world.files.update({response.json()["id"]: File(name)})


def remove(person: Person, file: Target) -> Effects:
    file_id = person.file(file)
    response = person.post("attachments.delete", attachment_id=file_id)
    yield _status(response, lambda world: world.removing(file_id))
    if response.is_success:
        yield lambda world: world.files.pop(file_id, None)


def download(person: Person, file: Target) -> Effects:
    file_id = person.file(file)
    content = person.download(file_id)
    yield _same(content, lambda world: world.files.get(file_id, File("")).content)


def open_thread(person: Person, thread: Target) -> Effects:
    thread_id = person.thread(thread)
    response = person.post("threads.get_by_id", thread_id=thread_id)
    seen = response.json()
    yield _same(
        show_thread(seen) if response.is_success else response.status_code,
        lambda world: world.threads[thread_id].shown if thread_id in world.threads else 404,
    )
    if response.is_success:
        # They were asked for after the conversation, which may be gone by then.
        items = page_of(seen["items"])
        yield _same(items, lambda world: world.page_of_items(thread_id, None, None, "asc"))


def list_threads(person: Person, after: Target | None, limit: int | None, order: str) -> Effects:
    after_id = None if after is None else person.thread(after)
    asked: Json = {"after": after_id, "limit": limit, "order": order}
    seen = _seen(person.post("threads.list", **asked), show_thread)
    yield _same(seen, lambda world: world.page_of_threads(**asked))


def list_items(person: Person, after: Target, limit: int | None, order: str) -> Effects:
    thread_id, after_id = person.item(after)
    asked: Json = {"thread_id": thread_id, "after": after_id, "limit": limit, "order": order}
    seen = _seen(person.post("items.list", **asked))
    yield _same(seen, lambda world: world.page_of_items(**asked))


def blunder(person: Person, kind: str, params: Json) -> Effects:
    """Send what is no request."""
    assert person.post(kind, **params).status_code == 400
    yield from ()


def _message(text: str, thread_id: str | None, files: list[str] | None = None) -> tuple[str, Json]:
    params: Json = {"input": message(text, attachments=files or [])}
    if thread_id is None:
        return "threads.create", params
    return "threads.add_user_message", params | {"thread_id": thread_id}


def _status(response: httpx2.Response, expected: Callable[[World], int]) -> Effect:
    return _same(response.status_code, expected)


def _same(seen: object, expected: Callable[[World], object]) -> Effect:
    def check(world: World) -> None:
        assert seen == expected(world)

    return check


def _seen(response: httpx2.Response, show: Show = dict) -> Page | int:
    return page_of(response.json(), show) if response.is_success else response.status_code


def _turn(response: httpx2.Response, thread_id: str | None, text: str | None = None) -> Effects:
    """Yield what must have happened in a turn, by its events and by what was written."""
    if not response.is_success:
        return
    done: list[str] = []
    said: dict[str, str] = {}
    for event in events_of(response):
        if event["type"] == "thread.created":
            thread_id = str(event["thread"]["id"])
            yield partial(World.begin, thread_id=thread_id, title=str(text))
        assert thread_id
        item: Json = event.get("item", {})
        match event["type"]:
            case "stream_options" if text == "Hidden note":
                yield partial(World.put, thread_id=thread_id, item=HIDDEN)
            case "stream_options" if text == "Lock":
                yield partial(World.lock, thread_id=thread_id)
            case "thread.item.updated" if is_delta(event):
                said.setdefault(event["item_id"], "")
                said[event["item_id"]] += event["update"]["delta"]
            case "thread.item.done":
                done.append(item["type"])
                assert said.pop(item["id"], None) in (None, item.get("content") and text_of(item))
                yield partial(World.put, thread_id=thread_id, item=item)
            case "thread.item.replaced":
                yield partial(World.put, thread_id=thread_id, item=item)
            case "thread.item.removed":
                yield partial(World.take, thread_id=thread_id, item_id=event["item_id"])
            case "error" if text != "Error" or not event["message"].startswith(ERROR):
                yield partial(World.lack, thread_id=thread_id, complaint=event["message"])
                return
    if text:
        assert [kind for kind in done if kind != "user_message"] == SCRIPTS[text]
