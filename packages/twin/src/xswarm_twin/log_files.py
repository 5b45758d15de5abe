"""The twin's log files: opened to append, and kept short while everybody writes."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, TextIO

from xswarm_twin.folder import Folder

LIMIT: Final = 10_000_000  # bytes; of each log so many are kept once more, as it was before
_EVERY: Final = 30.0  # seconds between two looks
_EARLIER: Final = ".old.log"


def open_log(folder: Folder, name: str) -> IO[bytes]:
    """Open a process's log to append, for its owner only."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.fdopen(os.open(folder.log(name), flags, 0o600), "ab")


async def keep_short(folder: Folder) -> None:
    """Shorten the twin's logs, now and every so often, until cancelled."""
    while True:
        for path in (*folder.logs.glob("*.log"), folder.calls):
            if not path.name.endswith(_EARLIER):
                try:
                    shorten(path)
                except OSError as error:
                    sys.stderr.write(f"{path.name} could not be shortened: {error}\n")
        await asyncio.sleep(_EVERY)


def shorten(path: Path, limit: int = LIMIT) -> None:
    """Set a log's content aside where it is too long; who writes it goes on in the same file.

    What is written between the copy and the cut is lost: a line or two of 10 MB.

    Args:
        path: the log; everybody who writes it appends.
        limit: bytes.
    """
    if path.exists() and path.stat().st_size > limit:
        shutil.copy(path, path.with_suffix(_EARLIER))
        os.truncate(path, 0)


def new_lines(stream: TextIO) -> Iterator[str]:
    """Yield what was appended to a log since it was read last, also where it was shortened."""
    if os.fstat(stream.fileno()).st_size < stream.buffer.tell():
        stream.seek(0)
    while line := stream.readline():
        yield line.rstrip("\n")
