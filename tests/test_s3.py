"""Files in a bucket, which several machines share: moto's server stands in for S3."""

import random
import re
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from xml.etree import ElementTree

import httpx2
import pytest
from conftest import Installed
from contract.chat import HTTP, PATIENCE, Chat, message, wait_until
from support.backend import Backend, migrate, run_backend
from support.ports import free_port
from support.projects import Project, clean_environment
from support.variants import DEFAULT

RunBackend = Callable[..., AbstractContextManager[Backend]]

PREFIX = "my-chat/files"
SECRET = "a-secret-that-nobody-may-see"
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {
    "photo.png": (PNG, "image/png"),
    "notes.txt": ("Grüße\n".encode(), "text/plain"),
    # Larger than the parts in which S3 is sent a large file.
    "paper.pdf": (b"%PDF-1.7\n" + random.Random(1).randbytes(12_000_000), "application/pdf"),
}


@dataclass(frozen=True)
class Bucket:
    """A bucket, seen past the backend."""

    server: str

    @property
    def address(self) -> str:
        return f"{self.server}/bucket"

    @property
    def settings(self) -> dict[str, str]:
        """What a backend is told."""
        return {
            "ATTACHMENTS_URL": f"s3://bucket/{PREFIX}",
            "AWS_ENDPOINT_URL": self.server,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-central-1",
        }

    def names(self) -> set[str]:
        """Return the names of all objects."""
        listing = ElementTree.fromstring(httpx2.get(f"{self.address}?list-type=2", **HTTP).text)
        return {name.text or "" for name in listing.iterfind("{*}Contents/{*}Key")}

    def object(self, attachment_id: str) -> httpx2.Response:
        """Return what lies where the bytes of a file should be."""
        return httpx2.get(
            f"{self.address}/{PREFIX}/{attachment_id}",
            headers={"Authorization": "moto asks none"},
            **HTTP,
        )


@contextmanager
def run_s3(port: int) -> Iterator[Bucket]:
    """Run a server with an empty bucket until the end of the block."""
    bucket = Bucket(f"http://127.0.0.1:{port}")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", f"--port={port}"],
        env=clean_environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _has_bucket(process, bucket))
        yield bucket
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _has_bucket(process: subprocess.Popen[bytes], bucket: Bucket) -> bool:
    assert process.poll() is None, "moto ended"
    try:
        return httpx2.put(bucket.address, **HTTP).is_success
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
def project(project_of: Installed) -> Project:
    """A project whose backend is installed."""
    project = project_of(DEFAULT)
    project.run("uv", "sync", "--quiet")
    return project


@pytest.fixture(scope="module")
def run(project: Project, tmp_path_factory: pytest.TempPathFactory) -> RunBackend:
    """Run a backend of the project; all have one database, and none tells the secret."""
    database = migrate(project, tmp_path_factory.mktemp("database") / "chat.db")

    @contextmanager
    def start(bucket: Bucket, **settings: str) -> Iterator[Backend]:
        log_file = tmp_path_factory.mktemp("log") / "backend.log"
        settings = bucket.settings | {"DATABASE_URL": database, "OPENAI_API_KEY": ""} | settings
        with run_backend(project, log_file, **settings) as backend:
            yield backend
        assert SECRET not in backend.log

    return start


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with run_s3(free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def chat(run: RunBackend, bucket: Bucket) -> Iterator[Chat]:
    """A person at a backend that keeps its files in the bucket."""
    with run(bucket) as backend:
        yield backend.chat
        assert "Traceback" not in backend.log


def upload(chat: Chat, name: str) -> str:
    response = chat.upload(name, *FILES[name])
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize("name", FILES)
def test_a_file_lies_in_the_bucket_and_comes_back(
    chat: Chat, bucket: Bucket, name: str, phases: int
) -> None:
    content, mime_type = FILES[name]
    announced = None
    if phases == 2:
        params = {"name": name, "size": len(content), "mime_type": mime_type}
        announced = chat.ask("attachments.create", **params)["id"]
        assert chat.download(announced).status_code == 404
    response = chat.upload(name, content, mime_type, announced)
    assert response.status_code == 200, response.text
    uploaded = response.json()
    assert announced in (None, uploaded["id"])
    assert re.fullmatch("atc_[0-9a-f]{32}", uploaded["id"])
    assert f"{PREFIX}/{uploaded['id']}" in bucket.names()
    stored = bucket.object(uploaded["id"])
    assert stored.content == content
    in_parts = len(content) > 10_000_000
    assert bool(re.search(r"-\d+\"$", stored.headers["ETag"])) == in_parts
    assert chat.download(uploaded["id"]).content == content
    if mime_type == "image/png":
        assert uploaded["preview_url"].startswith("data:image/webp;base64,")


def test_a_deleted_file_is_gone_from_the_bucket(chat: Chat, bucket: Bucket) -> None:
    uploaded = upload(chat, "photo.png")
    before = bucket.names()
    for _ in range(2):
        assert chat.ask("attachments.delete", attachment_id=uploaded) == {}
    assert bucket.names() == before - {f"{PREFIX}/{uploaded}"}
    assert chat.download(uploaded).status_code == 404


def test_a_deleted_conversation_takes_its_files_along(chat: Chat, bucket: Bucket) -> None:
    sent, waiting = upload(chat, "photo.png"), upload(chat, "notes.txt")
    with chat.stream("threads.create", input=message("Look", attachments=[sent])) as events:
        thread_id = next(events)["thread"]["id"]
        list(events)
    [attached] = chat.items(thread_id)[0]["attachments"]
    assert attached["preview_url"].startswith("data:image/webp;base64,")
    before = bucket.names()
    chat.ask("threads.delete", thread_id=thread_id)
    assert bucket.names() == before - {f"{PREFIX}/{sent}"}
    assert chat.download(sent).status_code == 404
    assert chat.download(waiting).status_code == 200


def test_two_servers_see_the_same_files(chat: Chat, run: RunBackend, bucket: Bucket) -> None:
    with run(bucket) as other:
        for here, there in ((chat, other.chat), (other.chat, chat)):
            uploaded = upload(here, "photo.png")
            assert there.download(uploaded).content == PNG
            there.ask("attachments.delete", attachment_id=uploaded)
            assert here.download(uploaded).status_code == 404


def check_failure(backend: Backend, response: httpx2.Response) -> None:
    """Check that a person is told in words that something failed, and the log says what."""
    request_id = response.headers["X-Request-Id"]
    assert response.status_code == 500
    told = response.json()["message"]
    assert request_id in told
    assert not re.search(r"Traceback|s3|127\.0\.0\.1|bucket", told, re.IGNORECASE)
    assert re.search(rf"^ERROR: The request failed.*{request_id}", backend.log, re.MULTILINE)


def test_a_server_that_is_away_is_told_in_words(run: RunBackend) -> None:
    """And once it is back, all is well without a restart of the backend."""
    port = free_port()
    with run(Bucket(f"http://127.0.0.1:{port}")) as backend:
        chat = backend.chat
        check_failure(backend, chat.upload("photo.png", *FILES["photo.png"]))
        check_failure(backend, chat.upload("paper.pdf", *FILES["paper.pdf"]))
        with run_s3(port):
            uploaded = upload(chat, "photo.png")
            assert chat.download(uploaded).content == PNG
        check_failure(backend, chat.download(uploaded))
        check_failure(backend, chat.post("attachments.delete", attachment_id=uploaded))
        assert chat.say("Hello")[-1]["type"] == "thread.item.done"


def test_a_server_that_does_not_answer_is_not_waited_for_long(run: RunBackend) -> None:
    """It is asked again for some seconds, and not for longer than a person waits."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with run(Bucket(address), AWS_TIMEOUT="4s") as backend:
            check_failure(backend, backend.chat.upload("photo.png", *FILES["photo.png"]))


def test_a_download_may_take_its_time(run: RunBackend, bucket: Bucket) -> None:
    """A person's slow connection is no reason to take the store for one that does not answer."""
    content = b"%PDF-1.7\n" + bytes(30_000_000)
    little = httpx2.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)])
    with (
        run(bucket, AWS_TIMEOUT="1s", ATTACHMENT_MAX_MB="40") as backend,
        httpx2.Client(transport=little, **HTTP) as person,
    ):
        uploaded = backend.chat.upload("paper.pdf", content, "application/pdf").json()["id"]
        with person.stream("GET", backend.chat.file_url(uploaded)) as response:
            chunks = response.iter_raw()
            received = next(chunks)
            time.sleep(12)  # longer than a request to the bucket, and its repetitions, may take
            assert b"".join([received, *chunks]) == content


def test_a_bucket_that_is_not_there_is_told_in_words(run: RunBackend, bucket: Bucket) -> None:
    with run(bucket, ATTACHMENTS_URL="s3://another-one/files") as backend:
        check_failure(backend, backend.chat.upload("photo.png", *FILES["photo.png"]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("s3://", "Unable to recognise"),
        ("s3:/bucket/prefix", "Unable to recognise"),
        ("ftp://ada:the-password@host/prefix", "Unable to recognise"),
        ("https://s3.example.com/bucket", "no address of S3"),
        ("~nobody-of-this-name/files", "home directory"),
        ("/proc", "/proc"),  # it is there, and not even root can write there
        ("/dev/null/files", "Not a directory"),
    ],
)
def test_a_wrong_address_is_refused_at_the_start(project: Project, value: str, words: str) -> None:
    settings = {"APP_ENV": "development", "ATTACHMENTS_URL": value}
    python = str(project.python)
    serve = (python, "-m", "kit.serve")
    result = project.run(*serve, cwd="backend", env=settings, check=False, timeout=120)
    assert result.returncode == 2
    assert "ATTACHMENTS_URL is " in result.stderr
    assert words in result.stderr
    assert "a folder, or an address such as s3://bucket/prefix" in result.stderr
    assert "the-password" not in result.stderr
    assert "Traceback" not in result.stderr
