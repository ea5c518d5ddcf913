"""The ways in of the README, on machines that have Python, Node, git and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from contract.chat import visit
from support.dev import Dev
from support.inside import lay
from support.pitfall_tests import keep_pictures, run_playwright
from support.projects import Project
from support.proxy_trap import run_proxy_trap
from support.variants import DEFAULT, ROOT

NEWCOMER = "tests/internals/newcomer"

posix = pytest.mark.skipif(sys.platform == "win32", reason="the commands are typed into bash")


def block(words: str) -> str:
    """Return the commands of the README's block that has these words."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [found] = [one for one in re.findall(r"(?ms)^```[\w ]*\n(.*?)^```$", text) if words in one]
    return str(found).strip()


def test_ci_calls_exactly_what_the_readme_says() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == block("pytest")


@posix
def test_the_line_for_a_bare_machine_with_pip_ends_with_a_chat(tmp_path: Path) -> None:
    """In a browser that finds no way to OpenAI, on a machine that finds none but to registries."""
    clone, machine = clone_into(tmp_path), bare_machine(tmp_path)
    command = block("pip install uv")
    assert "\n" not in command
    project = Project(tmp_path / "my-chat", DEFAULT)
    with run_proxy_trap(registries(machine)) as trap:
        running = Dev(clone, machine | trap.environment, ["bash", "-c", command])
        try:
            address = running.wait_for_address(seconds=600)
            # What the message after copying says next.
            for words in ("git init", "git add .", 'git commit -m "Start my-chat"'):
                assert words in running.output
            project.run("git", "init", "--quiet")
            project.commit("Start my-chat")
            lay(project, f"frontend/{NEWCOMER}")
            config, report = f"{NEWCOMER}/playwright.config.ts", tmp_path / "report.json"
            verdict = run_playwright(project, report, config=config, env={"ADDRESS": address})
            keep_pictures(project)
            talk(address)  # also where there is no browser
        finally:
            running.stop()
        assert trap.hosts == []
    if verdict.skipped and not os.environ.get("CI"):
        pytest.skip("there is no Chromium")
    assert verdict.failed | verdict.broken == {}
    assert verdict.passed


def registries(machine: Mapping[str, str]) -> set[str]:
    """Return the hosts that packages come from: where uv has found ours, and where npm looks."""
    locked = (ROOT / "uv.lock").read_text(encoding="utf-8")
    npm = ["npm", "config", "get", "registry"]
    registry = subprocess.check_output(npm, env=dict(machine), encoding="utf-8").strip()
    addresses = [*re.findall(r'"(https?://[^"]+)"', locked), registry]
    return {str(urlsplit(address).hostname) for address in addresses}


@posix
def test_the_lines_for_uv_end_with_a_chat_where_pip_refuses(tmp_path: Path) -> None:
    """As in Debian, where uv's own installer has put it into ~/.local/bin."""
    clone = clone_into(tmp_path)
    machine = managed_machine(tmp_path)
    refused = ["python3", "-m", "pip", "install", "uv"]
    assert subprocess.run(refused, env=machine, capture_output=True, check=False).returncode
    running = Dev(clone, machine, ["bash", "-e", "-c", block("uvx copier copy")])
    chat_with(running)
    assert "not on the PATH" not in running.output
    project = tmp_path / "my-chat"
    # An update finds the template from any folder.
    answers = (project / ".copier-answers.yml").read_text(encoding="utf-8")
    assert f"_src_path: {clone}\n" in answers
    # After `pip install --user`, python3 -m uv runs what the shell does not find.
    uv = Path(machine["HOME"], ".local", "bin", "uv").rename(tmp_path / "uv")
    running = Dev(project, machine, [str(uv), "run", "dev"])
    chat_with(running)
    assert "uv is not on the PATH. Type python3 -m uv in place of uv" in running.output


SHELLS_OF_WINDOWS = {
    "powershell.exe": ("-NoProfile", "-ExecutionPolicy", "Bypass", "-File"),
    "pwsh.exe": ("-NoProfile", "-File"),
    "cmd.exe": ("/d", "/c"),
}


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has these shells")
@pytest.mark.parametrize("shell", SHELLS_OF_WINDOWS)
def test_the_lines_for_uv_end_with_a_chat_in_windows(tmp_path: Path, shell: str) -> None:
    clone = clone_into(tmp_path)
    lines, ending = block("uvx copier copy"), ".ps1"
    if shell == "cmd.exe":  # as the README says of it
        lines, ending = lines.replace('"$PWD"', '"%CD%"'), ".cmd"
    script = (tmp_path / "typed").with_suffix(ending)
    script.write_text(lines, encoding="utf-8")
    chat_with(Dev(clone, None, [shell, *SHELLS_OF_WINDOWS[shell], str(script)]))
    answers = (tmp_path / "my-chat" / ".copier-answers.yml").read_text(encoding="utf-8")
    assert str(clone) in answers


def clone_into(folder: Path) -> Path:
    """Clone the template, as its README says is done."""
    clone = folder / "copier-chatkit"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    return clone


def chat_with(running: Dev) -> None:
    """Open the address that a command ends with, and talk."""
    try:
        talk(running.wait_for_address(seconds=600))
    finally:
        running.stop()


def talk(address: str) -> None:
    """Be answered, without a browser."""
    answer = visit(address).say("Hello")[-1]
    assert answer["item"]["type"] == "assistant_message"


def bare_machine(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has only just installed Python, Node and git."""
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    needed = {Path(path).parent for name in ("node", "git", "bash") if (path := shutil.which(name))}
    path = os.pathsep.join(map(str, [folder / "python" / "bin", *needed, "/usr/bin", "/bin"]))
    assert shutil.which("uv", path=path) is None
    (folder / "home").mkdir()
    return {"PATH": path, "HOME": str(folder / "home"), "UV": ""}


def managed_machine(folder: Path) -> dict[str, str]:
    """Return the environment of somebody whose Python is the system's, with uv by its installer."""
    home, others = folder / "home", folder / "bin"
    uv = Path(os.environ.get("UV") or shutil.which("uv") or "")
    ours = home / ".local" / "bin"
    for place in (ours, others):
        place.mkdir(parents=True)
    for name in ("uv", "uvx"):
        shutil.copy(uv.with_name(name), ours)
    # Not that of a virtual environment, which uv does not take for tools.
    (others / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    for name in ("git", "node", "npm"):
        (others / name).symlink_to(shutil.which(name) or name)
    for program in (*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()):
        link = others / program.name
        if not link.is_symlink() and not link.name.startswith(("python", "pip", "uv")):
            link.symlink_to(program)
    pip = folder / "python" / "pip.py"
    pip.parent.mkdir()
    pip.write_text('raise SystemExit("error: externally-managed-environment")', encoding="utf-8")
    cache = subprocess.check_output([uv, "cache", "dir"], encoding="utf-8").strip()
    return {
        "PATH": os.pathsep.join(map(str, [ours, others])),
        "PYTHONPATH": str(pip.parent),
        "HOME": str(home),
        "UV": "",
        "UV_CACHE_DIR": cache,
    }
