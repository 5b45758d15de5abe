"""The log file of a Worker: what its versions print, each line with its version."""

from __future__ import annotations

from pathlib import Path


class Log:
    """Append lines to a Worker's log file.

    Args:
        path: the file; its folder is made when missing.
        prefix: stands before each line, in brackets; empty: nothing does.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._prefix = f"[{prefix}] " if prefix else ""

    def line(self, text: str) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{self._prefix}{text}\n")
