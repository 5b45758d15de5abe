"""Files that are to be written: shown as differences before, and written wholly or not at all."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xswarm_deploy import texts
from xswarm_deploy.console import Console
from xswarm_deploy.private import open_file

_SHORT: Final = 30  # lines of a new file that are shown unasked


@dataclass(frozen=True)
class FileChange:
    """One file as it is to be.

    Args:
        path: where.
        text: what it is to hold.
        private: whether nobody else may read it; its content is not shown.
    """

    path: Path
    text: str
    private: bool = False

    @property
    def before(self) -> str | None:
        """Return what the file holds now; None: there is none."""
        return texts.read(self.path) if self.path.is_file() else None

    @property
    def needed(self) -> bool:
        """Return whether writing it would change anything."""
        return self.before != self.text

    def write(self) -> None:
        """Write it beside, then move it to its place; a link's target is what changes.

        A file with the line ends of Windows keeps them.
        """
        target = self.path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if self.private else (target.stat().st_mode if target.exists() else 0o644)
        crlf = target.is_file() and b"\r\n" in target.read_bytes()
        text = self.text.replace("\n", "\r\n") if crlf else self.text
        scratch = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with os.fdopen(open_file(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as f:
                f.write(text.encode())
            scratch.chmod(mode & 0o777)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)


def show(
    console: Console, changes: Sequence[FileChange], root: Path, *, whole: bool = False
) -> None:
    """Print what would be written: new files, and of those that exist the difference.

    Args:
        console: where to.
        changes: the files.
        root: the folder that they are named from.
        whole: whether new files that are long are printed, too, and not only how long they are.
    """
    for change in changes:
        name = relative(change.path, root)
        before = change.before
        if before is not None:
            console.line(f"  changed  {name}", "yellow")
            _print(console, _difference(before, change.text))
            continue
        lines = [f"+{line}" for line in change.text.splitlines()]
        shown = not change.private and (whole or len(lines) <= _SHORT)
        told = "mode 0600, git ignores it, " if change.private else ""
        console.line(
            f"  new      {name}" + ("" if shown else f"  ({told}{len(lines)} lines)"), "green"
        )
        _print(console, lines if shown else ())


def _print(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.line(f"           {line}", {"+": "green", "-": "red"}.get(line[:1], "dim"))


def relative(path: Path, root: Path) -> str:
    """Return a path as a person reads it from a folder."""
    return os.path.relpath(path, root)


def _difference(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++"))]
