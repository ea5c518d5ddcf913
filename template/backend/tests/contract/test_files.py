"""Files: taken, checked, shown, handed out to their owner alone, and removed."""

import base64
import io
import re
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from contract.chat import HTTP, Chat, message, text_of
from contract.serving import Server, attachments_folder


def picture(image_format: str = "PNG", size: tuple[int, int] = (900, 600)) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, image_format)
    return file.getvalue()


FILES = {
    "photo.png": (picture(), "image/png"),
    "photo.jpg": (picture("JPEG"), "image/jpeg"),
    "photo.gif": (picture("GIF"), "image/gif"),
    "photo.webp": (picture("WEBP"), "image/webp"),
    "paper.pdf": (b"%PDF-1.7\n...", "application/pdf"),
    "Ümläut 🧑‍🚀.txt": ("Grüße\n".encode(), "text/plain"),
    "table.csv": (b"a,b\n1,2\n", "text/csv"),
    "data.json": (b'{"a": 1}', "application/json"),
}


def bytes_of(attachment_id: str) -> Path:
    """Return where the bytes of a file are on disk."""
    return attachments_folder() / attachment_id


def attach(chat: Chat, name: str = "photo.png") -> tuple[str, str]:
    """Send a message with a file, and return the ids of the thread and of the file."""
    uploaded = chat.upload(name, *FILES[name]).json()["id"]
    with chat.stream("threads.create", input=message("Look", attachments=[uploaded])) as events:
        thread_id = next(events)["thread"]["id"]
        list(events)
    return thread_id, uploaded


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_back_as_it_was_sent(chat: Chat, name: str) -> None:
    content, mime_type = FILES[name]
    response = chat.upload(name, content, mime_type)
    assert response.status_code == 200, response.text
    uploaded = response.json()
    assert re.fullmatch(r"atc_[0-9a-f]{32}", uploaded["id"])
    assert (uploaded["name"], uploaded["mime_type"]) == (name, mime_type)
    assert "upload_descriptor" not in uploaded
    downloaded = chat.download(uploaded["id"])
    assert downloaded.content == content
    assert downloaded.headers["content-type"].startswith(mime_type)
    assert downloaded.headers["content-disposition"].startswith("attachment")
    assert downloaded.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in downloaded.headers["content-security-policy"]
    assert downloaded.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "content", "called", "mime_type"),
    [
        ("table.csv", b"a,b\n1,2\n", "application/vnd.ms-excel", "text/csv"),
        ("TABLE.CSV", b"\xef\xbb\xbfa;b\n", "application/octet-stream", "text/csv"),
        ("photo.jpg", picture("JPEG"), "image/jpg", "image/jpeg"),
        ("photo.jpg", picture("JPEG"), "IMAGE/PJPEG", "image/jpeg"),
        ("notes.md", b"# Notes", "text/x-markdown", "text/markdown"),
        ("notes.md", b"# Notes", "", "text/markdown"),
        ("notes.txt", b"Notes", "Text/Plain; charset=utf-8", "text/plain"),
        ("paper.pdf", b"%PDF-1.7\n...", "application/x-pdf", "application/pdf"),
        ("paper.pdf", b"\xef\xbb\xbf\r\n%PDF-1.7\n...", "application/pdf", "application/pdf"),
        ("photo.webp", picture("WEBP"), "application/octet-stream", "image/webp"),
    ],
)
def test_csv_of_excel(chat: Chat, name: str, content: bytes, called: str, mime_type: str) -> None:
    """A type by another name is taken, in one phase and in two, and stored by its own."""
    announced = chat.ask("attachments.create", name=name, size=len(content), mime_type=called)
    for attachment_id in (None, announced["id"]):
        response = chat.upload(name, content, called, attachment_id)
        assert response.status_code == 200, response.text
        assert response.json()["mime_type"] == mime_type
        downloaded = chat.download(response.json()["id"])
        assert downloaded.content == content
        assert downloaded.headers["content-type"].partition(";")[0] == mime_type


@pytest.mark.parametrize("start", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"])
@pytest.mark.parametrize("called", ["application/vnd.ms-excel", "text/csv", ""])
def test_csv_of_excel_is_no_workbook(chat: Chat, start: bytes, called: str) -> None:
    """What Excel keeps for itself is refused with what to do."""
    refused = chat.upload("table.xls", start + b"\0" * 600, called or "application/octet-stream")
    assert refused.status_code == 415
    assert "CSV UTF-8" in refused.json()["message"]


def test_image_preview_http(chat: Chat) -> None:
    """The preview needs no address and no cookie, so ChatKit's frame shows it on localhost too."""
    url = chat.upload("photo.png", picture(), "image/png").json()["preview_url"]
    kind, data = url.split(",", 1)
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as preview:
        assert preview.size == (320, 213)


def test_a_file_is_in_its_message(chat: Chat) -> None:
    thread_id, uploaded = attach(chat)
    question, answer = chat.items(thread_id)
    [attached] = question["attachments"]
    assert (attached["id"], attached["thread_id"]) == (uploaded, thread_id)
    assert attached["preview_url"].startswith("data:image/webp")
    assert "I see your photo.png" in text_of(answer)


@pytest.mark.parametrize(("name", "mime_type"), [("photo.png", "image/png"), ("a", "text/plain")])
def test_a_file_in_two_phases(chat: Chat, name: str, mime_type: str) -> None:
    content = picture() if mime_type == "image/png" else b"Hello"
    announced = chat.ask("attachments.create", name=name, size=len(content), mime_type=mime_type)
    descriptor = announced["upload_descriptor"]
    assert descriptor["method"] == "POST"
    assert descriptor["url"].endswith(f"attachments/{announced['id']}")
    too_early = chat.post("threads.create", input=message("", attachments=[announced["id"]]))
    assert too_early.status_code == 400
    assert "not uploaded" in too_early.json()["message"]
    assert chat.download(announced["id"]).status_code == 404

    form = {"file": (name, content, mime_type)}
    response = httpx2.post(descriptor["url"], files=form, headers=chat.headers, **HTTP)
    assert response.status_code == 200
    assert "upload_descriptor" not in response.json()
    assert chat.download(announced["id"]).content == content
    again = chat.upload(name, b"other", mime_type, announced["id"])
    assert again.status_code == 400
    assert chat.download(announced["id"]).content == content


def test_a_deleted_file_is_gone_with_its_record(chat: Chat, server: Server) -> None:
    uploaded = chat.upload("photo.png", *FILES["photo.png"]).json()["id"]
    assert bytes_of(uploaded).exists()
    for _ in range(2):
        assert chat.ask("attachments.delete", attachment_id=uploaded) == {}
    assert not bytes_of(uploaded).exists()
    assert server.sql(f"SELECT id FROM attachments WHERE id = '{uploaded}'") == []


def test_a_deleted_conversation_takes_its_files_along(chat: Chat, server: Server) -> None:
    thread_id, uploaded = attach(chat)
    chat.ask("threads.delete", thread_id=thread_id)
    assert not bytes_of(uploaded).exists()
    assert server.sql(f"SELECT id FROM attachments WHERE id = '{uploaded}'") == []


def test_nobody_else_sees_a_file(server: Server) -> None:
    """Slug: foreign-thread. What is somebody else's looks exactly like what is not there."""
    ada, bob = server.someone(), server.someone()
    thread_id, uploaded = attach(ada)
    missing = "atc_" + "0" * 32

    def attempts(attachment_id: str) -> list[tuple[int, str]]:
        return [
            (response.status_code, response.text.replace(attachment_id, "ID"))
            for response in (
                bob.download(attachment_id),
                bob.upload("a.txt", b"mine", "text/plain", attachment_id),
                bob.post("attachments.delete", attachment_id=attachment_id),
                bob.post("threads.create", input=message("", attachments=[attachment_id])),
            )
        ]

    assert attempts(uploaded) == attempts(missing)
    assert [status for status, _ in attempts(uploaded)] == [404, 404, 200, 404]
    assert ada.download(uploaded).content == picture()
    assert len(ada.items(thread_id)) == 2
