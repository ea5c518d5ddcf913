"""The whole assistants of docs/recipes: each works in a project, through the page's server."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Install
from support.backend import migrate
from support.forked import PROJECT_PYTHON
from support.pitfall_tests import keep_pictures, run_playwright
from support.projects import BUILD, WITHOUT_KEY, Project, render_committed, types_cache
from support.variants import DEFAULT, ROOT

RECIPES = ROOT / "docs" / "recipes"
SAMPLES = ["support", "map", "newsroom", "pet"]
"""Each has a conversation in support/project_python, and those that are more than a chat a spec."""

FILE = re.compile(r"(?ms)^`(\S+)`:\n\n```\w+\n(.*?)^```$")
BLOCK = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
ROUTES = re.compile(r"(?s)const ROUTES = \[(.*?),?\s*\]")
SPEC = "tests/page/sample.spec.ts"
CHAT = "frontend/src/components/chat"


def text_of(name: str) -> str:
    return (RECIPES / f"{name}.md").read_text(encoding="utf-8")


def files_of(name: str) -> dict[str, str]:
    """Return the files of a recipe by their paths in a project."""
    return dict(FILE.findall(text_of(name)))


def write(project: Project, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = project.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def page_of_all() -> dict[str, str]:
    """Return the files of a page that has those of all recipes, each at an address of its own."""
    page: dict[str, str] = {}
    own: dict[str, list[str]] = {"effects": [], "page-context": []}
    routes: list[str] = []
    for name in SAMPLES:
        for path, text in files_of(name).items():
            if not path.startswith("frontend/"):
                continue
            path = path.replace("src/app/page.tsx", f"src/app/{name}/page.tsx")
            routes += ROUTES.findall(text)
            if path.startswith(CHAT) and Path(path).stem in own:
                own[Path(path).stem].append(name)
                path = path.replace(".ts", f"-{name}.ts")
            page[path] = text
    for path, text in page.items():
        page[path] = ROUTES.sub(f"const ROUTES = [{', '.join(routes)}]", text)
    page[f"{CHAT}/effects.ts"] = imports("effects", own["effects"]) + (
        "export function runEffect(effect: { name: string; data?: Record<string, unknown> }) {\n"
        + "".join(f"  {name}.runEffect(effect);\n" for name in own["effects"])
        + "}\n"
    )
    names = "".join(f"...{name}.PAGE_NAMES, " for name in own["page-context"])
    values = "".join(f"...{name}.pageContext(), " for name in own["page-context"])
    page[f"{CHAT}/page-context.ts"] = imports("page-context", own["page-context"]) + (
        f"export const PAGE_NAMES = [{names}];\nexport const pageContext = () => ({{ {values}}});\n"
    )
    return page


def imports(module: str, names: list[str]) -> str:
    return "".join(f'import * as {name} from "./{module}-{name}";\n' for name in names)


@pytest.fixture(scope="module")
def project(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project for one recipe after the other, with a page that is built for all."""
    path = tmp_path_factory.mktemp("samples") / "my-chat"
    project = install(render_committed(path, DEFAULT))
    project.commit("Lock the packages")
    write(project, page_of_all())
    project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY)
    return project


@pytest.fixture
def clean(project: Project) -> Project:
    """Return the project as it was copied."""
    project.run("git", "reset", "--quiet", "--hard")
    project.run("git", "clean", "--quiet", "-d", "--force")
    return project


@pytest.mark.parametrize("name", SAMPLES)
def test_it_works(
    name: str,
    clean: Project,
    common: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    files = files_of(name)
    lines = {
        side: sum(text.count("\n") for path, text in files.items() if path.startswith(side))
        for side in ("backend", "frontend")
    }
    record_property("recipe", f"{name}: {sum(lines.values())} {lines}")

    url = migrate(clean, tmp_path / "chat.db")
    write(clean, files)
    commands = [text for kind, text in BLOCK.findall(text_of(name)) if not kind]
    for command in "".join(commands).splitlines():
        clean.run(*shlex.split(command), cwd="backend", env={"DATABASE_URL": url})
    shutil.copy(PROJECT_PYTHON / f"{name}.py", clean.path / "backend/tests/test_sample.py")
    spec = PROJECT_PYTHON / f"{name}.spec.ts"
    if spec.exists():
        shutil.copy(spec, clean.path / "frontend" / SPEC)
    env = {"DATABASE_URL": url, "THROUGH_THE_PAGE": "1"}
    with types_cache(common, DEFAULT) as cache:
        clean.run("uv", "run", "--no-sync", "mypy", cwd="backend", env=cache)
    for check in (
        "ruff check",
        "ruff format --check",
        "lint-imports",
        "alembic check",
        "pytest -q -n0 tests/test_sample.py",
        "pytest -q -n0 tests/contract/test_answers.py -k two_client_tools",
    ):
        clean.run("uv", "run", "--no-sync", *check.split(), cwd="backend", env=env)
    for script in ("lint", "types"):
        clean.run("npm", "run", script, cwd="frontend")
    if spec.exists():
        assistant = clean.path / "backend/tests/contract/assistant.py"
        shutil.copy(PROJECT_PYTHON / "sample_assistant.py", assistant)
        verdict = run_playwright(clean, tmp_path / "report.json", [SPEC])
        keep_pictures(clean)
        assert verdict.failed | verdict.broken == {}


def test_the_list_has_every_sample() -> None:
    listed = (RECIPES / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert re.findall(r"\]\((.*)\.md\)", listed) == SAMPLES
