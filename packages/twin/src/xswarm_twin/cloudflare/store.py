"""The records on disk: one table of JSON documents, every change one durable transaction."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar

from xswarm_twin.cloudflare.envelope import Refusal
from xswarm_twin.cloudflare.records import Record

Kept = TypeVar("Kept", bound=Record)

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, owner, key)
);
"""

_SAVE = """
INSERT INTO records (kind, owner, key, body) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, owner, key) DO UPDATE SET body = excluded.body
"""


class Store:
    """The records of the account. Calls are short and are made from one thread.

    What ``save`` and ``remove`` were given is on disk when they return, all or nothing, also
    when the process is killed.

    Args:
        folder: where the database file is; made when missing, closed to other users.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / "records.sqlite"
        file.touch(mode=0o600)  # secrets are in it
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Close the database file."""
        self._database.close()

    def find(self, kind: type[Kept], key: str, owner: str = "") -> Kept | None:
        """Return a record, or None."""
        row = self._database.execute(
            "SELECT body FROM records WHERE kind = ? AND owner = ? AND key = ?",
            (kind.kind, owner, key),
        ).fetchone()
        return None if row is None else _kept(kind, row[0])

    def require(
        self, kind: type[Kept], key: str, missing: Callable[[], Refusal], owner: str = ""
    ) -> Kept:
        """Return a record; where there is none, raise what ``missing`` makes."""
        found = self.find(kind, key, owner)
        if found is None:
            raise missing()
        return found

    def keys(self, kind: type[Record], owner: str) -> set[str]:
        """Return the keys of all records of a kind and owner."""
        rows = self._database.execute(
            "SELECT key FROM records WHERE kind = ? AND owner = ?", (kind.kind, owner)
        )
        return {str(row[0]) for row in rows}

    def all(self, kind: type[Kept], owner: str | None = None) -> list[Kept]:
        """Return all records of a kind (of one owner, or of all), the oldest first."""
        rows = self._database.execute(
            "SELECT body FROM records WHERE kind = ? AND owner = coalesce(?, owner)"
            " ORDER BY position",
            (kind.kind, owner),
        )
        return [_kept(kind, row[0]) for row in rows]

    def newest(self, kind: type[Kept], owner: str, count: int, skip: int = 0) -> list[Kept]:
        """Return the last records of an owner, the newest first."""
        rows = self._database.execute(
            "SELECT body FROM records WHERE kind = ? AND owner = ?"
            " ORDER BY position DESC LIMIT ? OFFSET ?",
            (kind.kind, owner, count, skip),
        )
        return [_kept(kind, row[0]) for row in rows]

    def last(self, kind: type[Kept], owner: str) -> Kept | None:
        """Return the newest record of an owner, or None."""
        return next(iter(self.newest(kind, owner, 1)), None)

    def count(self, kind: type[Record], owner: str) -> int:
        """Count the records of an owner."""
        (number,) = self._database.execute(
            "SELECT count(*) FROM records WHERE kind = ? AND owner = ?", (kind.kind, owner)
        ).fetchone()
        return int(number)

    def latest_time(self) -> str:
        """Return the latest ``created_on`` of all records, or the empty text."""
        (latest,) = self._database.execute(
            "SELECT max(body ->> '$.created_on') FROM records"
        ).fetchone()
        return latest or ""

    def save(self, *records: Record) -> None:
        """Store records, new or in place of those of the same key."""
        rows = [
            (record.kind, record.owner, record.key, json.dumps(asdict(record)))
            for record in records
        ]
        with self._transaction():
            self._database.executemany(_SAVE, rows)

    def remove(self, *records: Record) -> None:
        """Remove records, and all that they own."""
        with self._transaction():
            for record in records:
                self._database.execute(
                    "DELETE FROM records WHERE kind = ? AND owner = ? AND key = ?",
                    (record.kind, record.owner, record.key),
                )
                for kind in _OWNED.get(record.kind, ()):
                    self._database.execute(
                        "DELETE FROM records WHERE kind = ? AND owner = ?", (kind, record.key)
                    )

    def blobs(self) -> set[str]:
        """Return the SHA-256 of all bytes that any record names.

        Of kinds and fields that only another version of the twin knows, too: what is not named is
        deleted, and who goes back to that version needs it.
        """
        rows = self._database.execute("SELECT body FROM records")
        return {found for (body,) in rows for found in _SHA256.findall(body)}

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


_OWNED: dict[str, Iterable[str]] = {
    "worker": ("version", "deployment", "object_namespace"),
    "secret_store": ("stored_secret",),
    "queue": ("pulled_message",),
    "project": ("publication",),
    "zone": ("dns_record", "worker_route", "worker_domain"),
}


class _Transaction:
    """One transaction: kept at its end, undone on an exception."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _kept(kind: type[Kept], body: str) -> Kept:
    """Return a record of this version of the twin or another one, whose further fields are left."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in json.loads(body).items() if name in known})
