"""Files and folders for their owner alone, whatever the umask.

Windows knows no modes: there a file is as private as the folder that it is in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

MODES: Final = sys.platform != "win32"
"""Whether a file's mode says who may read it."""
_AS_THEY_ARE: Final = getattr(os, "O_BINARY", 0)  # Windows would change line ends


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each of mode 0700."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def open_file(path: Path, flags: int) -> int:
    """Open a file for bytes, and return its descriptor; a new one has mode 0600.

    Args:
        path: the file.
        flags: as of os.open.
    """
    return os.open(path, flags | _AS_THEY_ARE, 0o600)


def open_to_others(path: Path) -> bool:
    """Return whether a file's mode lets other users of this machine at it."""
    return MODES and bool(path.stat().st_mode & 0o077)


def sync_file(path: Path) -> None:
    """Let what a file holds survive a power cut, before a name says that it is whole."""
    with path.open("rb" if MODES else "rb+") as file:  # Windows wants one that may be written
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a crash; Windows opens no folder, and needs none of it."""
    if not MODES:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
