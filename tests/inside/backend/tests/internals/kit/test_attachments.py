"""Files: taken, checked, shown, handed out to their owner alone, and removed."""

import asyncio
import base64
import contextlib
import io
import json
import random
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import httpx2
import pytest
from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    FileAttachment,
    HiddenContextItem,
    LockedStatus,
    ThreadMetadata,
)
from contract.chat import HTTP, PATIENCE, Chat, message, wait_until
from contract.serving import Server, attachments_folder, run_server
from contract.test_files import FILES, attach, bytes_of, picture
from PIL import Image
from sqlalchemy import text, update
from sqlalchemy.engine import URL

from internals.conftest import Run, new_server
from kit.attachments import file_store as files
from kit.attachments import retention as sweep_module
from kit.attachments.attachment_store import AttachmentStore
from kit.attachments.content import ImageChecks
from kit.attachments.retention import sweep, sweep_for_ever
from kit.chat.chatkit_server import ChatKitServer, ServedStore
from kit.chat.request_checks import parse_request
from kit.database import engine as database_module
from kit.database import tables as models
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings


def test_the_page_is_told_where_it_is_itself(server: Server) -> None:
    person = server.someone(origin="https://chat.example.com")
    announced = person.ask("attachments.create", name="a", size=1, mime_type="text/plain")
    url = f"https://chat.example.com/api/attachments/{announced['id']}"
    assert announced["upload_descriptor"]["url"] == url


@pytest.mark.parametrize("forwarded", ["https", "https, http"])
def test_an_upload_goes_to_https_where_a_proxy_in_front_has_it(
    server: Server, forwarded: str
) -> None:
    """Without the page in between; a browser sends nothing to http from a page at https."""
    person = server.someone("somebody-without-the-page")
    headers = {**person.headers, "x-forwarded-proto": forwarded}
    announced = Chat(person.url, headers).ask(
        "attachments.create", name="a", size=1, mime_type="text/plain"
    )
    url = f"{server.address.replace('http:', 'https:')}/attachments/{announced['id']}"
    assert announced["upload_descriptor"]["url"] == url


@pytest.mark.parametrize(
    ("name", "content", "mime_type", "status", "words"),
    [
        ("a.html", b"<script>", "text/html", 415, "text/html"),
        ("a.svg", b"<svg/>", "image/svg+xml", 415, "image/svg"),
        ("a.png", b"<script>", "image/png", 415, "not image/png"),
        ("a.png", picture("JPEG"), "image/png", 415, "not image/png"),
        ("a.png", picture()[:2000], "image/png", 415, "not image/png"),
        ("a.pdf", b"MZ\x90", "application/pdf", 415, "not application/pdf"),
        ("a.txt", b"\x89PNG\r\n", "text/plain", 415, "not text/plain"),
        ("a.txt", b"a\0b", "text/plain", 415, "not text/plain"),
        ("a.csv", "Größe;1\n".encode("cp1252"), "text/csv", 415, "CSV UTF-8"),
        ("a.csv", "Größe;1\n".encode("utf-16"), "text/csv", 415, "save it as UTF-8"),
        ("a.png", picture("PNG", (8000, 8000)), "image/png", 413, "megapixels"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    server: Server, name: str, content: bytes, mime_type: str, status: int, words: str
) -> None:
    """In one phase and in two; and nothing of it is kept."""
    person = server.someone("a-smuggler")
    response = person.upload(name, content, mime_type)
    assert response.status_code == status
    assert words in response.json()["message"]
    announced = person.post("attachments.create", name=name, size=9, mime_type=mime_type)
    if announced.status_code == 200:
        attachment_id = announced.json()["id"]
        assert person.upload(name, content, mime_type, attachment_id).status_code == status
        assert person.download(attachment_id).status_code == 404
        assert not bytes_of(attachment_id).exists()
        person.ask("attachments.delete", attachment_id=attachment_id)
    assert server.sql("SELECT id FROM attachments WHERE owner = 'a-smuggler'") == []


def test_a_type_that_the_browser_does_not_know_is_told_by_the_name(chat: Chat) -> None:
    uploaded = chat.upload("notes.csv", b"a,b", "application/octet-stream")
    assert uploaded.json()["mime_type"] == "text/csv"


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({"content-type": "multipart/form-data"}, b"", 415),
        ({"content-type": "multipart/form-data; boundary=x"}, b"garbage", 400),
        ({"content-type": f"multipart/form-data; boundary={'x' * 300}"}, b"--x", 400),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 400),
    ],
)
def test_a_form_that_is_none_is_refused(
    chat: Chat, headers: dict[str, str], content: bytes, status: int
) -> None:
    response = httpx2.post(
        chat.file_url(), content=content, headers={**chat.headers, **headers}, **HTTP
    )
    assert response.status_code == status
    assert response.json()["message"]


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'

FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'

SLOW_FORMS = {
    "tiny fields": b"\r\n".join([FIELD] * 30),
    "tiny files": b"\r\n".join([PART] * 30),
    "half ends": PART + b"\r\n--xy" * 30 + b"\r\n--x--\r\n",
    "padding": FIELD + b"\r\n--x" + b" " * 100_000,
    "a long field": FIELD + b"a" * 100_000,
    "after the file": PART + b"text\r\n--x--\r\n" + b"a" * 100_000,
}


@pytest.mark.parametrize("form", SLOW_FORMS.values(), ids=SLOW_FORMS)
def test_a_form_that_takes_long_to_read_is_refused(chat: Chat, form: bytes) -> None:
    """Slug: one-request-blocks-all. Each took seconds at the size that a file may have."""
    headers = {**chat.headers, "content-type": "multipart/form-data; boundary=x"}
    response = httpx2.post(chat.file_url(), content=form, headers=headers, **HTTP)
    assert response.status_code == 413
    assert "The form has more than" in response.json()["message"]
    whole = FIELD + b"1\r\n" + PART + b"text\r\n--x--\r\n"
    assert httpx2.post(chat.file_url(), content=whole, headers=headers, **HTTP).status_code == 200


def test_names_cannot_lead_out_of_the_folder(chat: Chat) -> None:
    uploaded = chat.upload("..\\../../etc/pass\nwd.txt", b"Hello", "text/plain").json()
    assert "/" not in uploaded["name"]
    assert "\\" not in uploaded["name"]
    assert bytes_of(uploaded["id"]).read_bytes() == b"Hello"
    for path in ("..%2F..%2Fetc%2Fpasswd", "%2e%2e", "atc_none", "a%00b"):
        url = f"{chat.file_url()}/{path}"
        response = httpx2.get(url, headers=chat.headers, follow_redirects=True, **HTTP)
        assert response.status_code == 404


def test_limits_of_size_and_type_are_settings(database: URL, tmp_path: Path) -> None:
    settings = {"ATTACHMENT_MAX_MB": "1", "ATTACHMENT_TYPES": "text/plain, image/png"}
    with run_server(database, tmp_path / "log", **settings) as server:
        person = server.someone()
        large = b"x" * (1024 * 1024 + 1)
        for response in (
            person.upload("a.txt", large, "text/plain"),
            person.upload("a.txt", large * 3, "text/plain"),
            person.post("attachments.create", name="a", size=len(large), mime_type="text/plain"),
        ):
            assert response.status_code == 413
            assert "1 MB" in response.json()["message"]
        assert person.upload("a.pdf", *FILES["paper.pdf"]).status_code == 415
        assert person.upload("a.txt", large[:-1], "text/plain").status_code == 200


def test_a_file_is_in_one_conversation(chat: Chat) -> None:
    _, uploaded = attach(chat)
    again = chat.post("threads.create", input=message("", attachments=[uploaded]))
    assert again.status_code == 400
    assert "another conversation" in again.json()["message"]


def test_a_message_has_each_file_once(chat: Chat) -> None:
    """Named a thousand times, it would fill the database and what the model is sent."""
    uploaded = chat.upload("photo.png", *FILES["photo.png"]).json()["id"]
    refused = chat.post("threads.create", input=message("", attachments=[uploaded] * 2))
    assert refused.status_code == 400
    assert "once" in refused.json()["message"]


def test_a_message_has_twenty_files_at_most(server: Server) -> None:
    person = server.someone()
    ids = [person.upload("a.txt", b"Hello", "text/plain").json()["id"] for _ in range(20)]
    more = person.post("threads.create", input=message("notice", attachments=[*ids, "atc_none"]))
    assert more.status_code == 400
    assert "20 files at most" in more.json()["message"]
    with person.stream("threads.create", input=message("notice", attachments=ids)) as events:
        created, *_ = events
    [question] = person.items(created["thread"]["id"])
    assert [attachment["id"] for attachment in question["attachments"]] == ids


def test_the_preview_of_a_photo_stands_upright(chat: Chat) -> None:
    """Phones store how they were held, and not the image turned."""
    file = io.BytesIO()
    photo = Image.new("RGB", (600, 300), "teal")
    orientation = Image.Exif()
    orientation[0x0112] = 6
    photo.save(file, "JPEG", exif=orientation)
    url = chat.upload("photo.jpg", file.getvalue(), "image/jpeg").json()["preview_url"]
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as preview:
        assert preview.width < preview.height


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("image", "mime_type"),
    [
        (saved(Image.new("CMYK", (900, 600), (0, 0, 0, 100)), "JPEG"), "image/jpeg"),
        (saved(Image.new("I;16", (900, 600), 39_900), "PNG"), "image/png"),
        (saved(Image.new("LA", (900, 600), (155, 255)), "PNG"), "image/png"),
        (saved(Image.new("L", (900, 600), 155).convert("P"), "PNG"), "image/png"),
        (
            saved(
                Image.new("L", (900, 600), 155),
                "GIF",
                save_all=True,
                append_images=[Image.new("L", (900, 600), 0)],
            ),
            "image/gif",
        ),
        (saved(Image.new("RGBA", (900, 600), (155, 155, 155, 255)), "WEBP"), "image/webp"),
    ],
    ids=["cmyk", "16-bit", "transparent", "palette", "animated", "webp"],
)
def test_images_of_every_kind_have_a_preview(chat: Chat, image: bytes, mime_type: str) -> None:
    url = chat.upload("image", image, mime_type).json()["preview_url"]
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as preview:
        assert preview.size == (320, 213)
        pixel = preview.convert("L").getpixel((160, 100))
        assert isinstance(pixel, int)
        assert abs(pixel - 155) < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_preview_is_small_whatever_the_image(chat: Chat, mode: str) -> None:
    """It is stored in each message that the file is sent with."""
    pixels = random.Random(1).randbytes(320 * 320 * len(mode))
    noise = saved(Image.frombytes(mode, (320, 320), pixels), "PNG")
    url = chat.upload("noise.png", noise, "image/png").json()["preview_url"]
    assert len(url) < 22_000
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as preview:
        assert preview.width >= 80


def progressive_jpeg(scans: int) -> bytes:
    """Return 49 megapixels of black, of which the last scan is repeated."""
    image = saved(Image.new("L", (7000, 7000)), "JPEG", progressive=True)
    last_scan = image.rindex(b"\xff\xda")
    return image[:-2] + image[last_scan:-2] * scans + image[-2:]


def test_whose_images_take_long_waits_alone_and_not_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slug: one-request-blocks-all."""
    monkeypatch.setattr("kit.attachments.content.WAIT_SECONDS", 0.1)
    checks, slow = ImageChecks(), io.BytesIO(progressive_jpeg(1000))

    def check(content: BinaryIO, person: str) -> Awaitable[str]:
        mime_type = "image/jpeg" if content is slow else "image/png"
        return checks.make_preview(mime_type, content, person)

    async def work() -> None:
        of_ada = asyncio.ensure_future(check(slow, "ada"))
        await asyncio.sleep(0)  # it has begun
        with pytest.raises(RefusedError, match="Too many images") as too_many:
            await check(io.BytesIO(picture()), "ada")
        assert (too_many.value.status, too_many.value.retry_after) == (429, 10)
        assert await check(io.BytesIO(picture()), "bob")
        assert not of_ada.done()
        of_ada.cancel()  # so does a browser that is closed
        with pytest.raises(asyncio.CancelledError):
            await of_ada
        assert await check(io.BytesIO(picture()), "ada")

    run(work())


def test_nobody_fills_the_disk_with_files_that_are_never_sent(server: Server) -> None:
    """The oldest make room for new ones, however many come at once."""
    person = server.someone("a-hoarder")
    uploaded = [person.upload("a.txt", b"Hello", "text/plain").json()["id"] for _ in range(21)]
    assert [bytes_of(uploaded[number]).exists() for number in (0, 1, 20)] == [False, True, True]

    def upload(_: int) -> None:
        person.upload("a.txt", b"Hello", "text/plain")

    before = set(attachments_folder().iterdir()) - {bytes_of(one) for one in uploaded}
    with ThreadPoolExecutor(10) as browsers:
        list(browsers.map(upload, range(30)))
    left = {row[0] for row in server.sql("SELECT id FROM attachments WHERE owner = 'a-hoarder'")}
    assert len(left) <= 20
    assert set(attachments_folder().iterdir()) - before == {bytes_of(str(one)) for one in left}


def test_what_others_have_not_sent_removes_nothing_of_ones_own(server: Server) -> None:
    """Unsent files are counted for each person."""
    ada, bob = server.someone(), server.someone()
    uploaded = ada.upload("a.txt", b"Hello", "text/plain").json()["id"]
    for _ in range(20):
        bob.ask("attachments.create", name="b", size=1, mime_type="text/plain")
    assert ada.download(uploaded).status_code == 200


def test_orphans_are_swept_away(database: URL, tmp_path: Path) -> None:
    """When a server starts: what is old and in no conversation any more, and nothing else."""
    with run_server(database, tmp_path / "log") as server:
        person = server.someone()
        _, sent = attach(person)
        waiting = person.upload("new.txt", b"new", "text/plain").json()["id"]
        forgotten = person.upload("old.txt", b"old", "text/plain").json()["id"]
        announced = person.ask("attachments.create", name="a", size=1, mime_type="text/plain")["id"]
        retracted = attach_and_retract(person)
        old = "', '".join((sent, forgotten, announced, retracted))
        server.sql(f"UPDATE attachments SET created_at = '2020-01-01' WHERE id IN ('{old}')")
    with run_server(database, tmp_path / "log") as server:
        orphans = f"('{forgotten}', '{announced}', '{retracted}')"
        query = f"SELECT id FROM attachments WHERE id IN {orphans}"
        wait_until(lambda: server.sql(query) == [])
        assert not bytes_of(forgotten).exists()
        assert not bytes_of(retracted).exists()
        person = Chat(f"{server.address}/chatkit", person.headers)
        assert person.download(sent).status_code == 200
        assert person.download(waiting).status_code == 200


def test_a_file_that_is_removed_while_it_is_fetched_comes_whole(run: Run) -> None:
    """Half of a response would be no answer; of a larger file what is left cannot be told."""

    async def work() -> None:
        file = await forgotten_file(RequestContext("ada"))
        found = await files.stream(file.id)
        await files.delete(file.id)
        assert found
        size, chunks = found
        assert (size, [chunk async for chunk in chunks]) == (5, [b"Hello"])
        assert await files.stream(file.id) is None

    run(work())


def test_a_file_that_is_fetched_slowly_is_held_in_small_pieces(run: Run) -> None:
    """Slug: one-request-blocks-all."""

    async def work() -> None:
        file = await forgotten_file(RequestContext("ada"))
        content = random.Random(1).randbytes(3_000_000)
        bytes_of(file.id).write_bytes(content)
        found = await files.stream(file.id)
        assert found
        chunks = [chunk async for chunk in found[1]]
        assert b"".join(chunks) == content
        assert max(map(len, chunks)) <= 256 * 1024

    run(work())


async def forgotten_file(owner: RequestContext) -> FileAttachment:
    """Store a file that its owner has not sent yet."""
    attachment = FileAttachment(id=generate_id("attachment"), name="a", mime_type="text/plain")
    await ChatKitStore().save_attachment(attachment, owner)
    bytes_of(attachment.id).write_bytes(b"Hello")
    return attachment


TOMORROW = datetime.now(UTC) + timedelta(days=1)


def test_a_file_that_is_sent_while_the_sweep_comes_is_kept(run: Run) -> None:
    """And one that the sweep has taken cannot be sent."""
    owner = RequestContext("somebody-who-was-slow")
    thread = ThreadMetadata(id=generate_id("thread"), created_at=datetime.now())

    waiting: list[FileAttachment] = []

    async def send(attachment: FileAttachment) -> None:
        sent = attachment.model_copy(update={"thread_id": thread.id})
        await ServedStore().save_attachment(sent, owner)

    class SlowStore(ChatKitStore):
        async def list_orphaned_attachments(self, before: datetime) -> Sequence[str]:
            orphans = await super().list_orphaned_attachments(before)
            await send(waiting[0])
            return orphans

    async def work() -> None:
        await ChatKitStore().save_thread(thread, owner)
        waiting.extend([await forgotten_file(owner), await forgotten_file(owner)])
        await sweep(SlowStore(), TOMORROW)
        in_time, too_late = waiting
        assert bytes_of(in_time.id).exists()
        assert in_time.id not in await ChatKitStore().list_unsent_attachments(owner)
        assert not bytes_of(too_late.id).exists()
        with pytest.raises(NotFoundError):
            await send(too_late)

    run(work())


def test_a_file_that_cannot_be_removed_does_not_end_the_sweep(run: Run) -> None:
    """It is nobody's already, and a later sweep removes it."""
    owner = RequestContext("somebody-unlucky")

    async def work() -> None:
        stuck, other = await forgotten_file(owner), await forgotten_file(owner)
        bytes_of(stuck.id).unlink()
        bytes_of(stuck.id).mkdir()  # no file, so that deleting it fails
        await sweep(ChatKitStore(), TOMORROW)
        assert not bytes_of(other.id).exists()
        with pytest.raises(NotFoundError):
            await ChatKitStore().load_attachment(stuck.id, owner)
        bytes_of(stuck.id).rmdir()
        await sweep(ChatKitStore(), TOMORROW)
        assert stuck.id not in await ChatKitStore().list_orphaned_attachments(TOMORROW)

    run(work())


class StumblingStore(ChatKitStore):
    """Fails in the first sweep by the database, and in the second by a mistake of its own."""

    def __init__(self) -> None:
        self.sweeps = 0

    async def list_orphaned_attachments(self, before: datetime) -> Sequence[str]:
        self.sweeps += 1
        async with database_module.read() as session:
            if self.sweeps == 1:
                await session.execute(text("SELECT 1 FROM a_table_that_nobody_made"))
        if self.sweeps == 2:
            raise LookupError("A mistake")
        return await super().list_orphaned_attachments(before)


def test_the_sweep_goes_on_after_failures_and_keeps_what_is_not_a_day_old(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "INTERVAL_SECONDS", 0.01)

    async def file_of(hours_ago: int) -> str:
        file = await forgotten_file(RequestContext("somebody-forgetful"))
        uploaded = datetime.now(UTC) - timedelta(hours=hours_ago)
        async with database_module.write() as session:
            of_file = update(models.Attachment).where(models.Attachment.id == file.id)
            await session.execute(of_file.values(created_at=uploaded))
        return file.id

    async def is_swept(file_id: str, sweeper: asyncio.Task[None]) -> None:
        async with asyncio.timeout(PATIENCE):
            while bytes_of(file_id).exists():
                assert not sweeper.done(), "nothing is swept any more"
                await asyncio.sleep(0.01)

    async def work() -> None:
        waiting, old = await file_of(23), await file_of(25)
        sweeper = asyncio.create_task(sweep_for_ever(StumblingStore()))
        await is_swept(old, sweeper)
        await is_swept(await file_of(25), sweeper)
        sweeper.cancel()
        await asyncio.gather(sweeper, return_exceptions=True)
        assert bytes_of(waiting).exists()

    run(work())


async def announced_file(server: ChatKitServer, owner: RequestContext) -> Attachment:
    """Announce a file that is not uploaded yet."""
    announced = AttachmentCreateParams(name="a.txt", size=5, mime_type="text/plain")
    return await server.files.create_attachment(announced, owner)


async def remove_file(server: ChatKitServer, attachment_id: str, owner: RequestContext) -> None:
    """Remove a file as the page does."""
    request = {"type": "attachments.delete", "params": {"attachment_id": attachment_id}}
    await server.handle(parse_request(json.dumps(request)), owner)


def test_a_file_that_comes_while_it_is_removed_leaves_no_bytes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after its bytes are deleted, and before its record is."""
    owner, server, delete = RequestContext("somebody-in-two-minds"), new_server(), files.delete

    async def work() -> None:
        announced = await announced_file(server, owner)

        async def delete_too_early(attachment_id: str) -> None:
            monkeypatch.setattr(files, "delete", delete)
            await delete(attachment_id)
            with contextlib.suppress(NotFoundError):
                await server.files.receive(announced, io.BytesIO(b"Hello"), owner)

        monkeypatch.setattr(files, "delete", delete_too_early)
        await remove_file(server, announced.id, owner)
        assert not bytes_of(announced.id).exists()

    run(work())


def test_a_removed_file_whose_upload_is_cut_off_is_swept_away(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page stops the upload of what somebody removes: its bytes may be there by then."""
    owner, server, save = RequestContext("somebody-quick"), new_server(), files.save

    async def work() -> None:
        comes, is_removed = asyncio.Event(), asyncio.Event()

        async def save_slowly(attachment_id: str, content: BinaryIO) -> None:
            comes.set()
            await is_removed.wait()
            await save(attachment_id, content)
            uploading.cancel()

        monkeypatch.setattr(files, "save", save_slowly)
        announced = await announced_file(server, owner)
        content = io.BytesIO(b"Hello")
        uploading = asyncio.create_task(server.files.receive(announced, content, owner))
        await comes.wait()
        await remove_file(server, announced.id, owner)
        is_removed.set()
        with pytest.raises(asyncio.CancelledError):
            await uploading
        assert bytes_of(announced.id).exists()
        await sweep(ChatKitStore(), TOMORROW)
        assert not bytes_of(announced.id).exists()
        assert announced.id not in await ChatKitStore().list_orphaned_attachments(TOMORROW)

    run(work())


async def sent_file(server: ChatKitServer, owner: RequestContext) -> Attachment:
    """Upload a file."""
    announced = await announced_file(server, owner)
    return await server.files.receive(announced, io.BytesIO(b"Hello"), owner)


async def events_of(
    server: ChatKitServer, owner: RequestContext, kind: str, **params: Any
) -> list[dict[str, Any]]:
    """Return the events of a turn."""
    request = parse_request(json.dumps({"type": kind, "params": params}))
    stream = await server.handle(request, owner)
    assert isinstance(stream, StreamingResult)
    chunks = b"".join([chunk async for chunk in stream])
    return [json.loads(line[6:]) for line in chunks.splitlines() if line.startswith(b"data: ")]


async def begun_thread(server: ChatKitServer, owner: RequestContext) -> str:
    """Begin a conversation and return its id."""
    events = await events_of(server, owner, "threads.create", input=message("notice"))
    thread_id: str = events[0]["thread"]["id"]
    return thread_id


def test_a_file_that_is_removed_while_it_is_sent_is_not_sent(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was to be sent with it is all still there, to be sent without it, or removed."""
    owner, server = RequestContext("somebody-torn"), new_server()
    add = server.store.add_message

    async def work() -> None:
        thread_id = await begun_thread(server, owner)
        kept, removed = await sent_file(server, owner), await sent_file(server, owner)

        async def add_too_late(*arguments: Any) -> None:
            await remove_file(server, removed.id, owner)
            await add(*arguments)

        monkeypatch.setattr(server.store, "add_message", add_too_late)
        both = message("Look", attachments=[kept.id, removed.id])
        with pytest.raises(NotFoundError, match=r"a\.txt is not there any more"):
            await events_of(
                server, owner, "threads.add_user_message", thread_id=thread_id, input=both
            )
        items = await server.store.load_thread_items(thread_id, None, 9, "desc", owner)
        assert not any(getattr(item, "attachments", []) for item in items.data)
        assert not bytes_of(removed.id).exists()
        assert bytes_of(kept.id).exists()
        await remove_file(server, kept.id, owner)
        assert not bytes_of(kept.id).exists()

    run(work())


def test_what_is_wrong_with_the_conversation_is_said_before_what_is_wrong_with_the_files(
    run: Run,
) -> None:
    """Whoever gets the file right would only then hear that the message cannot be sent at all."""
    owner, server = RequestContext("somebody-early"), new_server()

    async def work() -> None:
        unsent = await announced_file(server, owner)
        written = message("Look", attachments=[unsent.id])
        thread_id = await begun_thread(server, owner)
        thread = await ChatKitStore().load_thread(thread_id, owner)
        thread.status = LockedStatus(reason="We are moving")
        await ChatKitStore().save_thread(thread, owner)
        kind = "threads.add_user_message"
        with pytest.raises(RefusedError, match="We are moving") as refusal:
            await events_of(server, owner, kind, thread_id=thread_id, input=written)
        assert refusal.value.status == 403
        with pytest.raises(NotFoundError, match="Thread thr_gone"):
            await events_of(server, owner, kind, thread_id="thr_gone", input=written)

    run(work())


def test_a_file_that_is_sent_while_it_is_removed_stays(run: Run) -> None:
    """Its message would refer to a file that is gone."""
    owner, server = RequestContext("somebody-torn-too"), new_server()

    class SlowRecords(ChatKitStore):
        async def disown_attachment(self, attachment_id: str) -> Attachment | None:
            sent = message("Look", attachments=[attachment_id])
            await events_of(server, owner, "threads.create", input=sent)
            return await super().disown_attachment(attachment_id)

    async def work() -> None:
        file = await sent_file(server, owner)
        with pytest.raises(RefusedError, match="in a conversation") as refused:
            await AttachmentStore(SlowRecords()).delete_attachment(file.id, owner)
        assert refused.value.status == 409
        assert bytes_of(file.id).exists()
        [thread] = (await server.store.load_threads(9, None, "desc", owner)).data
        assert (await server.store.load_attachment(file.id, owner)).thread_id == thread.id
        delete = {"type": "threads.delete", "params": {"thread_id": thread.id}}
        await server.handle(parse_request(json.dumps(delete)), owner)
        assert not bytes_of(file.id).exists()

    run(work())


def test_a_file_is_sent_once_though_two_messages_have_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, server = RequestContext("somebody-with-two-tabs"), new_server()
    add = server.store.add_thread

    async def work() -> None:
        file = await sent_file(server, owner)
        sent = message("Look", attachments=[file.id])

        async def add_after_the_other_tab(*arguments: Any) -> None:
            monkeypatch.setattr(server.store, "add_thread", add)
            await events_of(server, owner, "threads.create", input=sent)
            await add(*arguments)

        monkeypatch.setattr(server.store, "add_thread", add_after_the_other_tab)
        with pytest.raises(RefusedError, match="in another conversation"):
            await events_of(server, owner, "threads.create", input=sent)
        [thread] = (await server.store.load_threads(9, None, "desc", owner)).data
        assert (await server.store.load_attachment(file.id, owner)).thread_id == thread.id

    run(work())


def test_a_file_is_uploaded_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger bytes are not written over those that are counted."""
    owner, server, save = RequestContext("somebody-impatient"), new_server(), files.save

    async def work() -> None:
        announced = await announced_file(server, owner)

        async def refuse_another() -> None:
            with pytest.raises(RefusedError, match="already uploaded"):
                await server.files.receive(announced, io.BytesIO(b"x" * 9999), owner)

        async def save_slowly(attachment_id: str, content: BinaryIO) -> None:
            await refuse_another()
            await save(attachment_id, content)

        monkeypatch.setattr(files, "save", save_slowly)
        await server.files.receive(announced, io.BytesIO(b"Hello"), owner)
        await refuse_another()
        sent = message("Look", attachments=[announced.id])
        await events_of(server, owner, "threads.create", input=sent)
        await refuse_another()
        assert bytes_of(announced.id).read_bytes() == b"Hello"
        assert await server.store.size_of_attachments(owner) == 5

    run(work())


def test_a_file_that_could_not_be_stored_may_be_sent_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, server, save = RequestContext("somebody-patient"), new_server(), files.save

    async def fail(attachment_id: str, content: BinaryIO) -> None:
        monkeypatch.setattr(files, "save", save)
        raise OSError("The disk is full.")

    async def work() -> None:
        announced = await announced_file(server, owner)
        monkeypatch.setattr(files, "save", fail)
        with pytest.raises(OSError, match="full"):
            await server.files.receive(announced, io.BytesIO(b"Hello"), owner)
        await server.files.receive(announced, io.BytesIO(b"Hello"), owner)
        assert bytes_of(announced.id).read_bytes() == b"Hello"

    run(work())


def delete_before(
    server: ChatKitServer, owner: RequestContext, method: str, patch: pytest.MonkeyPatch
) -> None:
    """Let a method of the store find that its thread was just deleted."""
    do = getattr(server.store, method)

    async def do_too_late(thread_id: str, *others: Any, **named: Any) -> Any:
        delete = {"type": "threads.delete", "params": {"thread_id": thread_id}}
        await server.handle(parse_request(json.dumps(delete)), owner)
        return await do(thread_id, *others, **named)

    patch.setattr(server.store, method, do_too_late)


def test_a_message_to_a_thread_that_is_deleted_meanwhile(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is stored it is refused; while it is answered, the answer ends in words."""
    owner, server = RequestContext("somebody-cleaning-up"), new_server()

    async def say(thread_id: str, file: Attachment) -> list[dict[str, Any]]:
        said = {"thread_id": thread_id, "input": message("Hello", attachments=[file.id])}
        return await events_of(server, owner, "threads.add_user_message", **said)

    async def work() -> None:
        first, second = [await begun_thread(server, owner) for _ in range(2)]
        unsent, sent = [await sent_file(server, owner) for _ in range(2)]
        with monkeypatch.context() as patch:
            delete_before(server, owner, "add_message", patch)
            with pytest.raises(NotFoundError, match=f"Thread {first} not found"):
                await say(first, unsent)
        assert bytes_of(unsent.id).exists(), "it can be sent in another conversation"
        delete_before(server, owner, "add_thread_item", monkeypatch)
        error = (await say(second, sent))[-1]
        assert "was deleted while" in error["message"]
        assert not error["allow_retry"]
        assert not bytes_of(sent.id).exists()
        assert (await server.store.load_threads(9, None, "desc", owner)).data == []

    run(work())


def test_a_turn_that_has_said_nothing_when_its_thread_is_deleted_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status can still say so."""
    owner, server = RequestContext("somebody-quick"), new_server()

    async def work() -> None:
        thread_id = await begun_thread(server, owner)
        page = await server.store.load_thread_items(thread_id, None, 1, "asc", owner)
        question = page.data[0].id
        delete_before(server, owner, "load_thread_items", monkeypatch)
        asked = {"thread_id": thread_id, "item_id": question}
        with pytest.raises(NotFoundError, match=f"Thread {thread_id} not found"):
            await events_of(server, owner, "threads.retry_after_item", **asked)

    run(work())


def attach_and_retract(person: Chat) -> str:
    """Send a file, retry the message before it, which deletes its message, and return its id."""
    thread_id = person.say("First")[0]["thread"]["id"]
    uploaded: str = person.upload("a.csv", *FILES["table.csv"]).json()["id"]
    send(person, thread_id, uploaded)
    retry(person, thread_id)
    return uploaded


def send(person: Chat, thread_id: str, attachment_id: str) -> None:
    """Write another message, with a file."""
    written = message("Second", attachments=[attachment_id])
    with person.stream("threads.add_user_message", thread_id=thread_id, input=written) as events:
        list(events)


def retry(person: Chat, thread_id: str) -> None:
    """Have the first message answered again, which deletes what follows it."""
    first = person.items(thread_id)[0]["id"]
    with person.stream("threads.retry_after_item", thread_id=thread_id, item_id=first) as events:
        list(events)


def test_a_file_that_an_earlier_message_has_too_outlives_a_retry(
    chat: Chat, server: Server
) -> None:
    thread_id, uploaded = attach(chat)
    send(chat, thread_id, uploaded)
    retry(chat, thread_id)
    query = f"SELECT conversation_id FROM attachments WHERE id = '{uploaded}'"
    assert server.sql(query) == [(thread_id,)], "the file is an orphan and will be swept away"


def noise(pixels: int) -> bytes:
    """Return a PNG that no format makes smaller."""
    rgb = random.Random(1).randbytes(pixels * pixels * 3)
    return saved(Image.frombytes("RGB", (pixels, pixels), rgb), "PNG")


async def thread_of(server: ChatKitServer, owner: RequestContext) -> ThreadMetadata:
    """Begin a conversation and return it."""
    return await server.store.load_thread(await begun_thread(server, owner), owner)


async def delete_thread(server: ChatKitServer, thread_id: str, owner: RequestContext) -> None:
    """Delete a conversation as the page does."""
    delete = {"type": "threads.delete", "params": {"thread_id": thread_id}}
    await server.handle(parse_request(json.dumps(delete)), owner)


def test_a_made_file_is_in_its_conversation_and_goes_with_it(run: Run) -> None:
    """It is counted, it is nobody else's, and it never waits to be sent."""
    owner, server, content = RequestContext("somebody-with-a-painter"), new_server(), noise(700)

    async def work() -> None:
        thread = await thread_of(server, owner)
        image = await server.files.keep_made_image(thread, "picture", content, owner)
        assert len(image.url) < 100_000
        with Image.open(io.BytesIO(base64.b64decode(image.url.split(",", 1)[1]))) as preview:
            assert preview.format == "WEBP"
        record = await server.store.load_attachment(image.id, owner)
        assert (record.name, record.mime_type) == ("picture.png", "image/png")
        assert record.thread_id == thread.id
        assert len(record.model_dump_json()) < 1000
        assert bytes_of(image.id).read_bytes() == content
        assert await server.store.size_of_attachments(owner) == len(content)
        assert await server.store.list_unsent_attachments(owner) == []
        with pytest.raises(NotFoundError):
            await server.store.load_attachment(image.id, RequestContext("bob"))
        with pytest.raises(RefusedError, match="in a conversation"):
            await server.files.delete_attachment(image.id, owner)
        await sweep(ChatKitStore(), TOMORROW)
        assert bytes_of(image.id).exists()
        await delete_thread(server, thread.id, owner)
        assert not bytes_of(image.id).exists()
        assert await server.store.size_of_attachments(owner) == 0

    run(work())


def test_the_picture_of_a_photo_is_large_enough_to_look_at(run: Run) -> None:
    owner, server = RequestContext("somebody-with-good-eyes"), new_server()
    photo = Image.effect_mandelbrot((1536, 1024), (-2.5, -1.5, 1.5, 1.5), 100)

    async def work() -> None:
        thread = await thread_of(server, owner)
        made = saved(photo, "PNG")
        image = await server.files.keep_made_image(thread, "picture.png", made, owner)
        with Image.open(io.BytesIO(base64.b64decode(image.url.split(",", 1)[1]))) as preview:
            assert preview.size == (1024, 683)

    run(work())


@pytest.mark.parametrize(
    ("name", "called", "content", "stored"),
    [
        ("picture", "image/png", picture("WEBP"), ("picture.webp", "image/webp")),
        ("picture.png", "image/png", picture(), ("picture.png", "image/png")),
        ("chart.jpeg", "image/jpg", picture("JPEG"), ("chart.jpeg", "image/jpeg")),
        ("table", "text/csv; charset=utf-8", b"a,b", ("table.csv", "text/csv")),
        ("../report.pdf", "", b"%PDF-1.7", ("report.pdf", "application/pdf")),
    ],
)
def test_a_made_file_is_what_its_content_is(
    run: Run, name: str, called: str, content: bytes, stored: tuple[str, str]
) -> None:
    owner, server = RequestContext("somebody-with-tools"), new_server()

    async def work() -> None:
        thread = await thread_of(server, owner)
        made = await server.files.keep_made_file(thread, name, called, content, owner)
        assert (made.name, made.mime_type) == stored
        assert bytes_of(made.id).read_bytes() == content

    run(work())


@pytest.mark.parametrize(
    ("settings", "called", "content", "status"),
    [
        ({}, "image/png", b"<script>", 415),
        ({}, "text/csv", b"\0", 415),
        ({}, "audio/wav", b"RIFF", 415),
        ({"ATTACHMENT_MAX_MB": "1"}, "text/plain", b"a" * 1_100_000, 413),
        ({"ATTACHMENTS_MAX_MB_PERSON": "1"}, "text/plain", b"a" * 1_100_000, 429),
        ({"ATTACHMENTS_MAX_MB_ALL": "1"}, "text/plain", b"a" * 1_100_000, 429),
        ({"ATTACHMENTS_MAX_MB_ADDRESS": "1"}, "text/plain", b"a" * 1_100_000, 429),
    ],
)
def test_a_made_file_that_is_refused_leaves_nothing(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    called: str,
    content: bytes,
    status: int,
) -> None:
    owner, server = RequestContext("guest_who-wants-more", address="192.0.2.1"), new_server()
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()

    async def work() -> None:
        thread = await thread_of(server, owner)
        before = set(attachments_folder().iterdir())
        with pytest.raises(RefusedError) as refused:
            await server.files.keep_made_file(thread, "a", called, content, owner)
        assert refused.value.status == status
        assert set(attachments_folder().iterdir()) == before
        assert await server.store.size_of_attachments(owner) == 0

    run(work())


def test_a_made_file_of_a_conversation_that_is_deleted_meanwhile(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, server, save = RequestContext("somebody-who-tidies"), new_server(), files.save

    async def work() -> None:
        thread = await thread_of(server, owner)
        before = set(attachments_folder().iterdir())

        async def save_too_late(attachment_id: str, content: BinaryIO) -> None:
            await delete_thread(server, thread.id, owner)
            await save(attachment_id, content)

        monkeypatch.setattr(files, "save", save_too_late)
        for _ in range(2):
            with pytest.raises(NotFoundError):
                await server.files.keep_made_file(thread, "a", "text/plain", b"Hello", owner)
        assert set(attachments_folder().iterdir()) == before
        await sweep(ChatKitStore(), TOMORROW)
        assert await server.store.size_of_attachments(owner) == 0

    run(work())


def test_the_last_item_with_a_made_file_takes_it_along(run: Run) -> None:
    """So does a retry, which deletes the items after a message."""
    owner, server = RequestContext("somebody-who-retries"), new_server()

    def item_with(thread: ThreadMetadata, content: str) -> HiddenContextItem:
        return HiddenContextItem(
            id=generate_id("message"),
            thread_id=thread.id,
            created_at=datetime.now(),
            content=content,
        )

    async def work() -> None:
        thread = await thread_of(server, owner)
        both, one = [
            await server.files.keep_made_file(thread, "a", "text/plain", b"Hello", owner)
            for _ in range(2)
        ]
        items = [item_with(thread, f"{both.id} {one.id}"), item_with(thread, both.id)]
        for item in items:
            await server.store.add_thread_item(thread.id, item, owner)
        await server.store.delete_thread_item(thread.id, items[0].id, owner)
        await sweep(ChatKitStore(), TOMORROW)
        assert [bytes_of(made.id).exists() for made in (both, one)] == [True, False]
        await server.store.delete_thread_item(thread.id, items[1].id, owner)
        await sweep(ChatKitStore(), TOMORROW)
        assert not bytes_of(both.id).exists()

    run(work())
