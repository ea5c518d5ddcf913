"""All commands that are printed work where they are printed: in sh, PowerShell and cmd.

PowerShell and cmd are not run here: what is typed into them is parsed (support/shells.py).
"""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import copier
import pytest
from conftest import Installed
from support.shells import PROGRAMS, SHELLS, problems
from support.variants import DEFAULT, ROOT, Variant

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
        commands.append(written.move_home(FOLDER, FOLDER.name))
    for command in commands:
        assert problems(command, shell) == []


@pytest.mark.parametrize("written", ["POWERSHELL"], indirect=True)
@pytest.mark.parametrize("quote", "'\u2018\u2019\u201a\u201b", ids=ascii)
def test_every_quote_that_ends_a_text_in_powershell_is_doubled(
    written: ModuleType, quote: str
) -> None:
    """PowerShell takes typographic quotes for straight ones. The parser here does not."""
    assert written.quoted(f"Ada{quote}s files") == f"'Ada{quote}{quote}s files'"
    assert written.with_variable("WHO", quote, "a") == f"$env:WHO='{quote}{quote}'; a"


def test_what_the_tools_write_does_what_it_says(tmp_path: Path) -> None:
    """In a real shell: paths keep their spaces, quotes and signs."""
    module = load()
    home, folder = tmp_path / "home", tmp_path / "Ada's files (2)" / "my $HOME chat"
    home.mkdir()
    say = f"{module.quoted(sys.executable)} -c 'import os; print(os.environ.get(\"WHO\"))'"
    lines = [
        module.make_folder(folder),
        module.move_home(folder, folder.name),
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


WRITES = {"fetch", "get_uv", "in_turn", "make_folder", "unset", "with_other_ports", "to_linux"}
"""Functions that return commands for the shell of the person."""


def commands_of_findings() -> Iterator[tuple[str, ast.expr]]:
    """Yield what the doctor tells people to type, with where it stands."""
    for file in sorted(TOOLS.glob("doctor/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "command":
                yield f"{file.name}:{node.value.lineno}", node.value


def constants() -> dict[str, str]:
    """Return the texts that have names in the doctor's modules and in what they import."""
    return {
        node.targets[0].id: node.value.value
        for file in (TOOLS / "git.py", *TOOLS.glob("doctor/*.py"))
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
    """A command of all shells, or one that the tools write for the shell."""
    found = list(commands_of_findings())
    assert len(found) > 50
    wrong = [
        f"{place} {problem}"
        for place, node in found
        for text in texts(node, constants())
        if text
        for shell in SHELLS
        for problem in problems(text, shell)
    ]
    assert wrong == []


DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "tests/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
VARIANTS_WITH_COMMANDS = [DEFAULT, Variant("django", "mysql", wsl=True)]

BLOCK = re.compile(r"(?ms)^( *)```([^\n`]*)\n(.*?)^\1```$")
SPOKEN = {
    "sh": ("sh",),
    "PowerShell": ("powershell",),
    "cmd": ("bat",),
    "Linux, WSL and macOS": ("sh",),
    "Linux and macOS": ("sh",),
    "Windows": ("powershell", "bat"),
}
SPAN = re.compile(rf"(?s)(?:[Ii]n ({'|'.join(SPOKEN)})\s+)?(?<!`)(`+)(?!`)(.+?)(?<!`)\2(?!`)")
OF_SOME = {
    **dict.fromkeys(("brew", "mv", "python3", "ip", "wslinfo"), ("sh",)),
    **dict.fromkeys(("powershell", "python", "winget"), ("powershell", "bat")),
}
"""Programs whose names say to whom a command speaks."""

NAMED = {re.escape(name) for names in PROGRAMS.values() for name in names}
OTHERS = ("apt-get", "cat", "cp", "export", "pip", "rm", "sed", "source", "sudo", "wget")
BEGINS_A_COMMAND = re.compile(
    rf"(?:[A-Z_]+=\S* )?(?:{'|'.join(sorted(NAMED.union(OTHERS)))}) \S|.*&&"
)


def blocks(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands in blocks, and the shells that these claim: all, if they name none."""
    for _, info, commands in BLOCK.findall(text):
        shells = tuple(info.split()) or SHELLS
        if set(shells) <= set(SHELLS):
            yield commands, shells


def spans(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands within sentences, and the shells that the sentence names."""
    for spoken, _, span in SPAN.findall(BLOCK.sub("", text)):
        command = " ".join(span.split())
        if BEGINS_A_COMMAND.match(command) or spoken in ("sh", "PowerShell", "cmd"):
            program = command.split()[0]
            yield command, SPOKEN[spoken] if spoken else OF_SOME.get(program, SHELLS)


def wrong_in(text: str) -> list[str]:
    found = [*blocks(text), *spans(text)]
    return [one for text, shells in found for shell in shells for one in problems(text, shell)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_work_in_each_shell(document: Path) -> None:
    assert wrong_in(document.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("variant", VARIANTS_WITH_COMMANDS, ids=str)
def test_the_commands_of_a_project_s_documents_work_in_each_shell(
    project_of: Installed, variant: Variant
) -> None:
    project = project_of(variant).path
    documents = [project / "README.md", *sorted((project / "docs").glob("*.md"))]
    assert len(documents) > 5
    texts = [one.read_text(encoding="utf-8") for one in documents]
    words = (project / "frontend/src/kit/pitfalls.json").read_text(encoding="utf-8")
    texts += [one["cure"] for part in json.loads(words) for one in part["pitfalls"]]
    assert [one for text in texts for one in wrong_in(text)] == []


def test_a_document_of_a_project_says_what_is_typed_in_place_of_uv_uvx_and_npm(
    project_of: Installed,
) -> None:
    """In Windows python3 opens the Store, and PowerShell may refuse npm, which is a script."""
    document = (project_of(DEFAULT).path / "docs" / "run.md").read_text(encoding="utf-8")
    typed = {(command, shell) for command, shells in spans(document) for shell in shells}
    for shell in SHELLS:
        python = "python3" if shell == "sh" else "python"
        assert {(f"{python} -m uv", shell), (f"{python} -m uv tool run", shell)} <= typed
    first = next(part for part in document.split("\n\n") if "`npm" in part)
    assert "running scripts is disabled on this system, type `npm.cmd`" in " ".join(first.split())


def test_commands_of_one_shell_alone_are_found() -> None:
    """As they were in the documents once."""
    for command in (
        "a && b",
        "npm ci && npm run build",
        "unset OPENAI_API_KEY",
        "RECORD=1 uv run pytest tests/test_assistant.py",
        "ALLOW_PLACEHOLDER_DOMAIN_KEY=1 npm run build",
        "curl http://127.0.0.1:8000/health",
        "sed -i.bak 's/a/b/' backend/src/app/assistant.py",
    ):
        assert wrong_in(f"Type `{command}`.")
        assert wrong_in(f"```\n{command}\n```\n")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no folder with these names")
@pytest.mark.parametrize(
    ("system", "folder", "go"),
    [
        ("linux", "my-chat", "cd my-chat"),
        ("macos", "Ada's chat", "cd 'Ada'\"'\"'s chat'"),
        ("windows", "my-chat", "cd my-chat"),
        ("windows", "my chat", 'cd "my chat"'),
        ("windows", "D:/Ada/my-chat", 'pushd "D:/Ada/my-chat"'),  # cmd's `cd` stays on its drive
        ("windows", "my $chat's", "cd 'my $chat''s'"),
    ],
)
def test_what_copier_says_next_can_be_typed(
    system: str,
    folder: str,
    go: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("copier._main.OS", system)
    monkeypatch.chdir(tmp_path)
    copier.run_copy(str(ROOT), folder, defaults=True, vcs_ref="HEAD")
    said = capfd.readouterr().err.partition("is ready")[2]
    typed = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert typed[0] == go
    assert len(typed) > 4
    is_for_all = "$" not in folder
    shells = ("sh",) if system != "windows" else SHELLS[1:] if is_for_all else ("powershell",)
    assert [one for shell in shells for line in typed for one in problems(line, shell)] == []
