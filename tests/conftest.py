"""Every variant, rendered and installed once for all tests."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from contract.chat import Json
from filelock import FileLock
from support.backend import migrate, run_backend
from support.conversation import transcript
from support.processes import heed_signals
from support.projects import PACKAGES, Project, build_page, render_committed, share
from support.updating import compiled_once as compiled_once
from support.updating import fresh as fresh
from support.updating import releases as releases
from support.variants import DEFAULT, VARIANTS, Variant
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

heed_signals()

collect_ignore = ["inside"]  # run where they are laid: in projects

INSTALL_FRONTEND = (
    "import os; from tools import FRONTEND; from tools.node import find_node, install_packages;"
    "install_packages(FRONTEND, find_node(), os.environ)"
)
"""In one line, for the command line of Windows."""

IDS = sorted(map(str, VARIANTS), key=len, reverse=True)
QUICK = ("test_repository", "test_render", "test_boot")
BUILT = "frontend/.next"
LONGEST = (
    "test_check_is_all_of_them",
    "test_what_projects_are_made_of_works",
    "test_what_the_page_is_made_of_works",
)
SHARING = ("test_model", "test_replicas", "test_s3", "test_sabotage_page", "test_samples")
"""Modules whose tests share servers, or a project."""

FOUND_OUT = {
    "pitfall": "pitfalls that were put back, and what caught them",
    "recipe": "lines of the recipes",
}
"""Properties of tests, and what they say."""

ATTACKS = "tests/attacks/"
"""Where the tests of all modules do."""


def variant_of(nodeid: str) -> str | None:
    """Return the id of the variant that a test is of."""
    return next((name for name in IDS if name in nodeid.partition("[")[2]), None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is of a variant, and what is quick."""
    variant = variant_of(item.nodeid)
    if variant:
        item.add_marker("variant")
    if item.path.stem in QUICK and variant in (None, str(DEFAULT)):
        item.add_marker("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process works alone in the end."""
    items.sort(key=lambda item: not item.name.startswith(LONGEST))


class ByVariant(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Lets one process run all tests of a variant, and so install it once.

    xdist's own groups (`--dist=loadgroup`) are not seen with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        variant = variant_of(nodeid)
        if variant:  # those inside WSL are compared with those outside
            return variant.removesuffix("-wsl")
        if nodeid.startswith(ATTACKS):
            return ATTACKS
        return module if module in SHARING else nodeid


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run tests: two for each processor, as most of them wait."""
    return 2 * (os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByVariant:
    """Tell xdist which process runs what."""
    return ByVariant(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have found out."""
    reports = terminalreporter.getreports("passed")
    properties = [one for report in reports for one in report.user_properties]
    for kind, title in FOUND_OUT.items():
        if lines := sorted(str(text) for name, text in properties if name == kind):
            terminalreporter.section(title)
            terminalreporter.write_line("\n".join(lines))


Installed = Callable[[Variant], Project]


@pytest.fixture(scope="session")
def project_of(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return a variant's project, rendered and committed when it is first asked for."""

    @cache
    def get(variant: Variant) -> Project:
        return render_committed(tmp_path_factory.mktemp(str(variant)) / "my-chat", variant)

    return get


Install = Callable[[Project], Project]
Made = Callable[[str, Callable[[Project], object]], Project]


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def made(common: Path) -> Made:
    """Return a project of the default variant that the first process has made for all."""

    def get(name: str, make: Callable[[Project], object]) -> Project:
        project, is_done = Project(common / name / "my-chat", DEFAULT), common / f"{name}-is-done"
        with FileLock(common / f"{name}-lock"):
            if not is_done.exists():
                make(render_committed(project.path, DEFAULT))
                is_done.touch()
        return project

    return get


@pytest.fixture(scope="session")
def install(made: Made) -> Install:
    """Install both sides of a project; the packages of npm are shared."""

    def install_frontend(project: Project) -> None:
        project.run("uv", "run", "python", "-c", INSTALL_FRONTEND)

    def install(project: Project) -> Project:
        share(made("packages", install_frontend), project, PACKAGES)
        project.run("uv", "sync", "--quiet")
        return project

    return install


@pytest.fixture(scope="session")
def installed(project_of: Installed, install: Install) -> Installed:
    """Return a variant's project, installed when it is first asked for."""
    return cache(lambda variant: install(project_of(variant)))


@pytest.fixture(scope="session")
def built(installed: Installed, made: Made) -> Installed:
    """Return a variant's project with its page built for production; the build is shared."""

    def build(project: Project) -> None:
        share(installed(DEFAULT), project, PACKAGES)
        build_page(project)

    @cache
    def get(variant: Variant) -> Project:
        project = installed(variant)
        share(made("build", build), project, BUILT)
        return project

    return get


@pytest.fixture(scope="session")
def usual_transcript(project_of: Installed, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """What is heard from the default variant: any two are alike if both are like it."""
    project = project_of(DEFAULT)
    project.run("uv", "sync", "--quiet")
    folder = tmp_path_factory.mktemp("usual")
    url = migrate(project, folder / "chat.db")
    with run_backend(project, folder / "log", DATABASE_URL=url, OPENAI_API_KEY="") as backend:
        return transcript(backend.chat)
