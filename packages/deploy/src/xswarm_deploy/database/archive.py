"""A file packed as ``.zst`` or ``.zst.age``, streaming, and unpacked again.

Public tools read it: ``age -d -i KEY FILE | zstd -d > new.db``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.private import open_file
from xswarm_deploy.secret import Secret

if TYPE_CHECKING:
    from pyrage.x25519 import Identity, Recipient

_PIECE = 1 << 20
_LARGE = 1 << 16  # bytes that are worth another thread
_AHEAD = 4  # pieces that may wait for it
_LEVEL = 1  # level 3 takes four times as long for a tenth less


@dataclass(frozen=True)
class Digest:
    """Size and SHA-256 of a stream."""

    size: int
    sha256: str


class _Counted:
    """A binary stream that counts what passes through it.

    Args:
        stream: where bytes come from or go to.
        label: for the progress.
        total: bytes in all; None: not known.
        progress: told how many bytes passed.
    """

    def __init__(
        self,
        stream: BinaryIO,
        label: str,
        total: int | None,
        progress: Progress,
    ) -> None:
        self._stream, self._label, self._total, self._progress = stream, label, total, progress
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Read, and count it."""
        piece = self._stream.read(size)
        self._pass(piece)
        return piece

    def write(self, piece: bytes) -> int:
        """Write, and count it."""
        self._pass(piece)
        return self._stream.write(piece)

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()

    def _pass(self, piece: bytes) -> None:
        self._size += len(piece)
        self._progress(self._label, self._size, self._total, "bytes")


class _Hash(Protocol):
    """SHA-256 as hashlib has it."""

    def update(self, piece: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Measured(_Counted):
    """One that hashes, too."""

    def __init__(
        self,
        hashed: _Hash,
        stream: BinaryIO,
        label: str = "",
        total: int | None = None,
        progress: Progress = no_progress,
    ) -> None:
        super().__init__(stream, label, total, progress)
        self._hash = hashed

    @property
    def digest(self) -> Digest:
        """Return what passed so far."""
        return Digest(self._size, self._hash.hexdigest())

    def _pass(self, piece: bytes) -> None:
        self._hash.update(piece)
        super()._pass(piece)


def pack(
    source: Path,
    target: Path,
    recipients: Sequence[Recipient] = (),
    progress: Progress = no_progress,
) -> None:
    """Compress a file, and encrypt it where there are recipients.

    Args:
        source: the file.
        target: a new file, mode 0600, on disk when this returns.
        recipients: age public keys.
        progress: told how many bytes of the source were read.
    """
    import zstandard

    size = source.stat().st_size
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with source.open("rb") as plain, _created(target) as file:
        reading = _Counted(plain, "compress", size, progress)
        # The size in the frame's header tells a file that was cut off.
        compressed = compressor.stream_reader(cast("BinaryIO", reading), size, _PIECE)
        if recipients:
            import pyrage

            pyrage.encrypt_io(compressed, file, list(recipients))
        else:
            while piece := compressed.read(_PIECE):
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def prove(
    packed: Path,
    source: Path,
    identities: Sequence[Identity] = (),
    progress: Progress = no_progress,
) -> tuple[Digest, Digest]:
    """Read back what :func:`pack` wrote, and compare it byte by byte with what it was made of.

    It hashes in this thread: the rows are read meanwhile, and that takes longer.

    Args:
        packed: the packed file.
        source: the file that was packed.
        identities: age secret keys; needed where the file's name ends in ``.age``.
        progress: told how many bytes of the packed file were read.

    Returns:
        The digests of the packed file and of what is in it, as they were read.

    Raises:
        DeployError: it holds other bytes.
        Refused: it cannot be unpacked.
    """
    with source.open("rb") as plain:
        same = _Same(plain)
        limited = _Limited(_Measured(hashlib.sha256(), cast("BinaryIO", same)), sys.maxsize)
        found = _unpack(packed, limited, hashlib.sha256(), identities, progress)
        same.require_end()
    return found


def unpack(
    source: Path,
    target: Path,
    identities: Sequence[Identity] = (),
    progress: Progress = no_progress,
    most: int | None = None,
) -> tuple[Digest, Digest]:
    """Decrypt and decompress a file.

    Args:
        source: the packed file.
        target: a new file, mode 0600.
        identities: age secret keys; needed where the file's name ends in ``.age``.
        progress: told how many bytes of the source were read.
        most: how many bytes it may unpack to; None: as many as the disk has free.

    Returns:
        The digests of the source and of the target.

    Raises:
        Refused: it is damaged, cut off, of another key, or larger than it may be; what was
            unpacked is gone.
    """
    limit = shutil.disk_usage(target.parent).free if most is None else most
    try:
        with _created(target) as plain:
            limited = _Limited(_Measured(_Apart(), plain), limit)
            return _unpack(source, limited, _Apart(), identities, progress)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _unpack(
    source: Path,
    target: _Limited,
    hashed: _Hash,
    identities: Sequence[Identity],
    progress: Progress,
) -> tuple[Digest, Digest]:
    """Decrypt and decompress a file into a stream; return the digests of both."""
    import zstandard

    try:
        with source.open("rb") as file:
            reading = _Measured(hashed, file, "unpack", source.stat().st_size, progress)
            unpacking = zstandard.ZstdDecompressor().stream_writer(
                cast("BinaryIO", target), _PIECE, closefd=False
            )
            expected = _Header(unpacking)
            if source.suffix == ".age":
                _decrypt(reading, expected, identities)
            else:
                while piece := reading.read(_PIECE):
                    expected.write(piece)
            expected.require(target.digest.size)
    except zstandard.ZstdError as error:
        raise _damaged(source, str(error)) from None
    except Refused as error:
        raise _damaged(source, error.what) from None
    return reading.digest, target.digest


def identity(secret: Secret) -> list[Identity]:
    """Return the age secret key a setting holds; none where it is empty.

    Raises:
        Refused: it is no age secret key.
    """
    if not secret:
        return []
    import pyrage

    try:
        return [pyrage.x25519.Identity.from_str(secret.reveal())]
    except pyrage.IdentityError:
        raise Refused(f"{secret.name} is no age secret key", "", "age-keygen -o key.txt") from None


def recipient(text: str) -> list[Recipient]:
    """Return the age public key a setting holds; none where it is empty.

    Raises:
        Refused: it is no age public key.
    """
    if not text:
        return []
    import pyrage

    try:
        return [pyrage.x25519.Recipient.from_str(text)]
    except pyrage.RecipientError:
        raise Refused(
            "BACKUP_AGE_RECIPIENT is no age public key", "", "age-keygen -y key.txt"
        ) from None


class _Apart:
    """SHA-256, computed in a thread of its own where there is much of it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._waiting: deque[Future[None]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def update(self, piece: bytes) -> None:
        if len(piece) < _LARGE:  # sooner hashed than handed over
            self._drain(0)
            self._hash.update(piece)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._waiting.append(self._pool.submit(self._hash.update, piece))
        self._drain(_AHEAD)

    def hexdigest(self) -> str:
        self._drain(0)
        if self._pool is not None:
            self._pool.shutdown()
        return self._hash.hexdigest()

    def _drain(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()


class _Header:
    """Pass a zstd stream on, and keep what its header says of its size."""

    def __init__(self, writer: BinaryIO) -> None:
        self._writer = writer
        self._start = b""

    def write(self, piece: bytes) -> int:
        if len(self._start) < 18:  # the longest header of a zstd frame
            self._start += piece[:18]
        self._writer.write(piece)
        return len(piece)

    def flush(self) -> None:
        self._writer.flush()

    def require(self, size: int) -> None:
        import zstandard

        expected = zstandard.get_frame_parameters(self._start).content_size
        if expected not in (size, zstandard.CONTENTSIZE_UNKNOWN):
            raise Refused(f"it holds {size} of {expected} bytes")


class _Same:
    """Take bytes that must be those of another stream, from its beginning to its end."""

    def __init__(self, expected: BinaryIO) -> None:
        self._expected = expected

    def write(self, piece: bytes) -> int:
        if self._expected.read(len(piece)) != piece:
            raise _other_bytes()
        return len(piece)

    def flush(self) -> None:
        """Do nothing: nothing is kept."""

    def require_end(self) -> None:
        if self._expected.read(1):
            raise _other_bytes()


def _other_bytes() -> DeployError:
    return DeployError("The backup did not restore", "it holds other bytes than were packed")


class _Limited:
    """Pass bytes on, but no more than there may be: a small file can unpack to any size."""

    def __init__(self, stream: _Measured, most: int) -> None:
        self._stream, self._left, self._most = stream, most, most

    def write(self, piece: bytes) -> int:
        self._left -= len(piece)
        if self._left < 0:
            raise Refused(f"it unpacks to more than {self._most} bytes")
        return self._stream.write(piece)

    def flush(self) -> None:
        self._stream.flush()

    @property
    def digest(self) -> Digest:
        return self._stream.digest


def _decrypt(reading: _Measured, writing: _Header, identities: Sequence[Identity]) -> None:
    import pyrage

    if not identities:
        raise Refused("it is encrypted, and BACKUP_AGE_IDENTITY is not set")
    try:
        pyrage.decrypt_io(reading, writing, list(identities))
    except pyrage.DecryptError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        if error.errno is None:  # pyrage's own, and not the disk's
            raise Refused(str(error)) from None
        raise


def _damaged(source: Path, why: str) -> Refused:
    return Refused(f"{source.name} cannot be read", why, "inv backup.list")


def _created(path: Path) -> BinaryIO:
    return os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")
