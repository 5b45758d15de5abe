"""Custody of the twin's folder: whose it is, who may act on it now, and its end."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xswarm_twin.errors import Locked, Refused
from xswarm_twin.folder import Folder

_MARK: Final = ".twin"
_MARK_TEXT: Final = "The state of a local twin. `inv sandbox.reset` deletes this folder.\n"
_PAUSE: Final = 0.05  # seconds between two tries for the lock
_PATIENCE: Final = 180.0  # seconds until another command's lock is given up


def make(folder: Folder) -> None:
    """Make the folder, for its owner only.

    Raises:
        Refused: something else is in its place.
    """
    _refuse_foreign(folder)
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = folder.path / _MARK
    if not mark.exists():  # first of all: another command may look at the folder now
        mark.write_text(_MARK_TEXT)
    for path in (folder.logs, folder.providers, folder.database):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder.path / ".gitignore").write_text("*\n")  # keys and data of the twin: never committed


def delete(folder: Folder) -> bool:
    """Delete the folder wholly; return whether there was one.

    Raises:
        Refused: it is not a twin's folder.
    """
    if not folder.path.is_symlink() and not folder.path.exists():
        return False
    _refuse_foreign(folder)
    shutil.rmtree(folder.path)
    return True


@contextmanager
def locked(folder: Folder, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder's lock; the system gives it back when its holder dies.

    Args:
        folder: made already.
        waiting: called once when another command holds it.

    Raises:
        Locked: the other command did not end in time.
    """
    descriptor = _acquire(folder.lock, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(lock: Path, waiting: Callable[[], None]) -> int:
    limit, told = time.monotonic() + _PATIENCE, False
    while True:
        descriptor = _attempt(lock)
        if descriptor is not None:
            return descriptor
        if time.monotonic() > limit:
            raise Locked(
                "another command is at work on the sandbox",
                f"it has held {lock} for {_PATIENCE:.0f} s",
                "wait for it to end, or stop it, then repeat",
            )
        if not told:
            waiting()
            told = True
        time.sleep(_PAUSE)


def _attempt(lock: Path) -> int | None:
    """Try once; a lock file that was deleted by a reset meanwhile does not count."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _refuse_foreign(folder: Folder) -> None:
    path = folder.path
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise _not_ours(path, "it is a link or a file")
    ours = not path.exists() or (path / _MARK).exists() or _only_lock(folder)
    if not ours:
        raise _not_ours(path, f"it does not hold {_MARK}")


def _only_lock(folder: Folder) -> bool:
    return all(entry == folder.lock for entry in folder.path.iterdir())


def _not_ours(path: Path, why: str) -> Refused:
    return Refused(f"{path} is not a sandbox", why, f"move {path} away, then repeat")
