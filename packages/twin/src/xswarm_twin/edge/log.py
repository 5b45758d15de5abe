"""The log file of a Worker: what its versions print, each line with its version."""

from __future__ import annotations

import os
from pathlib import Path


class Log:
    """Append lines to a Worker's log file, for its owner only.

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
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self._path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{self._prefix}{text}\n")
