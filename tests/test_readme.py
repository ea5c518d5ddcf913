"""The first command of the README, on a machine that has Python, Node, git and nothing else."""

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


def blocks() -> list[str]:
    """Return the commands of the README that stand in blocks of their own."""
    return [
        block.strip()
        for block in re.findall(
            r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
        )
    ]


def test_ci_calls_exactly_the_second_command() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == blocks()[1]


@pytest.mark.skipif(sys.platform == "win32", reason="the README's command is typed into a shell")
def test_the_first_command_ends_with_a_chat(tmp_path: Path) -> None:
    clone = tmp_path / "copier-chatkit"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    command = blocks()[0]
    assert "\n" not in command
    running = Dev(clone, bare_machine(tmp_path), ["bash", "-c", command])
    try:
        chat = visit(running.wait_for_address(seconds=600))
        answer = chat.say("Hello")[-1]
        assert answer["item"]["type"] == "assistant_message"
    finally:
        running.stop()
    project = tmp_path / "my-chat"
    # What the message after copying says next.
    for words in ("git init", "git add .", 'git commit -m "Start my-chat"'):
        assert words in running.output
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "-m", "Start my-chat"], cwd=project, check=True)


def bare_machine(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has only just installed Python, Node and git."""
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    needed = {Path(path).parent for name in ("node", "git", "bash") if (path := shutil.which(name))}
    path = os.pathsep.join(map(str, [folder / "python" / "bin", *needed, "/usr/bin", "/bin"]))
    assert shutil.which("uv", path=path) is None
    (folder / "home").mkdir()
    return {"PATH": path, "HOME": str(folder / "home"), "UV": ""}
