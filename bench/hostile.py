"""What a bystander waits for while somebody attacks, against alone.

The project runs as in production, with the limits of a new project. Each attacker goes on in a
process of its own for as long as the bystander is measured, with a new cookie whenever the old one
is refused. It takes what the servers leave of the processors, since it would have its own. What the
backend's process holds in memory meanwhile, without those that check images, stands beside the
bound that a project's docs/security.md names.

    uv run python -m bench.hostile
"""

import json
import multiprocessing
import sqlite3
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from itertools import count
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from contract.chat import PATIENCE, Json, message, visit
from support.deployed import Deployed, deployed
from support.forked import PROJECT_PYTHON
from support.ports import server_of

from bench.report import Figure, conclude
from bench.serving import IN_PROJECT, install, python

ROUNDS = 3
REQUESTS = 15
"""Of each kind in a round, alone and beside each attack."""

PAUSE_SECONDS = 0.1
"""Between two of the bystander's requests."""

BACKEND_MB = 512
CHECKS_MB = 2 * 1024
PAGE_MB = 1024
"""What docs/security.md of a project promises."""

ATTACKERS_NICE = 10
SETTLE_SECONDS = 2.0
"""How long an attack has been going on when the bystander comes."""

ATTACKER = "192.0.2.1"
NUMBERS = count(1)
"""Of the bystander's addresses: more than a minute is allowed would be asked from one."""

SPAWN = multiprocessing.get_context("spawn")
LISTS = b"[" + b",".join([b"[]"] * 3_400_000) + b"]"
EMPTY_LISTS: list[list[int]] = [[]] * 4900
"""As many as a body may hold, in 20 KB."""

CONNECTIONS = 10
FLOOD = 100
DENSE_MESSAGES = 21
SLOW_UPLOADS = 1100
UNREAD = 20
ITEMS = 9999
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = (
    '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\nContent-Type: {}\r\n\r\n'
)


class Browser:
    """Somebody's browser, which keeps its connection."""

    def __init__(self, page: str, address: str) -> None:
        """Open the page from a network address."""
        self._headers = {**visit(page).headers, "X-Forwarded-For": address}
        self._connection = HTTPConnection(urlsplit(page).netloc, timeout=120)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Send something, read the answer, and return its status."""
        self._connection.request("POST", path, body, self._headers | headers)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def list_threads(self) -> int:
        """Ask for the history."""
        return self.post("/api/chatkit", b'{"type":"threads.list","params":{}}', JSON)

    def upload(self, name: str, content: bytes, mime_type: str) -> int:
        """Send a file."""
        form = HEAD.format(name, mime_type).encode() + content + b"\r\n--b--\r\n"
        return self.post("/api/attachments", form, FORM)


def again_and_again(page: str, begun: Event, attack: Callable[[Browser], int]) -> None:
    """Attack until the process is ended."""
    while True:
        with suppress(OSError, HTTPException, AssertionError):
            browser = Browser(page, ATTACKER)
            begun.set()
            while attack(browser) != 429:
                pass


def flood(
    page: str, begun: Event, connections: int, cookie: str | None, kind: str, params: Json
) -> None:
    """Ask for the same over many connections, whatever is answered."""
    headers = {"Cookie": cookie or visit(page).headers["Cookie"], "X-Forwarded-For": ATTACKER}
    body = json.dumps({"type": kind, "params": params})

    def ask() -> None:
        while True:
            with suppress(OSError, HTTPException):
                connection = HTTPConnection(urlsplit(page).netloc, timeout=120)
                while True:
                    connection.request("POST", "/api/chatkit", body, {**headers, **JSON})
                    connection.getresponse().read()

    for _ in range(connections):
        threading.Thread(target=ask, daemon=True).start()
    begun.set()
    time.sleep(3600)


def send_lists(page: str, begun: Event) -> None:
    """10 MB of lists in no request of ChatKit's."""
    body = b'{"type":"x","a":' + LISTS + b"}"
    again_and_again(page, begun, lambda browser: browser.post("/api/chatkit", body, JSON))


def send_metadata(page: str, begun: Event) -> None:
    """The same beside speech, which may be as large."""
    speech = b'{"audio_base64":"AAAA","mime_type":"audio/webm"}'
    body = b'{"type":"input.transcribe","params":' + speech + b',"metadata":{"a":' + LISTS + b"}}"
    again_and_again(page, begun, lambda browser: browser.post("/api/chatkit", body, JSON))


def send_bad_items(page: str, begun: Event) -> None:
    """512 KB of parts of a message that are none."""
    parts: list[object] = [{}] * 170_000
    body = json.dumps({"type": "threads.create", "params": {"input": {"content": parts}}})
    packed = body.replace(" ", "").encode()
    again_and_again(page, begun, lambda browser: browser.post("/api/chatkit", packed, JSON))


def send_image(page: str, begun: Event, image: Path) -> None:
    """An image of a few KB that takes long, or much memory."""
    content, mime_type = image.read_bytes(), f"image/{image.suffix[1:]}"
    again_and_again(page, begun, lambda browser: browser.upload(image.name, content, mime_type))


def upload_slowly(page: str, begun: Event) -> None:
    """1,100 files of one guest, of which nothing comes but the beginning."""
    headers = {**visit(page).headers, **FORM, "X-Forwarded-For": ATTACKER}
    held: list[HTTPConnection] = []
    while True:
        with suppress(OSError):
            while len(held) < SLOW_UPLOADS:
                connection = HTTPConnection(urlsplit(page).netloc, timeout=120)
                connection.putrequest("POST", "/api/attachments")
                for name, value in {**headers, "Content-Length": "1000000"}.items():
                    connection.putheader(name, value)
                connection.endheaders(HEAD.format("a.txt", "text/plain").encode())
                held.append(connection)
            begun.set()
        time.sleep(1)


def read_nothing(page: str, begun: Event, cookie: str, thread_id: str) -> None:
    """20 answers with all items of a long conversation, none of which is read."""
    params = {"thread_id": thread_id, "limit": ITEMS, "order": "asc"}
    body = json.dumps({"type": "items.list", "params": params})
    held = []
    for _ in range(UNREAD):
        connection = HTTPConnection(urlsplit(page).netloc, timeout=120)
        connection.request(
            "POST", "/api/chatkit", body, {"Cookie": cookie, "X-Forwarded-For": ATTACKER, **JSON}
        )
        held.append(connection)
    begun.set()
    time.sleep(3600)


def long_conversation(site: Deployed, database: Path) -> tuple[str, str]:
    """Return the cookie of somebody and the id of their conversation of 9,999 long messages."""
    person = site.visit()
    thread_id: str = person.say("x" * 2000)[0]["thread"]["id"]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.row_factory = sqlite3.Row
        first = "SELECT * FROM messages WHERE conversation_id = ? AND position = 1"
        row = dict(connection.execute(first, [thread_id]).fetchone())
        for number in range(ITEMS):
            item_id = f"msg_{number:032x}"
            document = row["document"].replace(row["id"], item_id)
            new = row | {"id": item_id, "position": number + 1000, "document": document}
            marks = ", ".join("?" * len(new))
            connection.execute(
                f"INSERT INTO messages ({', '.join(new)}) VALUES ({marks})", [*new.values()]
            )
    return person.headers["Cookie"], thread_id


def dense_conversation(site: Deployed) -> tuple[str, str]:
    """Return the cookie of somebody and the id of their conversation, of thousands of lists."""
    person = site.visit(f"203.0.113.{next(NUMBERS)}")
    tag = {"type": "input_tag", "id": "", "text": "notice", "data": {"": EMPTY_LISTS}}
    dense = message("", content=[tag])
    thread_id: str = person.say("notice")[0]["thread"]["id"]
    for _ in range(DENSE_MESSAGES):
        params = {"thread_id": thread_id, "input": dense}
        assert person.post("threads.add_user_message", **params).status_code == 200
    return person.headers["Cookie"], thread_id


@contextmanager
def going_on(page: str, attack: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Let an attack go on until the end of the block."""
    begun = SPAWN.Event()
    process = SPAWN.Process(target=attack, args=(page, begun, *arguments))
    process.start()
    psutil.Process(process.pid).nice(ATTACKERS_NICE)
    try:
        assert begun.wait(PATIENCE), "the attack does not begin"
        time.sleep(SETTLE_SECONDS)
        yield
        assert process.is_alive(), "the attack has ended"
    finally:
        process.kill()
        process.join()


class Watch:
    """Sees the most that processes hold in memory, in MB."""

    def __init__(self, site: Deployed) -> None:
        """Watch both sides of a project."""
        self.backend = self.checks = self.page = 0.0
        self._sides = [server_of(urlsplit(url).port or 80) for url in (site.backend, site.page)]
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        backend, page = self._sides
        while backend.is_running():
            with suppress(psutil.Error):
                self.backend = max(self.backend, megabytes(backend))
                checks = sum(megabytes(child) for child in backend.children())
                self.checks = max(self.checks, checks)
                self.page = max(self.page, megabytes(page))
            time.sleep(0.02)


def megabytes(process: psutil.Process) -> float:
    """Return what a process holds in memory."""
    return float(process.memory_info().rss) / 1024 / 1024


def measure(page: str) -> dict[str, list[float]]:
    """Return how many milliseconds the requests of a bystander took, by their kinds."""
    bystander = Browser(page, f"198.51.100.{next(NUMBERS)}")
    kinds: dict[str, Callable[[], int]] = {
        "history": bystander.list_threads,
        "upload": lambda: bystander.upload("a.txt", b"Hello", "text/plain"),
    }
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(REQUESTS):
        for kind, ask in kinds.items():
            time.sleep(PAUSE_SECONDS)
            start = time.perf_counter()
            status = ask()
            took[kind].append((time.perf_counter() - start) * 1000)
            assert status == 200, f"the bystander's {kind} was answered with {status}"
    return took


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = install(Path(folder), page=True)
        images = Path(folder) / "images"
        images.mkdir()
        project.run(python(project), str(PROJECT_PYTHON / "images.py"), str(images))
        database = Path(folder) / "hostile.db"
        # The assistant of the other measurements lies there; without a key the demo's answers.
        settings = {"DATABASE_URL": f"sqlite:///{database}", "PYTHONPATH": str(IN_PROJECT)}
        seen: dict[tuple[str, str], list[float]] = defaultdict(list)
        with deployed(project, Path(folder), backend=settings) as site:
            cookie, thread_id = long_conversation(site, database)
            dense, dense_id = dense_conversation(site)
            output = {"thread_id": "x", "result": EMPTY_LISTS}
            page_of_lists = {"thread_id": dense_id, "limit": ITEMS}
            attacks: dict[str, tuple[Callable[..., None], tuple[object, ...]]] = {
                "10 MB of lists": (send_lists, ()),
                "10 MB of lists beside speech": (send_metadata, ()),
                "512 KB of bad items": (send_bad_items, ()),
                "a slow JPEG": (send_image, (images / "one_scan_a_thousand_times.jpeg",)),
                "a large WebP": (send_image, (images / "black_of_49_megapixels.webp",)),
                "1,100 slow uploads": (upload_slowly, ()),
                "20 unread answers": (read_nothing, (cookie, thread_id)),
                "dense lists": (
                    flood,
                    (CONNECTIONS, None, "threads.add_client_tool_output", output),
                ),
                "a dense page": (flood, (CONNECTIONS, dense, "items.list", page_of_lists)),
                "100 readers": (flood, (FLOOD, None, "threads.list", {"limit": ITEMS})),
            }
            measure(site.page)  # what is loaded at the first request is
            watch = Watch(site)
            for number in range(ROUNDS):
                for name, (attack, arguments) in attacks.items():
                    for kind, took in measure(site.page).items():
                        seen[f"alone, {name}", kind] += took
                    with going_on(site.page, attack, *arguments):
                        for kind, took in measure(site.page).items():
                            seen[name, kind] += took
                    print(f"round {number + 1}, {name}: {watch.backend:.0f} MB", flush=True)
    waits = [
        Figure(
            f"{kind} beside {name}",
            seen[name, kind],
            seen[f"alone, {name}", kind],
            "ms",
            "alone",
            at_most=3.0,
        )
        for name in attacks
        for kind in ("history", "upload")
    ]
    memory = [
        Figure(f"memory of {name}", [held], [bound], "MB", "bound", at_most=1.0)
        for name, held, bound in (
            ("the backend", watch.backend, BACKEND_MB),
            ("the checks of images", watch.checks, CHECKS_MB),
            ("the page's server", watch.page, PAGE_MB),
        )
    ]
    conclude(*waits, *memory)


if __name__ == "__main__":
    main()
