"""Hashes of files that a Worker is made of; one that has not changed is read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from xswarm_deploy import texts
from xswarm_deploy.bundling.ignored import IGNORED


def files(folder: Path) -> list[Path]:
    """Return the files of a folder, in their order; what no Worker is made from is left out.

    Raises:
        Refused: one has a name that is no text.
    """
    return sorted(_walked(folder))


def _walked(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in IGNORED]
        kept = [name for name in names if not name.endswith(".pyc")]
        for name in kept:
            texts.require_named(name, folder)
        paths = (Path(place, name) for name in kept)
        yield from (path for path in paths if path.is_file())


def of_file(path: Path) -> str:
    """Return a hash of what a file holds."""
    found = path.stat()
    return _of(path, found.st_mtime_ns, found.st_size)


@cache
def _of(path: Path, _changed: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
