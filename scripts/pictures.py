"""Renew the pictures in docs/pictures, which show what a project of the last commit looks like.

    uv run --with pyte scripts/pictures.py

It needs a Chromium, and takes some minutes: somebody copies the template in a terminal and starts
the project; then a browser looks at the page, and at the admin of a project with Django.

`sources.json` tells what each picture was made of. tests/test_pictures.py fails when that changes:
styles, words, what the demo says. The code of the page's components is not among it. It mostly
changes in what it does, and a new layout comes with new styles.
"""

import ast
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "template" / "backend" / "tests")]

from contract.chat import Chat, free_port  # noqa: E402
from release_notes import version  # noqa: E402
from support.backend import migrate, run_backend  # noqa: E402
from support.dev import READY, dev  # noqa: E402
from support.inside import lay  # noqa: E402
from support.pitfall_tests import run_playwright  # noqa: E402
from support.processes import heed_signals  # noqa: E402
from support.projects import BUILD, WITHOUT_KEY, Project, clean_environment, render  # noqa: E402
from support.variants import DEFAULT, Variant  # noqa: E402
from terminal import Terminal, cast, film, still  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
DIGESTS = FOLDER / "sources.json"
TAKE = "tests/internals/pictures"

DEMO = "template/backend/src/kit/demo.py"
PAGE = "template/frontend/src"
PITFALLS = f"{PAGE}/kit/pitfalls.json"
TOOLS = "template/tools/src/tools"
SITE = "template/{% if framework == 'django' %}backend{% endif %}/src/app/site"
OF_THE_CHAT = (
    f"{PAGE}/app/globals.css",
    f"{PAGE}/chatkit.config.ts",
    f"{PAGE}/kit/basic/chat.module.css",
    f"{PAGE}/kit/basic/composer/composer.module.css",
    f"{PAGE}/kit/basic/items/items.module.css",
    f"{PAGE}/kit/basic/parts/icons.tsx",
    f"{PAGE}/kit/basic/parts/parts.module.css",
    f"{PAGE}/kit/basic/theme.ts",
    f"{PAGE}/kit/basic/widget/widget.module.css",
    f"{DEMO}#_card",
    f"{DEMO}#widget",
)
OF_THE_TERMINAL = ("hooks/before-copy.txt", "hooks/after-copy.txt", f"{TOOLS}/dev/sides.py#_ready")
SOURCES = {
    "page.png": (*OF_THE_CHAT, f"{DEMO}#_greet"),
    "phone.png": (*OF_THE_CHAT, f"{DEMO}#progress"),
    "panel.png": (
        f"{PAGE}/app/globals.css",
        f"{PAGE}/kit/kit.module.css",
        f"{PAGE}/kit/panel.tsx",
        f"{PITFALLS}#backend-down",
    ),
    "admin.png": (f"{SITE}/admin.py", f"{SITE}/models.py"),
    "doctor.svg": (f"{TOOLS}/doctor/checks.py#TextReport", f"{PITFALLS}#env-file-lost"),
    "terminal.svg": OF_THE_TERMINAL,
    "terminal.cast": OF_THE_TERMINAL,
}
"""What each picture shows: files, or after a # one function, class or pitfall of a file."""


def digests() -> dict[str, str]:
    """Return the digest of the sources of each picture, as they are now."""
    return {
        picture: sha256("\0".join(map(read, sources)).encode()).hexdigest()
        for picture, sources in SOURCES.items()
    }


def read(source: str) -> str:
    """Return the text of a source.

    Raises:
        StopIteration: the file has no part of this name.
    """
    path, _, part = source.partition("#")
    text = (ROOT / path).read_text(encoding="utf-8")
    if not part:
        return text
    if path.endswith(".json"):
        pitfalls = (one for section in json.loads(text) for one in section["pitfalls"])
        return json.dumps(next(one for one in pitfalls if one["slug"] == part))
    nodes = (node for node in ast.parse(text).body if getattr(node, "name", "") == part)
    return ast.get_source_segment(text, next(nodes)) or ""


def main() -> None:
    """Make all pictures, and record what of."""
    heed_signals()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        project = film_the_start(home)
        project.run("git", "init", "--quiet")
        project.commit("Start my-chat")
        lay(project, f"frontend/{TAKE}")
        use_the_basic_chat(project)
        examine(project, home)
        project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY)
        with site(home) as variables:
            verdict = run_playwright(
                project, home / "report.json", config=f"{TAKE}/playwright.config.ts", env=variables
            )
        assert len(verdict.passed) == 4, verdict
        for picture in (project.path / "frontend" / "test-results" / "pictures").iterdir():
            shutil.copy(picture, FOLDER)
    DIGESTS.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")


def film_the_start(home: Path) -> Project:
    """Copy the template and start the project, as its README says, and return the project."""
    clone = home / "copier-chatkit"
    # Whoever copies it after a release is told this version.
    subprocess.run(["git", "clone", "--quiet", "--no-tags", ROOT, clone], check=True)
    subprocess.run(["git", "-C", clone, "tag", f"v{version()}"], check=True)
    ports = {"BACKEND_PORT": str(free_port()), "FRONTEND_PORT": str(free_port())}
    usual = dict(zip(ports.values(), ("8000", "3000"), strict=True))
    places = {str(home): "/home/me", os.path.expanduser("~"): "/home/me"}
    # What uv draws over, it would draw at places for longer names.
    settings = at_home(home) | ports | {"UV_NO_PROGRESS": "1"}
    terminal = Terminal(clone, settings, words=usual | places)
    terminal.type('uvx copier copy --defaults "$PWD" ../my-chat')
    terminal.type("cd ../my-chat")
    terminal.type("uv run dev", READY.pattern + r"(?s:.*\n\n)")
    terminal.close()
    keep("terminal.svg", film(terminal, "From the template to a chat"))
    keep("terminal.cast", cast(terminal))
    return Project(home / "my-chat", DEFAULT)


def at_home(home: Path) -> dict[str, str]:
    """Return the environment of somebody who is at home there, and need not load things again."""
    uv = subprocess.check_output(["uv", "cache", "dir"], encoding="utf-8").strip()
    npm = subprocess.check_output(["npm", "config", "get", "cache"], encoding="utf-8").strip()
    caches = {"UV_CACHE_DIR": uv, "npm_config_cache": npm}
    return clean_environment() | caches | {"HOME": str(home)}


def use_the_basic_chat(project: Project) -> None:
    """Let the page show the basic chat: OpenAI's is OpenAI's to show, and loads from there."""
    settings = project.path / "frontend" / ".env.local"
    with settings.open("a", encoding="utf-8") as file:
        file.write("\nNEXT_PUBLIC_CHAT=basic\n")


def examine(project: Project, home: Path) -> None:
    """Let the doctor say that the two sides of a running project have different secrets."""
    settings = project.path / "frontend" / ".env.local"
    healthy = settings.read_text(encoding="utf-8")
    with dev(project) as running:
        running.wait_for_address()
        settings.write_text(healthy + f"CHATKIT_SECRET={secrets.token_hex(16)}\n", encoding="utf-8")
        ports = {
            "BACKEND_PORT": str(running.backend_port),
            "FRONTEND_PORT": str(running.frontend_port),
        }
        terminal = Terminal(project.path, at_home(home) | ports, columns=100, lines=60)
        terminal.type("uv run doctor")
        terminal.close()
    settings.write_text(healthy, encoding="utf-8")
    keep("doctor.svg", still(terminal, "What uv run doctor says of secrets that differ"))


@contextmanager
def site(home: Path) -> Iterator[dict[str, str]]:
    """Serve a Django project with a conversation, and yield how to get into its admin."""
    project = render(home / "django", Variant("django", "sqlite", wsl=False))
    project.run("uv", "sync", "--quiet")
    database, password = home / "django.db", secrets.token_hex()
    settings = {"DATABASE_URL": migrate(project, database), "ASSISTANT": "demo"}
    user = {"DJANGO_SUPERUSER_USERNAME": "admin", "DJANGO_SUPERUSER_PASSWORD": password}
    manage = ("uv", "run", "--no-sync", "manage.py")
    project.run(*manage, "migrate", cwd="backend", env=settings)
    create = ("createsuperuser", "--noinput", "--email=")
    project.run(*manage, *create, cwd="backend", env=settings | user)
    with run_backend(project, home / "django.log", **settings) as backend:
        talk(backend.chat)
        address = backend.chat.url.removesuffix("/chatkit")
        yield {"ADMIN": address, "ADMIN_NAME": "admin", "ADMIN_PASSWORD": password}


def talk(chat: Chat) -> None:
    """Hold a conversation of texts: of a widget the admin shows all of its document."""
    first, *_ = chat.say("Show me sources")
    chat.say("Show me a correction", first["thread"]["id"])


def keep(name: str, text: str) -> None:
    """Write a picture, which must name nothing of this machine."""
    for mine in (tempfile.gettempdir(), os.path.expanduser("~")):
        assert mine not in text, f"{name} has {mine}"
    (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
