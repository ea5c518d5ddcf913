"""Whether commands work in the shells that people type them into.

Their syntax is parsed. What a parser does not know is here: which programs each shell finds, what
Windows PowerShell 5.1 lacks, and the rules of cmd, of which there is no parser to be trusted.
"""

import re
from collections.abc import Iterator

import tree_sitter
import tree_sitter_bash
import tree_sitter_powershell

SHELLS = ("sh", "powershell", "bat")
"""By the names that code blocks in Markdown have for them."""

ANYWHERE = {
    "brew",
    "cd",
    "curl",
    "docker",
    "git",
    "mkdir",
    "node",
    "npm",
    "npx",
    "uv",
    "uvx",
    "wsl.exe",
}
PROGRAMS = {
    "sh": ANYWHERE | {"mv", "python3", "sh", "sudo", "unset"},
    # There `curl` is Invoke-WebRequest, and python3 in Windows opens the Store.
    "powershell": ANYWHERE - {"curl"}
    | {"Join-Path", "Remove-Item", "mv"}
    | {"curl.exe", "powershell", "pushd", "python", "setx", "winget"},
    "bat": ANYWHERE | {"curl.exe", "powershell", "pushd", "python", "set", "setx", "winget"},
}
"""What is typed, and is there in each."""

PARSERS = {
    "sh": tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language())),
    "powershell": tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language())),
}

VARIABLES = {"$?", "$HOME", "$PWD"}
"""Those that PowerShell and its users know, besides the environment's."""


def problems(commands: str, shell: str) -> list[str]:
    """Return why somebody could not type these lines into a shell; nothing if they work."""
    found = _in_cmd(commands) if shell == "bat" else _parsed(commands, shell)
    return [f"{shell}: {problem}: {commands}" for problem in found]


def _parsed(commands: str, shell: str) -> Iterator[str]:
    # PowerShell hands `-`, `--` and `--name=value` on. Its parser here takes the first two for
    # operators and ends the third before its value.
    text = re.sub(r"(?<= )(--( |(?=[\w-]+=))|-$)", "", commands, flags=re.MULTILINE)
    tree = PARSERS[shell].parse(text.encode())
    if tree.root_node.has_error:
        yield "no syntax of it"
    nodes = list(_nodes(tree.root_node))
    for node in nodes:
        text = node.text.decode() if node.text else ""
        if node.type == "command_name" and text not in PROGRAMS[shell]:
            yield f"no program {text}"
    if shell == "powershell":
        yield from _in_powershell(nodes)


def _in_powershell(nodes: list[tree_sitter.Node]) -> Iterator[str]:
    """Look for what parses, and means something else or nothing in Windows PowerShell 5.1."""
    for node in nodes:
        text = node.text.decode() if node.text else ""
        if node.type == "pipeline_chain_tail":
            yield f"{text} came with PowerShell 7"
        if node.type == "variable" and text not in VARIABLES and not text.startswith("$env:"):
            yield f"no variable {text}"
        if node.type.endswith("string_literal") and '"' in text[1:-1]:
            yield "quotes in an argument are lost on the way to a program"
        if node.type.endswith("string_literal") and not text[1:-1]:
            yield "an empty argument is lost on the way to a program"


def _nodes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


QUOTED = re.compile(r'"[^"]*"')
LITERAL = {
    "'": "is no quote",
    "`": "escapes nothing",
    "$": "begins no variable",
    ";": "ends no command",
    "#": "begins no comment",
    "~": "is not the home",
    "\\\n": "does not continue a line",
    "{": "is no group",
}
"""What other shells understand, and cmd hands on as it is."""


def _in_cmd(commands: str) -> Iterator[str]:
    for line in filter(None, commands.splitlines()):
        if line.count('"') % 2:
            yield 'a " is not closed'
        bare = QUOTED.sub('""', line)
        for sign, why in LITERAL.items():
            # In quotes, too, where other shells would have replaced it.
            if sign in bare or (sign in "$`" and sign in line):
                yield f"{sign} {why}"
        if re.search(r"[<>^]", bare):
            yield "< and > redirect, ^ escapes"
        if line.replace("%CD%", "").count("%"):
            yield "% is of a variable"
        if re.search(r"\bcd \w:", bare):
            yield "cd stays on its drive"
        for command in re.split(r"&&|\|\||[&|]", bare):
            name = command.split()[0] if command.split() else ""
            if name not in PROGRAMS["bat"]:
                yield f"no program {name}"
            if name == "set" and not re.fullmatch(r'\s*set ""\s*', command):
                yield "without quotes a space becomes part of the value"
