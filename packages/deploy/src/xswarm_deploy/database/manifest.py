"""What a backup holds, so that its restore can be compared with it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import digest, foreign_keys, tables
from xswarm_deploy.database.file import translated
from xswarm_deploy.database.statements import first_words, split
from xswarm_deploy.errors import LATER, UPDATE, Refused

FORMAT = 1
_ONCE_LEFT_OUT = "_cf_"  # earlier versions named no table in a manifest that begins so
_MADE_BESIDE = frozenset(("CREATE", kind) for kind in ("INDEX", "VIEW", "TRIGGER"))
_ANOTHER = "inv backup.list, and name another"


@dataclass(frozen=True)
class Content:
    """What a database holds.

    Args:
        tables: name → (rows, content hash). The hash is SHA-256 over lists of 1,000
            rows in the order of their key, each as Python's ``marshal`` version 2
            writes it; the rowid is part of a row where no column is it.
        schema: SHA-256 over (type, name, SQL) of all that is made by SQL.
        user_version: SQLite's ``PRAGMA user_version``.
        violations: foreign keys that point nowhere.
    """

    tables: dict[str, tuple[int, str]]
    schema: str
    user_version: int
    violations: int

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(count for count, _ in self.tables.values())


@dataclass(frozen=True)
class Signature:
    """What a key says of a manifest.

    Args:
        key: which, by the first of its hash.
        hmac: HMAC-SHA256 over the manifest without its signature, hexadecimal.
    """

    key: str
    hmac: str


@dataclass(frozen=True)
class Manifest:
    """What stands beside a backup, as JSON.

    Args:
        file: the backup's name.
        environment: whose database it is.
        source: where the database is, without any secret.
        created: UTC.
        size: of the backup, bytes.
        sha256: of the backup.
        database_size: of the database file or SQL text in it, bytes.
        database_sha256: of that.
        content: what the database holds.
        encrypted: whether age's key is needed.
        beside: SQL that plain SQLite cannot run, put back on libSQL's server.
        ledger: the applied migrations.
        worker_version: what was live; empty: not known.
        journal_mode: of the file the backup was made of.
        format: of this JSON.
        signature: who vouches for it; None: nobody does, as in earlier versions.
        read: the JSON that it was read from; empty: it was made here.
    """

    file: str
    environment: str
    source: str
    created: str
    size: int
    sha256: str
    database_size: int
    database_sha256: str
    content: Content
    encrypted: bool = False
    beside: Sequence[str] = ()
    ledger: Sequence[str] = ()
    worker_version: str = ""
    journal_mode: str = "delete"
    format: int = field(default=FORMAT)
    signature: Signature | None = None
    read: str = field(default="", repr=False, compare=False)

    @property
    def statement(self) -> str:
        """Return what a signature is made of: all but itself, as JSON in one form.

        Of one that was read, just what stands there: a field that a later version adds is none.
        """
        held: dict[str, Any] = json.loads(self.read) if self.read else self._held()
        held.pop("signature", None)
        return json.dumps(held, sort_keys=True, separators=(",", ":"))

    @property
    def rows(self) -> int:
        """Return how many rows it holds in all."""
        return self.content.rows

    def as_json(self) -> str:
        """Return the text that stands beside the backup."""
        return json.dumps(self._held(), indent=1) + "\n"

    def _held(self) -> dict[str, Any]:
        held = asdict(self)
        del held["read"]
        if self.signature is None:
            del held["signature"]
        return held


def parse(text: str, name: str) -> Manifest:
    """Read a manifest.

    Args:
        text: JSON.
        name: of its file, for the error.

    Raises:
        Refused: it is none.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        if (told := found.get("format", FORMAT)) != FORMAT:
            raise Refused(
                f"{name} is of format {told}",
                f"{LATER}, which reads {FORMAT}",
                f"{UPDATE}; or {_ANOTHER}",
            )
        content, signed = found.pop("content"), found.pop("signature", None)
        held = {
            table: (int(rows), str(digest))
            for table, (rows, digest) in content.pop("tables").items()
        }
        manifest = Manifest(
            content=Content(tables=held, **_known(Content, content)),
            signature=Signature(**_known(Signature, signed)) if signed else None,
            **{**_known(Manifest, found), "read": text},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(
            f"{name} is no manifest of a backup", type(error).__name__, _ANOTHER
        ) from None
    _require_definitions(name, manifest.beside)
    return manifest


def _known(kind: type[Content | Signature | Manifest], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this version knows of a part; what a later one added changes none of it."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in found.items() if name in names}


def _require_definitions(name: str, beside: Sequence[str]) -> None:
    """Refuse a manifest whose SQL does more than make what the schema held.

    It is run on the database that is restored: nothing but one index, view or trigger each.
    """
    for sql in beside:
        words = first_words(sql, 3)
        makes = words[:2] in _MADE_BESIDE or words == ("CREATE", "UNIQUE", "INDEX")
        if len(split(sql)) != 1 or not makes:
            raise Refused(f"{name} is no manifest of a backup", f"it would run: {sql}", _ANOTHER)


def of_file(
    path: Path,
    progress: Progress = no_progress,
    total: int | None = None,
    read: digest.Reading = digest.of_file,
) -> Content:
    """Read what a database file holds.

    Args:
        path: the file, which nobody writes to meanwhile.
        progress: told how many rows were read.
        total: how many there should be.
        read: counts and hashes the rows of its tables.

    Raises:
        DatabaseError: the file cannot be read.
    """
    with translated(), closing(digest.open_readonly(path)) as connection:
        # What a virtual table holds is in its shadow tables.
        present = [table for table in tables.read(connection) if table.kind != "virtual"]
        held = read(
            path,
            {table.name: table.in_order for table in present},
            lambda done: progress("compare", done, total, "rows"),
        )
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        broken = foreign_keys.count(connection, foreign_keys.left_out(connection))
        return Content(held, _schema(connection), version, broken)


def differences(expected: Content, found: Content) -> list[str]:
    """Return where two contents differ; empty: nowhere."""
    lines = []
    for name in sorted({*expected.tables, *found.tables}):
        wanted, had = expected.tables.get(name), found.tables.get(name)
        if wanted is None and name.startswith(_ONCE_LEFT_OUT):
            continue
        if wanted is None or had is None:
            lines.append(f"table {name} is {'missing' if had is None else 'too much'}")
        elif wanted[0] != had[0]:
            lines.append(f"table {name} has {had[0]} rows and not {wanted[0]}")
        elif wanted != had:
            lines.append(f"table {name} has other rows")
    if expected.schema != found.schema:
        lines.append("the schema is another")
    if expected.user_version != found.user_version:
        lines.append(f"user_version is {found.user_version} and not {expected.user_version}")
    return lines


def _schema(connection: sqlite3.Connection) -> str:
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
