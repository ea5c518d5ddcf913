"""What people attach and what they dictate reaches the model, as what it is."""

import base64
from pathlib import Path

import httpx2
import pytest
from contract.chat import Chat, Json, message, text_of
from contract.fake_model import KEY, Answer, FakeModel, Recording, Request
from contract.serving import Server, attachments_folder, free_port, run_server
from contract.test_files import FILES
from sqlalchemy.engine import URL

SPEECH = bytes(range(256)) * 40
"""No speech, but bytes of every kind; nobody here listens."""


def parts(request: Request) -> list[Json]:
    """Return what the messages consist of, except those that are plain text."""
    entries = request.body.get("messages") or request.body["input"]
    contents = [entry.get("content") for entry in entries]
    return [part for content in contents if isinstance(content, list) for part in content]


def text_part(api: str, text: str) -> Json:
    return {"type": "input_text" if api == "responses" else "text", "text": text}


def part_of(api: str, name: str) -> Json:
    """Return how an API is told of a file."""
    content, mime_type = FILES[name]
    url = f"data:{mime_type};base64,{base64.b64encode(content).decode()}"
    in_responses = api == "responses"
    if mime_type.startswith("image/"):
        if in_responses:
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        return {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
    if mime_type == "application/pdf":
        file = {"filename": name, "file_data": url}
        return {"type": "input_file"} | file if in_responses else {"type": "file", "file": file}
    return text_part(api, f"The person attached the file {name}:\n{content.decode()}")


def attach(chat: Chat, *names: str) -> tuple[str, list[str]]:
    """Ask about some files, and return the ids of the thread and of the files."""
    uploaded = [chat.upload(name, *FILES[name]).json()["id"] for name in names]
    written = message("What is this?", attachments=uploaded)
    with chat.stream("threads.create", input=written) as events:
        thread_id = next(events)["thread"]["id"]
        list(events)
    return thread_id, uploaded


@pytest.mark.parametrize("name", FILES)
def test_a_file_reaches_the_model(asking: Server, model: FakeModel, api: str, name: str) -> None:
    attach(asking.chat(), name)
    assert parts(model.requests[-1]) == [text_part(api, "What is this?"), part_of(api, name)]


def test_the_files_of_earlier_turns_reach_the_model(
    asking: Server, model: FakeModel, api: str
) -> None:
    """All files of a message, in their order."""
    chat = asking.chat()
    thread_id, _ = attach(chat, *FILES)
    chat.say("And now?", thread_id)
    files = [part_of(api, name) for name in FILES]
    question = text_part(api, "What is this?")
    assert parts(model.requests[-1]) == [question, *files, text_part(api, "And now?")]


def test_a_file_that_is_gone_is_told_as_gone(asking: Server, model: FakeModel, api: str) -> None:
    chat = asking.chat()
    thread_id, [lost, _] = attach(chat, "photo.png", "paper.pdf")
    (attachments_folder() / lost).unlink()
    events = chat.say("And now?", thread_id)
    assert text_of(events[-1]["item"]) == "Answer 2"
    gone = text_part(api, "The person attached the file photo.png, which is gone.")
    assert parts(model.requests[-1])[1:3] == [gone, part_of(api, "paper.pdf")]


def test_old_files_are_left_out_where_all_are_too_much(
    model: FakeModel, api: str, database: URL, tmp_path: Path
) -> None:
    """What is newer, and what is small, is sent; of the rest the model is told the name."""
    settings = model.settings | {"OPENAI_API": api, "HISTORY_FILES_MB": "1"}
    with run_server(database, tmp_path / "log", **settings) as server:
        chat = server.chat()
        thread_id, _ = attach(chat, "table.csv")
        for name in ("old.pdf", "new.pdf"):
            content = b"%PDF-" + bytes(600 * 1024)
            uploaded = chat.upload(name, content, "application/pdf").json()["id"]
            written = message(f"Read {name}", attachments=[uploaded])
            with chat.stream(
                "threads.add_user_message", thread_id=thread_id, input=written
            ) as events:
                list(events)
    table, old, new = (part for part in parts(model.requests[-1]) if not is_question(part))
    assert table == part_of(api, "table.csv")
    assert "The person attached the file old.pdf. It is left out" in old["text"]
    assert "new.pdf" in (new.get("file") or new)["filename"]


def is_question(part: Json) -> bool:
    return str(part.get("text")).startswith(("What is this?", "Read "))


def test_a_long_text_is_cut_and_said_to_be(asking: Server, model: FakeModel) -> None:
    chat = asking.chat()
    text = "Wörter " * 30_000
    uploaded = chat.upload("long.txt", text.encode(), "text/plain").json()["id"]
    with chat.stream("threads.create", input=message("", attachments=[uploaded])) as events:
        list(events)
    [part] = [part for part in parts(model.requests[-1]) if "long.txt" in part["text"]]
    _, told = part["text"].split("\n", 1)
    assert told == f"{text[:200_000]}\n(cut after 200000 characters)"


def dictate(
    server: Server, mime_type: str = "audio/webm", speech: bytes = SPEECH
) -> httpx2.Response:
    """Dictate, and return the response."""
    audio = base64.b64encode(speech).decode()
    return server.chat().post("input.transcribe", audio_base64=audio, mime_type=mime_type)


@pytest.mark.parametrize(
    ("mime_type", "name", "heard"),
    [
        ("audio/webm", "speech.webm", "audio/webm"),
        ("audio/webm;codecs=opus", "speech.webm", "audio/webm"),
        ("audio/ogg;codecs=opus", "speech.ogg", "audio/ogg"),
        ("audio/mp4", "speech.mp4", "audio/mp4"),
    ],
)
def test_dictated_speech_becomes_text(
    asking: Server, model: FakeModel, mime_type: str, name: str, heard: str
) -> None:
    with model.answering(Answer(lambda: ["Grüße an ", "Zoë"])):
        response = dictate(asking, mime_type)
    assert response.status_code == 200
    assert response.json() == {"text": "Grüße an Zoë"}
    assert model.recordings[-1] == Recording("fake-ears", name, heard, SPEECH)


def test_a_long_recording_is_heard_to_its_end(asking: Server, model: FakeModel) -> None:
    speech = SPEECH * 200
    assert dictate(asking, speech=speech).status_code == 200
    assert model.recordings[-1].audio == speech


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, None, "refuses the key. Put a valid OPENAI_API_KEY into backend/.env.local."),
        (404, None, "does not know fake-ears. Set OPENAI_TRANSCRIPTION_MODEL to a model"),
        (429, None, "is asked too often at the moment. Try again"),
        (429, "insufficient_quota", "has no credit left."),
        (500, None, "failed with status 500. Try again."),
        (0, None, "cannot be reached. Is it running, and is OPENAI_BASE_URL right?"),
    ],
)
def test_dictation_that_fails_is_told_in_words(
    asking: Server, model: FakeModel, status: int, code: str | None, words: str
) -> None:
    with model.answering(Answer(status=status, code=code)):
        response = dictate(asking)
    assert response.status_code == 502
    assert response.headers["content-type"] == "application/json"
    assert f"{model.address}/v1 {words}" in response.json()["message"]
    assert response.json()["message"].endswith(f" (request {response.headers['X-Request-Id']})")
    assert KEY not in response.text


def test_dictation_that_fails_is_in_the_log(
    model: FakeModel, database: URL, tmp_path: Path
) -> None:
    nowhere = {"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"}
    with run_server(database, tmp_path / "log", **model.settings | nowhere) as server:
        response = dictate(server)
    assert "cannot be reached" in response.json()["message"]
    request_id = response.headers["X-Request-Id"]
    [line] = [
        line
        for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()
        if "The model failed" in line
    ]
    assert "ConnectError" in line
    assert request_id in line
    assert KEY not in line
