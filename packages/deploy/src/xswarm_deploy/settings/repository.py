"""The user's repository: the folder whose invoke.yaml a command obeys, whatever the tool's is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_TASKS: Final = ("tasks.py", "tasks/__init__.py")
_FILES: Final = ("invoke.yaml", "invoke.yml", "invoke.json")


def find(start: Path) -> Path:
    """Return the nearest folder, from ``start`` upwards, that holds a project; else ``start``.

    Args:
        start: where the command was typed.
    """
    start = start.resolve()
    for marks in (_FILES, _TASKS):  # a tasks.py below may be another program's
        for folder in (start, *start.parents):
            if any((folder / mark).is_file() for mark in marks):
                return folder
    return start


def has_tasks(folder: Path) -> bool:
    """Return whether a repository has Invoke tasks of its own, as a file or as a package."""
    return any((folder / name).is_file() for name in _TASKS)


def mentions(folder: Path, name: str) -> bool:
    """Return whether a repository's tasks.py names a package: one that does not is no Invoke's."""
    files = (folder / each for each in _TASKS)
    return any(file.is_file() and name.encode() in file.read_bytes() for file in files)
