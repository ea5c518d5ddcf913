"""A project below a path of a domain, behind nginx and beside other apps."""

from pathlib import Path

import httpx2
import pytest
from conftest import Install
from contract.chat import HTTP, Json, visit
from support.conversation import transcript
from support.deployed import deployed
from support.pitfall_tests import keep_pictures, run_playwright
from support.projects import BUILD, WITHOUT_KEY, Project, render_committed
from support.proxies import nginx
from support.replicas import UNBUFFERED
from support.variants import DEFAULT, ROOT

PATH = "/team/chat"
SPEC = "tests/page/sub-path.spec.ts"


@pytest.fixture(scope="module")
def project(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that is built for the path."""
    project = install(render_committed(tmp_path_factory.mktemp("sub-path") / "my-chat", DEFAULT))
    path = {"FRONTEND_BASE_PATH": PATH}
    project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY | path)
    return project


def test_the_whole_app_is_below_a_path(
    project: Project, usual_transcript: list[Json], tmp_path: Path
) -> None:
    """Slug: sub-path."""
    settings = {"FRONTEND_BASE_PATH": PATH, "NEXT_PUBLIC_CHAT": "basic"}
    with (
        deployed(project, tmp_path, page=settings) as both,
        nginx([both.page], tmp_path / "nginx", UNBUFFERED, path=PATH) as domain,
    ):
        page = f"{domain}{PATH}"
        assert "/_next/" not in httpx2.get(domain, **HTTP).text, "the path is not all of nginx"
        assert transcript(visit(page)) == usual_transcript
        file = {"name": "a.txt", "size": 1, "mime_type": "text/plain"}
        upload = visit(page).ask("attachments.create", **file)["upload_descriptor"]
        assert upload["url"].startswith(f"{page}/api/attachments/")
        manifest = httpx2.get(f"{page}/manifest.webmanifest", **HTTP).json()
        assert [manifest["start_url"], manifest["icons"][0]["src"]] == [".", "icon.svg"]

        spec = (ROOT / "tests/support/project_python/sub-path.spec.ts").read_text(encoding="utf-8")
        file_of_spec = project.path / "frontend" / SPEC
        file_of_spec.write_text(spec.replace("https://example.com/chat", page), encoding="utf-8")
        verdict = run_playwright(project, tmp_path / "report", [SPEC, "tests/page/page.spec.ts"])
    keep_pictures(project)
    assert verdict.failed | verdict.broken == {}
    assert any(SPEC in test for test in verdict.passed | verdict.skipped)


def test_a_server_with_another_path_than_its_build_does_not_start(project: Project) -> None:
    env = {"FRONTEND_BASE_PATH": "/elsewhere", "PORT": "0"}
    ended = project.run("node", "scripts/start.mjs", cwd="frontend", env=env, check=False)
    assert ended.returncode
    assert f'is "/elsewhere", and the page is built for "{PATH}"' in ended.stderr
