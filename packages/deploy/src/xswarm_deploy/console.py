"""All that is printed or asked: step lines, progress, tables, questions, JSON.

Whatever leaves through here is redacted. Colour, ticks that move and progress bars are
for terminals; a pipe gets plain lines.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TextIO

from xswarm_deploy.errors import Refused, typed
from xswarm_deploy.output import discard_output, escaped, inert, inert_json, unicode
from xswarm_deploy.secret import dumped, one_line, redact

_PATIENCE: Final = 1.0  # seconds until a progress bar is worth its line
_PIPE_PATIENCE: Final = 15.0  # seconds between two lines about progress, where there is no bar
_BAR: Final = 24
_NARROWEST: Final = 20  # characters of a column that is still worth folding

Progress = Callable[[str, int, "int | None", str], None]
"""Called as (label, done, total or None, unit) while something takes long."""


def no_progress(label: str, done: int, total: int | None, unit: str) -> None:
    """Show nothing."""


def in_bytes(progress: Progress, label: str) -> Callable[[int, int], None]:
    """Return what an upload tells its bytes to: done, and in all.

    Args:
        progress: where it is shown.
        label: what is uploaded.
    """
    return lambda done, total: progress(label, done, total, "bytes")


def coloured(stream: TextIO) -> bool:
    """Return whether a stream takes colour: a terminal, and NO_COLOR (no-color.org) is not set."""
    return moves(stream) and not os.environ.get("NO_COLOR")


def moves(stream: TextIO) -> bool:
    """Return whether a line can be replaced: on a terminal that knows how (not TERM=dumb)."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@dataclass
class StepLine:
    """One step while it runs: what it says behind its name when it is done."""

    name: str
    detail: str = ""
    mark: str = "✓"
    colour: str = "green"


@dataclass
class _Task:
    """What progress is shown of: since when, and how much was done then."""

    label: str = ""
    began: float = 0.0
    done: int = 0
    told: float = 0.0


@dataclass
class Console:
    """Print to one stream.

    Args:
        stream: where lines go; by default standard output.
        quiet: keep silent, as for ``--json``.
        lossy: whether output that cannot be written is dropped: a release goes on, and is undone,
            although its terminal has gone or the disk of its log is full.
    """

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    quiet: bool = False
    lossy: bool = False
    _task: _Task = field(default_factory=_Task)
    _bar_shown: bool = False

    def line(self, text: str = "", colour: str = "") -> None:
        """Print one line, whatever line ends the text holds."""
        if not self.quiet:
            self._clear_bar()
            self._put(self.paint(inert(one_line(text)), colour) + "\n")

    def json(self, data: Any) -> None:
        """Print data as JSON, also when quiet: it is what was asked for."""
        text = inert_json(dumped(data, indent=2, ordered=False))
        self._put((text if unicode(self.stream) else escaped(text)) + "\n")

    def warn(self, text: str) -> None:
        """Print a warning; its commands are shown as they are typed."""
        self.line(f"⚠ {typed(text)}", "yellow")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows in columns as wide as need be; on a terminal the last one is folded."""
        cells = [[one_line(str(cell)) for cell in row] for row in (header, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        indent = sum(widths[:-1]) + 2 * len(widths)
        for index, row in enumerate(cells):
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for line in self._folded(redact("  " + text.rstrip()), indent):
                self.line(line, "bold" if index == 0 else "")

    @contextmanager
    def step(self, name: str) -> Iterator[StepLine]:
        """Print one line for a step: a tick or a cross, its name, its time, what it says.

        On a terminal the name is there while the step runs.
        """
        entry, began = StepLine(name), time.monotonic()
        self._task = _Task()
        if moves(self.stream) and not self.quiet:
            self._put(f"\r\x1b[2K· {redact(name)} …")
            self._bar_shown = True
        try:
            yield entry
        except BaseException:
            self._finish(StepLine(name, "failed", "✗", "red"), began)
            raise
        self._finish(entry, began)

    def progress(self, label: str, done: int, total: int | None, unit: str) -> None:
        """Show how far something is, once it takes longer than a second; a ``Progress``.

        A terminal gets a bar that moves, a pipe a line now and then.
        """
        now = time.monotonic()
        if self._task.label != label:
            self._task = _Task(label, now, done, now)
        took = now - self._task.began
        self._show(bar(label, done, total, unit, took, self._task.done), now)

    def waiting(self, what: str, left: float | None) -> None:
        """Show what is waited for.

        Args:
            what: what it is.
            left: seconds it may still take; None: not known.
        """
        now = time.monotonic()
        if self._task.label != what:
            self._task = _Task(what, now - _PATIENCE, 0, now - _PIPE_PATIENCE)
        seconds = "" if left is None else f", {left:.0f} s left"
        self._show(f"  · {what}: waiting{seconds}", now)

    def _show(self, text: str, now: float) -> None:
        """Show a line that replaces the one before; in a pipe, only once in a while."""
        if self.quiet:
            return
        if moves(self.stream):
            if now - self._task.began >= _PATIENCE:
                self._put("\r\x1b[2K" + one_line(text)[: _columns() - 1])
                self._bar_shown = True
        elif now - self._task.told >= _PIPE_PATIENCE:
            self._task.told = now
            self.line(text)

    def paint(self, text: str, colour: str) -> str:
        """Colour a text, where the stream takes colour."""
        if not colour or not coloured(self.stream):
            return text
        from colorama import Fore, Style

        colours = {
            "green": Fore.GREEN,
            "red": Fore.RED,
            "yellow": Fore.YELLOW,
            "dim": Style.DIM,
            "bold": Style.BRIGHT,
        }
        return f"{colours[colour]}{text}{Style.RESET_ALL}"

    def _folded(self, text: str, indent: int) -> list[str]:
        """Break a line that is too wide for the terminal, behind an indent; pipes get it whole."""
        if not self.stream.isatty():
            return [text]
        columns = _columns()
        if len(text) <= columns or columns - indent < _NARROWEST:
            return [text]
        first, last = text[:indent], text[indent:]
        return [
            (" " * indent if place else first) + part
            for place, part in enumerate(textwrap.wrap(last, columns - indent) or [""])
        ]

    def _finish(self, entry: StepLine, began: float) -> None:
        seconds = time.monotonic() - began
        said = f" {entry.name:<9} {seconds:6.2f} s  {entry.detail}".rstrip()
        if not self.quiet:
            self._clear_bar()
            self._put(self.paint(entry.mark, entry.colour) + inert(one_line(said)) + "\n")

    def _clear_bar(self) -> None:
        if self._bar_shown:
            self._put("\r\x1b[2K")
            self._bar_shown = False

    def _put(self, text: str) -> None:
        """Write a text; where its reader has gone (``| head``), a release goes on all the same.

        Raises:
            OSError: it cannot be written, and nobody said that it may get lost.
        """
        try:
            self.stream.write(text)
            self.stream.flush()
        except BrokenPipeError:
            discard_output(self.stream)
        except OSError:
            if not self.lossy:
                raise
            discard_output(self.stream)


class Table(NamedTuple):
    """Rows under a header, as :meth:`Console.table` prints them."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


def show(data: object, table: Table | Callable[[Console], None], *, json: bool) -> None:
    """Print what a task found: as JSON where that was asked for, else for a person.

    Args:
        data: JSON: mappings, lists, strings, numbers.
        table: the same for a person; a function prints what is more than one table.
        json: the flag ``--json``.
    """
    console = Console()
    if json:
        console.json(data)
    elif isinstance(table, Table):
        console.table(*table)
    else:
        table(console)


def _columns() -> int:
    import shutil  # with bz2 and lzma: 5 ms, and a pipe needs no width

    return shutil.get_terminal_size().columns


def bar(
    label: str, done: int, total: int | None, unit: str, seconds: float, before: int = 0
) -> str:
    """Draw one progress line: bar, share, rate, remaining time.

    Args:
        label: what is going on.
        done: units done.
        total: units in all; None: not known.
        unit: what is counted; ``bytes`` is shown in MB.
        seconds: since it began.
        before: units that were done when it began.
    """
    scale, name = (1e6, "MB") if unit == "bytes" else (1.0, unit)
    rate = (done - before) / seconds if seconds else 0.0
    speed = f"{done / scale:,.0f} {name}, {rate / scale:,.1f} {name}/s"
    if not total:
        return f"  {label}: {speed}"
    filled = min(_BAR, _BAR * done // total)
    left = (total - done) / rate if rate else 0.0
    drawn = "█" * filled + "░" * (_BAR - filled)
    return f"  {label} {drawn} {100 * done // total:3d} %  {speed}, {left:.0f} s left"


def interactive() -> bool:
    """Return whether a person is there to be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def confirm(question: str, *, yes: bool = False, type_name: str | None = None) -> None:
    """Go on only when a person agrees; without a terminal the answer is NO.

    Args:
        question: what would happen, and what cannot be taken back.
        yes: the flag ``--yes``: agreed already.
        type_name: a name that must be typed, for what destroys in production.

    Raises:
        Refused: no, Ctrl-C, a wrong name, or nobody to ask.
    """
    if yes:
        return
    if not interactive():
        raise Refused(
            f"not confirmed: {question}",
            "there is no terminal to ask on",
            "repeat the command with --yes",
        )
    agreed = _typed(question, type_name) if type_name else _agreed(question)
    if not agreed:
        raise Refused(f"not confirmed: {question}", "nothing was changed")


def select(question: str, choices: Mapping[str, str], command: str) -> str:
    """Let a person choose, and return the key of the choice.

    Args:
        question: what is chosen.
        choices: key to what is shown for it.
        command: what says it where nobody is there to be asked.

    Raises:
        Refused: Ctrl-C, or nobody to ask.
    """
    if not interactive():
        raise Refused(
            f"nothing selected: {question}",
            "there is no terminal to choose on",
            command,
        )
    import questionary

    options = [
        questionary.Choice(title=one_line(title), value=key) for key, title in choices.items()
    ]
    chosen = questionary.select(redact(question), choices=options).ask()
    if chosen is None:
        raise Refused(f"nothing selected: {question}", "nothing was changed")
    return str(chosen)


def _agreed(question: str) -> bool:
    import questionary

    return bool(questionary.confirm(redact(question), default=False).ask())


def _typed(question: str, name: str) -> bool:
    import questionary

    answer = questionary.text(f"{redact(question)} Type {name} to go on:").ask()
    return bool(answer == name)
