"""Record what a terminal shows, and draw it: as an SVG that plays, or as one that stands still."""

import codecs
import json
import os
import re
import select
import sys
import time
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

PROMPT = r"\[\e[1;36m\]\w\[\e[0m\] $ "
AT_PROMPT = r"(^|\n)\S+ \$ $"
CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]|\r")
PATIENCE = 900

SPEED = 6
"""How much faster a recording is than what it shows."""
READING = 2.0
"""Seconds before a command is typed."""
ENDING = 8.0
"""Seconds for the last picture."""
FRAME = 0.6
"""Seconds for each picture, at least."""

WIDTH, HEIGHT, MARGIN = 8.4, 19, 16
"""Those of a character, and the space around all of them."""
BACKGROUND, FOREGROUND = "#18181b", "#e4e4e7"
COLOURS = {
    "red": "#f87171",
    "green": "#4ade80",
    "brown": "#facc15",
    "blue": "#60a5fa",
    "magenta": "#e879f9",
    "cyan": "#22d3ee",
}
FONT = "14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Cell(NamedTuple):
    """A character on the screen."""

    sign: str
    colour: str
    bold: bool


Rows = list[list[Cell]]


class Terminal:
    """A shell in a terminal, and all that it shows, each piece with its time."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        columns: int = 96,
        lines: int = 30,
        words: Mapping[str, str] | None = None,
    ) -> None:
        """Start the shell.

        Args:
            folder: where it starts.
            environment: its variables.
            columns: how wide the terminal is.
            lines: how high.
            words: what is shown in place of what this machine alone has, such as its free ports.
        """
        self.columns, self.lines = columns, lines
        self.shown: list[tuple[float, str]] = []
        self._words = words or {}
        self._clock, self._last = 0.0, time.monotonic()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._pid, self._side = _start_shell(folder, environment, (lines, columns))
        self._wait_for(AT_PROMPT, 0)

    @property
    def text(self) -> str:
        """All that was shown so far, without colours and the like."""
        return CONTROL.sub("", "".join(text for _, text in self.shown))

    def type(self, command: str, until: str = AT_PROMPT) -> None:
        """Type a command, and wait for a pattern: by default the next prompt."""
        before = len(self.text)
        self._clock += READING
        self._last = time.monotonic()
        os.write(self._side, f"{command}\n".encode())
        self._wait_for(until, before + len(command))

    def close(self) -> None:
        """Press Ctrl-C and leave the shell. Nothing of it is recorded."""
        recorded, before = list(self.shown), len(self.text)
        os.write(self._side, b"\x03")
        self._wait_for(AT_PROMPT, before)
        os.write(self._side, b"exit\n")
        os.waitpid(self._pid, 0)
        os.close(self._side)
        self.shown = recorded

    def _wait_for(self, pattern: str, before: int) -> None:
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text[before:]):
            assert time.monotonic() < end, self.text
            if select.select([self._side], [], [], 1)[0]:
                self._hear(os.read(self._side, 65536))

    def _hear(self, said: bytes) -> None:
        now = time.monotonic()
        self._clock += (now - self._last) / SPEED
        self._last = now
        text = self._decoder.decode(said)
        for true, shown in self._words.items():
            text = text.replace(true, shown)
        self.shown.append((round(self._clock, 2), text))


def _start_shell(
    folder: Path, environment: Mapping[str, str], size: tuple[int, int]
) -> tuple[int, int]:
    """Return the shell's process and our side of its terminal."""
    if sys.platform == "win32":
        raise OSError("Windows has no pseudo-terminals")
    import pty
    import termios

    pid, side = pty.fork()
    if pid == 0:
        os.chdir(folder)
        variables = {**environment, "PS1": PROMPT, "TERM": "xterm-256color"}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting"], variables)
    termios.tcsetwinsize(side, size)
    return pid, side


def cast(terminal: Terminal) -> str:
    """Return a recording in the format of asciinema, version 2."""
    head = {"version": 2, "width": terminal.columns, "height": terminal.lines}
    lines = [head, *([seconds, "o", text] for seconds, text in terminal.shown)]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def pictures(terminal: Terminal) -> list[tuple[float, Rows]]:
    """Return what the screen looks like, with the seconds from which it does so."""
    import pyte  # installed for the script alone: the tests only read which sources it has

    screen = pyte.Screen(terminal.columns, terminal.lines)
    stream = pyte.Stream(screen)
    found: list[tuple[float, Rows]] = []
    for seconds, text in terminal.shown:
        stream.feed(text)
        rows = [
            [
                Cell(char.data, char.fg, char.bold)
                for char in (screen.buffer[line][column] for column in range(terminal.columns))
            ]
            for line in range(terminal.lines)
        ]
        if found and seconds - found[-1][0] < FRAME:
            found[-1] = found[-1][0], rows
        elif not found or rows != found[-1][1]:
            found.append((seconds, rows))
    return found


def still(terminal: Terminal, title: str) -> str:
    """Return an SVG of the last picture, as high as what it shows."""
    [*_, (_, rows)] = pictures(terminal)
    while not "".join(cell.sign for cell in rows[-1]).strip():
        rows.pop()
    return _window(title, terminal.columns, len(rows), _drawn(rows))


def film(terminal: Terminal, title: str) -> str:
    """Return an SVG that plays all pictures, over and over; the last where nothing may move.

    The pictures lie side by side, and a window moves over them: no script, so GitHub plays it.
    """
    every = pictures(terminal)
    wide = terminal.columns * WIDTH
    whole = every[-1][0] + ENDING
    steps = "".join(
        f"{100 * seconds / whole:.2f}%{{transform:translateX({-number * wide:.0f}px)}}"
        for number, (seconds, _) in enumerate(every)
    )
    last = f"translateX({-(len(every) - 1) * wide:.0f}px)"
    style = (
        f"@keyframes film{{{steps}}}"
        f".film{{transform:{last};animation:film {whole:.1f}s steps(1,end) infinite}}"
        "@media(prefers-reduced-motion:reduce){.film{animation:none}}"
    )
    body = "".join(
        f'<g transform="translate({number * wide:.0f})">{_drawn(rows)}</g>'
        for number, (_, rows) in enumerate(every)
    )
    strip = f'<style>{style}</style><g class="film">{body}</g>'
    return _window(title, terminal.columns, terminal.lines, strip)


def _window(title: str, columns: int, lines: int, body: str) -> str:
    wide, high = columns * WIDTH, lines * HEIGHT
    full = f'width="{wide + 2 * MARGIN:.0f}" height="{high + 2 * MARGIN:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {full} role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>"
        f"<style>text{{font:{FONT};white-space:pre;fill:{FOREGROUND}}}.b{{font-weight:bold}}</style>"
        f'<rect {full} rx="8" fill="{BACKGROUND}"/>'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{wide:.0f}" height="{high}">{body}</svg></svg>\n'
    )


def _drawn(rows: Sequence[Sequence[Cell]]) -> str:
    return "".join(
        _written(list(group), line)
        for line, row in enumerate(rows)
        for _, group in groupby(enumerate(row), key=lambda each: each[1][1:])
    )


def _written(run: Sequence[tuple[int, Cell]], line: int) -> str:
    """Draw characters of one style, stretched to their cells, whatever font there is."""
    whole = "".join(cell.sign for _, cell in run)
    text = whole.strip()
    if not text:
        return ""
    column, (_, colour, bold) = run[0]
    column += len(whole) - len(whole.lstrip())
    place = (
        f'x="{column * WIDTH:.1f}" y="{line * HEIGHT + 14}" textLength="{len(text) * WIDTH:.1f}"'
    )
    fill = COLOURS.get(colour)
    look = (f' style="fill:{fill}"' if fill else "") + (' class="b"' if bold else "")
    return f"<text {place}{look}>{escape(text, quote=False)}</text>"
