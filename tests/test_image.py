"""The image of the page's server: its Dockerfile's steps, run as a shell runs them."""

import json
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from conftest import Installed
from contract.chat import HTTP, PATIENCE, visit, wait_until
from support.backend import migrate, run_backend
from support.conversation import converse
from support.ports import free_port
from support.processes import is_up
from support.projects import PACKAGES, Project, clean_environment, share
from support.variants import DEFAULT


@dataclass
class Stage:
    """What a Dockerfile says from one FROM to the next."""

    env: dict[str, str] = field(default_factory=dict)
    copies: list[list[str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def stages(dockerfile: Path) -> list[Stage]:
    """Read a Dockerfile as far as ours go."""
    found: list[Stage] = []
    for line in dockerfile.read_text(encoding="utf-8").splitlines():
        instruction, _, rest = line.partition(" ")
        match instruction:
            case "FROM":
                found.append(Stage())
            case "ENV":
                found[-1].env |= dict(pair.split("=", 1) for pair in rest.split())
            case "ARG":
                found[-1].env |= dict([rest.split("=", 1)])
            case "COPY":
                found[-1].copies.append(rest.split())
            case "RUN":
                found[-1].runs.append(rest)
            case "CMD":
                found[-1].command = json.loads(rest)
            case "" | "#" | "WORKDIR" | "USER" | "EXPOSE":
                pass
            case _:
                raise AssertionError(line)
    return found


def build(project: Project, stage: Stage, folder: Path) -> None:
    """Run the steps of the build in a folder that has what git and .dockerignore leave of ours."""
    frontend = project.path / "frontend"
    ignored = (frontend / ".dockerignore").read_text(encoding="utf-8").split()
    shutil.copytree(frontend, folder, ignore=shutil.ignore_patterns(*ignored))
    assert not list(folder.glob(".env*")), "settings of one machine are in the image"
    share(project, Project(folder.parent, project.variant), PACKAGES)
    for command in stage.runs:
        if not command.startswith("npm ci"):  # its outcome is what was shared just now
            subprocess.run(
                command, shell=True, cwd=folder, env=clean_environment() | stage.env, check=True
            )


def copy_into_image(stage: Stage, built: Path, image: Path) -> None:
    """Do what the COPY lines of the last stage say, both working in /app."""
    for source_stage, source, target in stage.copies:
        assert source_stage.startswith("--from=")
        path = built / Path(source).relative_to("/app")
        shutil.copytree(path, image / target, dirs_exist_ok=True, symlinks=True)


def is_closed_to_nobody(port: int) -> bool:
    """Whether nobody's body is not waited for: src/instrumentation.ts is in the image, too."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        sender.sendall(b"POST /api/chatkit HTTP/1.1\r\nHost: page\r\nContent-Length: 9\r\n\r\n{")
        answer = b"".join(iter(lambda: sender.recv(65536), b""))
    return b" 401 " in answer.partition(b"\r\n")[0]


def test_the_image_serves_the_page(installed: Installed, tmp_path: Path) -> None:
    """Slugs: backend-url-baked-in, domain-key. The server is told both, and not the build."""
    project = installed(DEFAULT)
    building, running = stages(project.path / "frontend" / "Dockerfile")
    built, image = tmp_path / "frontend", tmp_path / "image"
    build(project, building, built)
    copy_into_image(running, built, image)

    secret = secrets.token_urlsafe(32)
    database = migrate(project, tmp_path / "chat.db")
    backend_settings = {"DATABASE_URL": database, "CHATKIT_SECRET": secret, "OPENAI_API_KEY": ""}
    with run_backend(project, tmp_path / "log", **backend_settings) as backend:
        port = free_port()
        settings = {
            "PORT": str(port),
            "BACKEND_URL": backend.chat.url.removesuffix("/chatkit"),
            "CHATKIT_SECRET": secret,
            "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY": "domain_pk_of_the_server",
        }
        server = subprocess.Popen(
            running.command, cwd=image, env=clean_environment() | running.env | settings
        )
        page = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: is_up(server.pid, page))
            assert "domain_pk_of_the_server" in httpx2.get(page, **HTTP).text
            converse(visit(page))
            assert is_closed_to_nobody(port)
        finally:
            server.terminate()
            server.wait(PATIENCE)
