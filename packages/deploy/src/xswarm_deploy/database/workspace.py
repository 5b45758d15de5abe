"""A folder of its own for half-made files, which vanishes with whoever made it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xswarm_deploy import file_lock

_PREFIX = ".work-"
_LOCK = "lock"
_LOCKED = b"locked"  # what stands in a lock file once it is locked
_A_MOMENT = 5.0  # seconds


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Return an empty folder inside another one, mode 0700, and remove it at the end.

    Whoever was killed before it could remove its own leaves it unlocked; such
    folders are removed first.

    Args:
        folder: on the file system where the results go; made if need be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(folder)
    own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        with (own / _LOCK).open("wb") as lock:
            file_lock.try_lock(lock)
            lock.write(_LOCKED)
            lock.flush()
            yield own
    finally:
        _remove(own)  # Windows removes no file that is open


def sweep(folder: Path) -> None:
    """Remove what killed runs left in a folder."""
    for left in folder.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # another run removes it at the same time
            if _is_dead(left):
                _remove(left)


def _remove(folder: Path) -> None:
    while folder.exists():
        with suppress(FileNotFoundError):  # another run removes it at the same time
            shutil.rmtree(folder)


def _is_dead(own: Path) -> bool:
    lock = own / _LOCK
    if not lock.exists() or not lock.stat().st_size:  # killed between two calls, or made just now
        return time.time() - own.stat().st_mtime > _A_MOMENT
    with lock.open("rb") as file:
        return file_lock.try_lock(file)
