"""A pytest plugin: what many tests need again and again is kept at hand, and costs less.

- What tests write is in memory, where the system has a folder for it: databases, journals and
  backups are written through to the disk at every step, and a third of the time was waiting for it.
- Each wrangler that a test starts, or lets the tool start, finds its own code compiled.
- What was imported and collected is no garbage, and is not searched for any.
"""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.support.project import PROJECT

MEMORY: Final = Path("/dev/shm")
ENOUGH: Final = 4 << 30
"""Bytes that must be free: all tests together write less than one of these four GiB."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Choose the folders, for this process and for all that it starts."""
    os.environ.setdefault("NODE_COMPILE_CACHE", str(PROJECT / ".pytest_cache/compiled"))
    if holds_enough(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """Leave what is there for the whole session out of each search for garbage."""
    gc.collect()
    gc.freeze()


def holds_enough(folder: Path) -> bool:
    """Return whether tests may write all they do into a folder, and run programs from it."""
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    runs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return runs and shutil.disk_usage(folder).free >= ENOUGH
