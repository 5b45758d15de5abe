"""Bytes on their way to disk: gathered in a file of their own, digested on the way."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from xswarm_twin.objects import checksums


class Incoming:
    """Bytes on their way into the store: write them, then hand this to ``put``.

    A context manager: what was not stored by its end is removed.
    """

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(16)
        self.size = 0
        self._folder = folder
        self._path = folder / f"{self.name}.part"
        self._file: BinaryIO = self._path.open("xb")
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._file.write(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)

    @property
    def md5(self) -> str:
        """Return the MD5 so far, in hexadecimal."""
        return self._md5.hexdigest()

    def digest(self, name: str) -> str:
        """Return a digest so far in hexadecimal, by reading again: of hashlib, or cyclic."""
        self._file.flush()
        with self._path.open("rb") as file:
            checksum = checksums.cyclic(name, iter(lambda: file.read(1 << 20), b""))
            return checksum or hashlib.file_digest(file, name).hexdigest()

    def read(self) -> bytes:
        """Return the bytes so far."""
        self._file.flush()
        return self._path.read_bytes()

    def keep(self) -> str:
        """Make the bytes last and give the name of their file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        target = blob_path(self._folder, self.name)
        target.parent.mkdir(exist_ok=True)
        self._path.replace(target)
        _sync_folder(target.parent)
        return self.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def blob_path(folder: Path, name: str) -> Path:
    """Return where the bytes of a name are."""
    return folder / name[:2] / name


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
