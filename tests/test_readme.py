"""The ways in of the README, on machines that have Python, Node, git and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contract.chat import visit
from support.dev import Dev
from support.projects import GIT
from support.variants import ROOT

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
    clone = clone_into(tmp_path)
    command = block("pip install uv")
    assert "\n" not in command
    running = Dev(clone, bare_machine(tmp_path), ["bash", "-c", command])
    chat_with(running)
    project = tmp_path / "my-chat"
    # What the message after copying says next.
    for words in ("git init", "git add .", 'git commit -m "Start my-chat"'):
        assert words in running.output
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "-m", "Start my-chat"], cwd=project, check=True)


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
        chat = visit(running.wait_for_address(seconds=600))
        answer = chat.say("Hello")[-1]
        assert answer["item"]["type"] == "assistant_message"
    finally:
        running.stop()


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
