"""All commands that are printed work where they are printed: in sh, PowerShell and cmd.

PowerShell and cmd are not run here: what is typed into them is parsed (support/shells.py).
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.shells import SHELLS, problems
from support.variants import ROOT

TOOLS = ROOT / "template" / "tools" / "src" / "tools"
NAMES = {"POSIX": "sh", "FISH": "sh", "POWERSHELL": "powershell", "CMD": "bat"}


def load() -> ModuleType:
    """Return the module of the tools that writes commands, for a shell to be chosen in it."""
    spec = importlib.util.spec_from_file_location("shell_of_the_tools", TOOLS / "shell.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, as somebody uses it who types into one of the shells."""
    module = load()
    chosen = module.Shell[request.param]
    monkeypatch.setattr(module, "shell", lambda: chosen)
    if request.param in ("POWERSHELL", "CMD"):
        monkeypatch.setattr(sys, "platform", "win32")
    return module


FOLDER = Path("/mnt/c/Ada's files (2)/my $HOME chat")


def test_what_the_tools_write_is_a_command(
    written: ModuleType, request: pytest.FixtureRequest
) -> None:
    shell = NAMES[request.node.callspec.params["written"]]
    is_cmd = shell == "bat"
    commands = [
        written.in_turn("git init", "git add .", 'git commit -m "Start"'),
        written.with_variable("BACKEND_PORT", "8001", "uv run dev"),
        written.with_variable("BACKEND_PORT", "a b", "uv run dev"),
        written.make_folder(Path("C:/Ada's files")),
        written.fetch("http://127.0.0.1:8000/health?a=1&b=2", "--head"),
        written.get_uv(),
        f"git checkout -- {written.quoted(Path('my files/(site)/page.tsx'))}",
    ]
    if written.shell().name != "FISH":  # which no parser here knows
        commands.append(written.unset("DATABASE_URL", "OPENAI_API_KEY"))
    if not is_cmd:  # there is none in Linux
        commands.append(written.move_home(FOLDER))
    for command in commands:
        assert problems(command, shell) == []


def test_what_the_tools_write_does_what_it_says(tmp_path: Path) -> None:
    """In a real shell: paths keep their spaces, quotes and signs."""
    module = load()
    home, folder = tmp_path / "home", tmp_path / "Ada's files (2)" / "my $HOME chat"
    home.mkdir()
    say = f"{module.quoted(sys.executable)} -c 'import os; print(os.environ.get(\"WHO\"))'"
    lines = [
        module.make_folder(folder),
        module.move_home(folder),
        module.with_variable("WHO", "Ada & Bob", say),
        "export WHO=nobody",
        module.unset("WHO"),
        module.in_turn(say, "false", "echo not this"),
    ]
    environment = os.environ | {"HOME": str(home)}
    result = subprocess.run(
        ["sh"],
        input="\n".join(lines),
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.stdout.split("\n") == ["Ada & Bob", "None", ""]
    assert (home / folder.name).is_dir()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="bash stands in for other shells")
@pytest.mark.parametrize(
    ("name", "shell"),
    [
        ("bash", "POSIX"),
        ("zsh", "POSIX"),
        ("fish", "FISH"),
        ("pwsh", "POWERSHELL"),
        ("powershell.exe", "POWERSHELL"),
        ("cmd.exe", "CMD"),
        ("bash.exe", "POSIX"),
    ],
)
def test_the_shell_that_a_person_types_into_is_found(tmp_path: Path, name: str, shell: str) -> None:
    ask = f"import sys; sys.path.insert(0, {str(TOOLS)!r}); import shell; print(shell.shell().name)"
    typed = in_a_shell(tmp_path, name, [sys.executable, "-c", ask])
    assert typed.stdout.strip() == shell


def in_a_shell(folder: Path, name: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as the child of a program of this name, which is bash."""
    stand_in = folder / name
    stand_in.symlink_to(shutil.which("bash") or "")
    line = '"$@"; exit $?'  # more than one command, or bash would become that one
    return subprocess.run(
        [stand_in, "-c", line, "-", *command], capture_output=True, encoding="utf-8", check=False
    )


SENTENCE = re.compile(r"(Set|Edit|Get|Remove|Add) .+")
"""How what is no command begins."""

WRITES = {"fetch", "get_uv", "in_turn", "make_folder", "unset", "with_another_port", "to_linux"}
"""Functions that return commands for the shell of the person."""


def commands_of_findings() -> Iterator[tuple[str, ast.expr]]:
    """Yield what the doctor tells people to type, with where it stands."""
    for file in sorted(TOOLS.glob("doctor/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "command":
                yield f"{file.name}:{node.value.lineno}", node.value


def constants() -> dict[str, str]:
    """Return the texts that have names in the doctor's modules."""
    return {
        node.targets[0].id: node.value.value
        for file in TOOLS.glob("doctor/*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def texts(node: ast.expr, names: dict[str, str]) -> Iterator[str]:
    """Yield what an expression can be, with a word for each value.

    What is written for a shell is left out: it is tested above.
    """
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from texts(node.body, names)
            yield from texts(node.orelse, names)
        case ast.Name():
            yield names[node.id]
        case ast.JoinedStr():
            parts = [
                part.value if isinstance(part, ast.Constant) else "word" for part in node.values
            ]
            yield "".join(map(str, parts))
        case ast.Attribute(attr="use_the_answer") | ast.Attribute(attr="command"):
            return
        case ast.Call(func=ast.Name(id=function)) if function in WRITES or function == "_start":
            return
        case _:
            pytest.fail(f"{ast.unparse(node)}: is this a command of every shell?")


def test_what_the_doctor_says_next_works_in_each_shell() -> None:
    """A command of all shells, one that the tools write for the shell, or a sentence."""
    found = list(commands_of_findings())
    assert len(found) > 50
    wrong = [
        f"{place} {problem}"
        for place, node in found
        for text in texts(node, constants())
        if not SENTENCE.fullmatch(text)
        for shell in SHELLS
        for problem in problems(text, shell)
    ]
    assert wrong == []
