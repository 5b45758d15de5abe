"""Bytes on disk, named by their content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from xswarm_twin.cloudflare import refusals


@dataclass(frozen=True)
class Incoming:
    """Bytes that came in and are not kept yet: their SHA-256, their size, their file."""

    sha256: str
    size: int
    file: Path


class Blobs:
    """Bytes under their SHA-256; kept ones are never changed.

    Args:
        folder: where they are; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where bytes are."""
        return self._folder / sha256

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Incoming:
        """Take bytes in as they come; refuse more than a limit in bytes."""
        file = self._incoming / secrets.token_hex(16)
        digest, size = hashlib.sha256(), 0
        with file.open("xb") as target:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    file.unlink()
                    raise refusals.body_too_large("a part of the upload", limit)
                digest.update(chunk)
                target.write(chunk)
        return Incoming(digest.hexdigest(), size, file)

    def take(self, body: bytes) -> Incoming:
        """Take bytes in that are all there."""
        file = self._incoming / secrets.token_hex(16)
        file.write_bytes(body)
        return Incoming(hashlib.sha256(body).hexdigest(), len(body), file)

    async def keep(self, *received: Incoming) -> None:
        """Make bytes last: on disk, under their names, when this returns."""
        await asyncio.to_thread(self._keep, received)

    def discard(self, received: Iterable[Incoming]) -> None:
        """Throw bytes away that were not kept."""
        for incoming in received:
            incoming.file.unlink(missing_ok=True)

    def sweep(self, named: set[str]) -> None:
        """Remove what no record names; only while nothing is being taken in."""
        for file in (*self._folder.iterdir(), *self._incoming.iterdir()):
            if file.is_file() and file.name not in named:
                file.unlink()

    def _keep(self, received: Iterable[Incoming]) -> None:
        for incoming in received:
            if self.path(incoming.sha256).exists():
                incoming.file.unlink()
                continue
            _synchronise(incoming.file)
            incoming.file.replace(self.path(incoming.sha256))
        _synchronise(self._folder)


def _synchronise(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
