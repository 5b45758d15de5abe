"""Backups: made of one moment, proven by restoring them, then given their name."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import archive, digest, manifest, signature, snapshot, sqltext
from xswarm_deploy.database import migration_history as ledger
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.manifest import Content, Manifest
from xswarm_deploy.database.statements import first_words
from xswarm_deploy.database.workspace import workspace
from xswarm_deploy.errors import Refused
from xswarm_deploy.private import sync_folder
from xswarm_deploy.secret import Secret

if TYPE_CHECKING:
    from pyrage.x25519 import Identity, Recipient

T = TypeVar("T")
Format = Literal["db", "sql"]
_ENDINGS = (".db.zst", ".db.zst.age", ".sql.zst", ".sql.zst.age")
_OF_OTHERS = ".sql"
_STAMP = len("20251231T235959000Z")


class _Named(NamedTuple):
    """What the name of a backup says that this tool gave it."""

    environment: str
    created: datetime


@dataclass(frozen=True)
class Backup:
    """One backup in the folder; a folder holds hundreds, so what its name says is not read.

    Args:
        path: its file.
    """

    path: Path

    @cached_property
    def manifest(self) -> Manifest | None:
        """Return what stands beside it; None for one that another tool made.

        Raises:
            Refused: it is no manifest.
        """
        beside = manifest_path(self.path)
        if not beside.exists():
            return None
        return manifest.parse(beside.read_bytes().decode("utf-8", "replace"), beside.name)

    @cached_property
    def unreadable(self) -> Refused | None:
        """Return why its manifest cannot be read; None: it can, or there is none."""
        try:
            _ = self.manifest
        except Refused as error:
            return error
        return None

    @property
    def _read(self) -> Manifest | None:
        """Return its manifest where it can be read: one that cannot hides no other backup."""
        return None if self.unreadable else self.manifest

    @property
    def environment(self) -> str:
        """Return whose database it holds; empty where another tool made it."""
        if named := self._named:
            return named.environment
        return self._read.environment if self._read else ""

    @property
    def created(self) -> datetime:
        """Return when it was made."""
        if named := self._named:
            return named.created
        if self._read:
            return datetime.fromisoformat(self._read.created)
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    @property
    def as_named(self) -> bool:
        """Return whether its manifest says what its name says; nobody gave it another."""
        held = self.manifest
        return held is None or (held.environment, datetime.fromisoformat(held.created)) == (
            self.environment,
            self.created,
        )

    @cached_property
    def _named(self) -> _Named | None:
        ending = next(filter(self.path.name.endswith, _ENDINGS), "")
        environment, _, stamp = self.path.name.removesuffix(ending).rpartition("-")
        if not ending or len(stamp) != _STAMP:
            return None
        try:
            created = datetime.fromisoformat(f"{stamp[:15]}.{stamp[15:]}")
        except ValueError:
            return None
        return _Named(environment, created)


@dataclass(frozen=True)
class BackupRequest:
    """What kind of backup is wanted.

    Args:
        environment: whose database it is; the name begins with it.
        format: ``db``, a SQLite file; or ``sql``, the text that makes one.
        recipients: age public keys; none: it is not encrypted.
        worker_version: what is live, for the manifest.
        signing: the keys that vouch for manifests; empty: it is not signed.
    """

    environment: str
    format: Format = "db"
    recipients: Sequence[Recipient] = ()
    worker_version: str = ""
    signing: Secret = field(default=Secret("", signature.NAME))


class Prepared(NamedTuple):
    """A backup that was proven, and has no name yet.

    Args:
        packed: its file.
        manifest: what will stand beside it.
    """

    packed: Path
    manifest: Manifest


def make(
    database: Database, folder: Path, wanted: BackupRequest, progress: Progress = no_progress
) -> Backup:
    """Make a backup, restore it into a scratch file, compare, and only then name it.

    Args:
        database: either home.
        folder: where backups are kept; made if need be, mode 0700.
        wanted: its kind.
        progress: told rows and bytes.

    Raises:
        DeployError: it could not be made, or did not restore; nothing is left.
    """
    with prepared(database, folder, wanted, progress) as found:
        return keep(found, folder)


@contextmanager
def prepared(
    database: Database, folder: Path, wanted: BackupRequest, progress: Progress = no_progress
) -> Iterator[Prepared]:
    """Yield a backup that restores as it should; what is not kept then is removed.

    Args:
        database: see :func:`make`, as for the others.
        folder: where it would be kept.
        wanted: its kind.
        progress: told rows and bytes.

    Raises:
        DeployError: see :func:`make`.
    """
    with workspace(folder) as work, _reader(database) as read:
        scratch = work / "database.db"
        created = datetime.now(UTC)
        taken = snapshot.take(database, scratch, progress)
        content = _Running(lambda: manifest.of_file(scratch, read=read))
        with FileDatabase(scratch) as copy:
            applied = [row.name for row in ledger.read(copy)]
        recipients, identities = _with_own_key(wanted.recipients)
        plain = scratch
        if wanted.format == "sql":
            plain = work / "database.sql"
            sqltext.write(scratch, plain)
        ending = f"{wanted.format}.zst{'.age' if recipients else ''}"
        packed = work / f"packed.{ending}"
        archive.pack(plain, packed, recipients, progress)
        target, source = archive.prove(packed, plain, identities, progress)
        _require_sound(scratch, "the backup")
        if wanted.format == "sql":  # its bytes are those that were read back
            sqltext.load(plain, work / "restored.db")
            _require_equal(content.result(), manifest.of_file(work / "restored.db"), packed.name)
        found = Manifest(
            file=f"{wanted.environment}-{created:%Y%m%dT%H%M%S}{created:%f}"[:-3] + f"Z.{ending}",
            environment=wanted.environment,
            source=database.url,
            created=created.isoformat(timespec="milliseconds"),
            size=target.size,
            sha256=target.sha256,
            database_size=source.size,
            database_sha256=source.sha256,
            content=content.result(),
            encrypted=bool(recipients),
            beside=list(taken.beside),
            ledger=applied,
            worker_version=wanted.worker_version,
            journal_mode=taken.journal_mode,
        )
        yield Prepared(packed, signature.sign(found, wanted.signing))


def read_folder(folder: Path) -> list[Backup]:
    """Return the backups in a folder, the newest first."""
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if path.name.endswith((*_ENDINGS, _OF_OTHERS))]
    return sorted(map(Backup, paths), key=lambda found: found.created, reverse=True)


def of_path(path: Path) -> Backup:
    """Return the backup in a file.

    Raises:
        Refused: there is no such file, or what stands beside it is no manifest.
    """
    if not path.is_file():
        raise Refused(f"There is no backup {path}", "no such file", "inv backup.list")
    found = Backup(path)
    _ = found.manifest  # what is none is told now
    return found


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a backup stands."""
    return path.with_name(f"{path.name}.json")


def unpack(
    backup: Backup,
    work: Path,
    identities: Sequence[Identity] = (),
    progress: Progress = no_progress,
) -> Path:
    """Restore a backup into a scratch file, and compare it with its manifest.

    Args:
        backup: of any format, also one that another tool made.
        work: a folder for the file.
        identities: age secret keys.
        progress: told rows and bytes.

    Returns:
        The database file, whole and proven.

    Raises:
        Refused: it is damaged, or is not what its manifest says.
    """
    restored = _opened(backup, work, identities, progress)
    if backup.manifest is None:
        _require_sound(restored, backup.path.name)
    else:
        _require_needed(backup.path.name, restored, backup.manifest.beside)
    return restored


def verify(
    backup: Backup,
    work: Path,
    identities: Sequence[Identity] = (),
    progress: Progress = no_progress,
) -> Content:
    """Restore a backup into a scratch file, and compare row by row with its manifest.

    Raises:
        Refused: it cannot be read, is damaged, or is not what its manifest says; without
            one: it holds no table.
    """
    name = backup.path.name
    expected = backup.manifest.rows if backup.manifest else None
    try:
        restored = unpack(backup, work, identities, progress)
    except OSError as error:
        raise Refused(f"{name} cannot be unpacked", str(error), "inv backup.list") from None
    content = _Running(lambda: manifest.of_file(restored, progress, expected))
    _require_sound(restored, name, thorough=True)
    found = content.result()
    if backup.manifest:
        _require_equal(backup.manifest.content, found, name)
    elif not found.tables:
        raise Refused(f"{name} holds no table", "it makes an empty database", "inv backup.list")
    return found


class _Running(Generic[T]):
    """Something that is done in a thread, beside what the main one does."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._do = do
        self._ended: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait, and return what came of it or raise what was raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._ended[0]

    def _run(self) -> None:
        try:
            self._ended.append(self._do())
        except BaseException as error:  # raised again where it is waited for
            self._error = error


def _reader(database: Database) -> AbstractContextManager[digest.Reading]:
    """Return what will read the rows: of a file it is known now whether a process is worth it."""
    if isinstance(database, FileDatabase) and database.path.exists():
        return digest.reader(database.path.stat().st_size)
    return nullcontext(digest.of_file)


def _with_own_key(
    recipients: Sequence[Recipient],
) -> tuple[Sequence[Recipient], Sequence[Identity]]:
    """Add a key of our own, never kept, to read back what only others could."""
    if not recipients:
        return (), ()
    import pyrage

    own = pyrage.x25519.Identity.generate()
    return [*recipients, own.to_public()], [own]


def keep(prepared: Prepared, folder: Path) -> Backup:
    """Move a proven backup to its name, the manifest first; return it."""
    packed, found = prepared
    final = folder / found.file
    written = packed.with_name("manifest")
    with written.open("x", encoding="utf-8") as file:
        written.chmod(0o600)
        file.write(found.as_json())
        file.flush()
        os.fsync(file.fileno())
    written.rename(manifest_path(final))
    packed.rename(final)
    sync_folder(folder)
    return Backup(final)


def _opened(backup: Backup, work: Path, identities: Sequence[Identity], progress: Progress) -> Path:
    database = work / "unpacked.db"
    if backup.path.name.endswith(_OF_OTHERS):
        sqltext.load(backup.path, database)
        return database
    text = ".sql" in backup.path.suffixes
    plain = work / "unpacked.sql" if text else database
    most = backup.manifest.database_size if backup.manifest else None
    packed, digest = archive.unpack(backup.path, plain, identities, progress, most)
    if backup.manifest:
        _require_digests(backup.manifest, packed, digest)
    if text:
        sqltext.load(plain, database)
    return database


def _require_needed(name: str, restored: Path, beside: Sequence[str]) -> None:
    """Refuse a trigger beside a backup that SQLite here could hold: it would be in the backup.

    An index or a view beside it changes no row, whatever it says.
    """
    for sql in beside:
        if "TRIGGER" not in first_words(sql, 2):
            continue
        with closing(digest.open_readonly(restored)) as connection, suppress(sqlite3.Error):
            connection.execute(f"EXPLAIN {sql}")
            raise Refused(
                f"{name} is not what its manifest says",
                f"the manifest would make a trigger that the backup does not hold: {sql}",
                "inv backup.list, and name another",
            )


def _require_digests(expected: Manifest, packed: archive.Digest, plain: archive.Digest) -> None:
    if packed.sha256 != expected.sha256 or plain.sha256 != expected.database_sha256:
        raise Refused(
            f"{expected.file} is not what its manifest says",
            "its SHA-256 is another",
            "inv backup.list",
        )


def _require_equal(expected: Content, found: Content, name: str) -> None:
    lines = manifest.differences(expected, found)
    if lines:
        raise Refused(f"{name} is not what its manifest says", "; ".join(lines), "inv backup.list")


def _checked(path: Path, check: str) -> list[str]:
    try:
        with closing(digest.open_readonly(path)) as connection:
            return [str(row[0]) for row in connection.execute(f"PRAGMA {check}")]
    except sqlite3.DatabaseError as error:
        return [str(error)]


def _require_sound(path: Path, name: str, *, thorough: bool = False) -> None:
    """Let SQLite check a database file."""
    found = _checked(path, "integrity_check" if thorough else "quick_check")
    if found != ["ok"] and not thorough:
        # SQLite 3.40's quick_check finds a NULL that is not there in some WITHOUT ROWID tables.
        found = _checked(path, "integrity_check")
    if found != ["ok"]:
        raise Refused(f"{name} is damaged", "; ".join(found[:5]), "inv backup.list")
