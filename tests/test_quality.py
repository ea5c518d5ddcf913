"""What the owner's own checks say of every variant, and what is left behind in git."""

import hashlib
import os
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from conftest import BUILT, Install, Installed, Made
from support.inside import INSIDE, lay
from support.owner_edits import remove_examples
from support.pitfall_tests import keep_pictures, read_verdict, run_playwright
from support.projects import Project, render_committed, share, types_cache
from support.sabotage_list import not_shown, read_table
from support.variants import (
    BY_DATABASE,
    DEFAULT,
    FRAMEWORKS,
    ROOT,
    RUN,
    STARTED,
    SYSTEMS,
    VARIANTS,
    WHOLE,
    Variant,
)

THROUGH_THE_PAGE = {"THROUGH_THE_PAGE": "1"}
INTERNALS = "tests/internals"
KIT, TOOLS = f"{INTERNALS}/kit", f"{INTERNALS}/tools"
NOT_CODE = (".env.example", ".md", ".copier-answers.yml")
CONVERSATIONS = "contract/test_conversations.py"
OF_VARIANTS = {
    CONVERSATIONS,
    "contract/test_files.py",
    "contract/test_requests.py",
    "internals/kit/test_attachments.py",
    "internals/kit/test_errors.py",
    "internals/kit/test_requests.py",
    "internals/kit/test_several_assistants.py",
}
"""Tests of a project whose outcome depends on framework and database.

The first with each framework and the first with each database run all of them. The others converse.
"""

OF_FRAMEWORKS = {
    "contract/test_people.py",
    "internals/kit/test_entry.py",
    "internals/kit/test_identity.py",
    "internals/kit/test_limits.py",
    "internals/kit/test_streaming.py",
    "test_main.py",
    "test_routes.py",
}
"""Those whose outcome depends on the framework alone. They speak HTTP, too."""

OF_DATABASES = {
    "contract/test_answers.py",
    "contract/test_database.py",
    "internals/kit/test_database.py",
    "internals/kit/test_database_url.py",
    "internals/kit/test_migrations.py",
    "internals/kit/test_retention.py",
    "internals/kit/test_store.py",
    "internals/kit/test_turns.py",
    "internals/tools/test_copy_database.py",
    "internals/tools/test_doctor_database.py",
    "internals/tools/test_doctor_round_trip.py",
    "internals/tools/test_doctor_running.py",
    "internals/tools/test_usage.py",
}
"""Those whose outcome depends on the database alone."""

OF_DJANGO = {"test_django.py"}
OF_NEITHER = {
    "contract/test_model.py",
    "internals/kit/test_any_library.py",
    "internals/kit/test_checkout.py",
    "internals/kit/test_conversation.py",
    "internals/kit/test_demo.py",
    "internals/kit/test_env_files.py",
    "internals/kit/test_fake_model.py",
    "internals/kit/test_kit_doc.py",
    "internals/kit/test_model.py",
    "internals/kit/test_model_files.py",
    "internals/kit/test_model_servers.py",
    "internals/kit/test_model_streams.py",
    "internals/kit/test_rooms.py",
    "internals/kit/test_sdk_bodies.py",
    "internals/kit/test_serve.py",
    "internals/kit/test_settings.py",
    "internals/kit/test_titles.py",
    "internals/kit/test_usage.py",
    "internals/kit/test_versions.py",
    "internals/tools/test_check.py",
    "internals/tools/test_dev_running.py",
    "internals/tools/test_dev_start.py",
    "internals/tools/test_doctor.py",
    "internals/tools/test_doctor_conversation.py",
    "internals/tools/test_doctor_model.py",
    "internals/tools/test_doctor_stopped.py",
    "internals/tools/test_doctor_wsl.py",
    "test_assistant.py",
}
"""Those that are run once, with the default answers."""


def code_of(project: Project) -> str:
    """Return a digest of all that is checked: what differs in comments and settings is not."""
    digest = hashlib.sha256()
    for name in project.run("git", "ls-files").stdout.splitlines():
        if not name.endswith(NOT_CODE):
            digest.update(name.encode() + b"\0" + (project.path / name).read_bytes())
    return digest.hexdigest()


def test_every_test_of_a_project_is_run(project_of: Installed) -> None:
    """By one of those below."""
    projects = [project_of(Variant(one, "sqlite", wsl=False)).path for one in FRAMEWORKS]
    folders = [folder / "backend" / "tests" for folder in (*projects, INSIDE)]
    files = {
        file.relative_to(folder).as_posix()
        for folder in folders
        for file in folder.rglob("test_*.py")
    }
    assert files == OF_VARIANTS | OF_FRAMEWORKS | OF_DATABASES | OF_DJANGO | OF_NEITHER


def test_every_test_that_shows_a_pitfall_is_run() -> None:
    """By one of those that compare what has passed with `sabotage/slugs.toml`."""
    run = (f"{KIT}/*.py::*", f"{TOOLS}/*.py::*", f"{INTERNALS}/*.spec.ts")
    shown = [one.shown for one in read_table() if one.shown]
    assert [one for one in shown if not any(fnmatch(one, pattern) for pattern in run)] == []


@pytest.mark.parametrize("variant", [one for one in RUN if one != DEFAULT], ids=str)
def test_its_own_checks_pass(
    installed: Installed, built: Installed, common: Path, variant: Variant
) -> None:
    """Through the page's server, built for production, where test_production.py is not enough.

    With what tests the project's insides, where that depends on the answers.
    """
    project = built(variant) if variant in WHOLE else installed(variant)
    for check in (("ruff", "check"), ("ruff", "format", "--check")):
        project.run("uv", "run", *check, cwd="backend")
    with types_cache(common, variant) as env:
        project.run("uv", "run", "mypy", cwd="backend", env=env)
    tests = set(OF_VARIANTS if variant in WHOLE else {CONVERSATIONS})
    if variant in STARTED:
        tests |= OF_FRAMEWORKS
    if variant in BY_DATABASE:
        tests |= OF_DATABASES
    if variant.framework == "django":
        tests |= OF_DJANGO
    lay(project, "backend")
    files = (f"tests/{name}" for name in sorted(tests))
    env = THROUGH_THE_PAGE if variant in WHOLE else {}
    project.run("uv", "run", "pytest", *files, cwd="backend", env=env, timeout=1800)
    assert set(project.git_status()) <= {"?? uv.lock"}


def test_check_is_all_of_them(built: Installed) -> None:
    """The front end is the same everywhere: it is checked here, and its page in a browser.

    By the command of the project's own workflow, with the backend's tests through the page.
    """
    project = built(DEFAULT)
    workflow = yaml.safe_load(
        (project.path / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    )
    command = workflow["jobs"]["check"]["steps"][-1]["run"]
    result = project.run(*shlex.split(command), env=THROUGH_THE_PAGE, check=False, timeout=1800)
    keep_pictures(project)
    printed = result.stdout + result.stderr
    assert result.returncode == 0, printed
    summary = printed.split("== Summary")[1]
    assert summary.count("passed") == 10, printed
    assert "FAILED" not in summary
    assert set(project.git_status()) <= {"?? uv.lock"}


@pytest.fixture(scope="module")
def laid(made: Made, install: Install, built: Installed) -> Project:
    """A built project with the tests of its insides, which the first process makes for all."""
    return made("laid", lambda project: share(built(DEFAULT), lay(install(project)), BUILT))


@pytest.mark.parametrize("folder", [KIT, TOOLS])
def test_what_projects_are_made_of_works(laid: Project, tmp_path: Path, folder: str) -> None:
    """And each pitfall is shown by the test that `sabotage/slugs.toml` names."""
    command = ("uv", "run", "--no-sync", "pytest", "--numprocesses=auto", "--dist=loadfile")
    report = tmp_path / "report"
    laid.run(*command, f"--junit-xml={report}", folder, cwd="backend", timeout=1800)
    assert not_shown(read_verdict(report), f"{folder}/*.py::*") == []
    assert set(laid.git_status()) <= {"?? uv.lock"}


def test_a_shell_that_ignores_signals_changes_no_outcome(laid: Project) -> None:
    """As `nohup` makes one, or a script that starts something in the background."""
    stops = "uv run --no-sync pytest -k test_a_stop_ends_it tests/internals/tools/test_dev_start.py"
    laid.run("sh", "-c", f"trap '' HUP INT TERM; {stops}", cwd="backend")


def test_what_the_page_is_made_of_works(laid: Project, tmp_path: Path) -> None:
    laid.run("npm", "test", "--", INTERNALS, cwd="frontend")
    verdict = run_playwright(laid, tmp_path / "report.json", [INTERNALS])
    keep_pictures(laid)
    assert verdict.failed | verdict.broken == {}
    assert not_shown(verdict, f"{INTERNALS}/*.spec.ts") == []
    assert set(laid.git_status()) <= {"?? uv.lock"}


def test_owners_may_change_what_is_an_example(install: Install, tmp_path: Path) -> None:
    """The example tools and the demo: what the contract promises is not about them.

    Of the page's tests test_page.py shows it.
    """
    project = remove_examples(install(render_committed(tmp_path / "my-chat", DEFAULT)))
    files = ("test_assistant.py", "test_main.py", CONVERSATIONS, "contract/test_model.py")
    project.run(
        "uv", "run", "--no-sync", "pytest", *(f"tests/{one}" for one in files), cwd="backend"
    )


def test_the_tests_of_insides_have_good_code(laid: Project, common: Path) -> None:
    """As the project's own: linted, formatted, and with types."""
    for check in (("check",), ("format", "--check")):
        ruff = ("uv", "run", "--no-sync", "ruff", *check, "--no-respect-gitignore", KIT, TOOLS)
        laid.run(*ruff, cwd="backend")
    with types_cache(common, DEFAULT) as env:
        laid.run("uv", "run", "--no-sync", "mypy", cwd="backend", env=env)
    for script in ("lint", "types"):
        laid.run("npm", "run", script, cwd="frontend")


OTHER_SYSTEMS = [one for one in SYSTEMS if one != "linux"]
OF_DJANGO_TOO = Variant("django", DEFAULT.database, wsl=False)


@pytest.mark.parametrize("system", OTHER_SYSTEMS)
def test_types_are_right_on_other_systems(laid: Project, common: Path, system: str) -> None:
    """With what tests the insides. No variant has code of a system; of Django see below."""
    with types_cache(common, DEFAULT, system) as env:
        mypy = ("uv", "run", "--no-sync", "mypy", f"--platform={system}")
        laid.run(*mypy, cwd="backend", env=env)


@pytest.mark.parametrize("system", OTHER_SYSTEMS)
@pytest.mark.parametrize("variant", [OF_DJANGO_TOO], ids=str)
def test_types_of_django_are_right_on_other_systems(
    installed: Installed, common: Path, variant: Variant, system: str
) -> None:
    with types_cache(common, variant, system) as env:
        installed(variant).run("uv", "run", "mypy", f"--platform={system}", cwd="backend", env=env)


def test_the_kit_of_the_page_imports_nothing_of_the_owners(laid: Project) -> None:
    """The linter says so of each import that runs back, and of no other."""
    back = [
        "@/app/page",
        "@/components/chat/chat",
        "@/lib/identity",
        "@/chatkit.config",
        "../../proxy",
    ]
    lines = [f'import "{name}";' for name in [*back, "@/kit/causes", "./guest", "next/server"]]
    file = laid.path / "frontend" / "src" / "kit" / "server" / "back.ts"
    file.write_text("\n".join(lines), encoding="utf-8")
    try:
        lint = ("npx", "biome", "lint", str(file))
        linted = laid.run(*lint, cwd="frontend", check=False)
    finally:
        file.unlink()
    refused = (linted.stdout + linted.stderr).count("noRestrictedImports")
    assert refused == len(back), linted.stdout


@pytest.mark.parametrize("variant", [one for one in VARIANTS if one.wsl], ids=str)
def test_inside_wsl_the_code_is_the_same(project_of: Installed, variant: Variant) -> None:
    outside = Variant(variant.framework, variant.database, wsl=False)
    assert code_of(project_of(variant)) == code_of(project_of(outside))


def test_what_measurements_run_in_a_project_has_its_types(
    installed: Installed, common: Path
) -> None:
    code = ROOT / "bench" / "in_project"
    paths = os.pathsep.join(["src", "tests", str(code)])
    mypy = ("uv", "run", "mypy", "--explicit-package-bases", str(code))
    with types_cache(common, DEFAULT) as env:
        installed(DEFAULT).run(*mypy, cwd="backend", env={"MYPYPATH": paths, **env})


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_front_end_is_the_same_everywhere(project_of: Installed, variant: Variant) -> None:
    trees = []
    for one in (DEFAULT, variant):
        listed = project_of(one).run("git", "ls-files", "-s", "frontend").stdout.splitlines()
        trees.append([line for line in listed if not line.endswith(NOT_CODE)])
    assert trees[0] == trees[1]


@pytest.mark.parametrize("variant", BY_DATABASE, ids=str)
def test_alembic_works_from_everywhere(installed: Installed, variant: Variant) -> None:
    """Slug: alembic-cannot-import. On the variant's own database, as it is after copying."""
    project = installed(variant)
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend")
    from_root = ("uv", "run", "alembic", "-c", "backend/alembic.ini")
    project.run(*from_root, "upgrade", "head")
    checked = project.run(*from_root, "check")
    assert "No new upgrade operations" in checked.stdout + checked.stderr
    project.run("uv", "run", "alembic", "downgrade", "base", cwd="backend")
    assert project.run(*from_root, "current").stdout.strip() == ""
    project.run(*from_root, "upgrade", "head")


@pytest.mark.parametrize("folder", [".", "backend"])
def test_production_installs_no_tool(installed: Installed, folder: str) -> None:
    export = ("uv", "export", "--quiet", "--no-hashes", "--no-annotate", "--no-header")
    with_tools = installed(DEFAULT).run(*export, cwd=folder).stdout
    without = installed(DEFAULT).run(*export, "--no-dev", cwd=folder).stdout
    for name in ("./tools", "psutil", "pytest"):
        assert name in with_tools
        assert name not in without
