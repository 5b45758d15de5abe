"""What the homes of a database allow, told in advance: what exceeds it fails in mid work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xswarm_deploy.database.statements import first_words

if TYPE_CHECKING:
    from xswarm_deploy.database.migrations import Migration


@dataclass(frozen=True)
class Limits:
    """What one home allows.

    Args:
        home: its name.
        transaction: seconds that a transaction may take; None: as long as it likes.
        always: the transaction is ended even where nobody else waits to write.
        statement: bytes of one statement; None: as many as the server takes.
        row: bytes of one row; None: as many as SQLite takes.
        lifts_keys: foreign keys can be lifted for a transaction, their actions with them.
        user_version: it keeps ``PRAGMA user_version``.
        integrity: the pragma that checks it.
        reserved: how the names begin of tables that it keeps for itself.
    """

    home: str
    transaction: float | None = None
    always: bool = False
    statement: int | None = None
    row: int | None = None
    lifts_keys: bool = True
    user_version: bool = True
    integrity: str = "integrity_check"
    reserved: tuple[str, ...] = ()


LONGEST_TRANSACTION: Final = 5.0
"""Seconds after which libSQL's server, Turso's too, ends a transaction while another writer waits.

Source: libSQL's server, TXN_TIMEOUT, and measured with sqld 0.24: the writer gets
``TRANSACTION_TIMEOUT``, and nothing of its work remains.
"""

FILE: Final = Limits("SQLite")
LIBSQL: Final = Limits("libSQL's server (Turso's, too)", LONGEST_TRANSACTION)
D1: Final = Limits(
    "D1",
    30.0,
    always=True,
    statement=100_000,
    row=2_000_000,
    lifts_keys=False,
    user_version=False,
    integrity="quick_check",
    reserved=("_cf_",),
)
"""Source: https://developers.cloudflare.com/d1/platform/limits/ (a batch counts as one query)."""


def faults(file: Migration, limits: Limits) -> Iterator[str]:
    """Return what a home takes from no file, each with its line."""
    for fragment in (*file.up, *file.down):
        where = f"{file.filename}:{fragment.line}"
        size = len(fragment.sql.encode()) if limits.statement else 0
        if limits.statement and size > limits.statement:
            yield (
                f"{where}: the statement has {size:,} bytes, and {limits.home} takes"
                f" {limits.statement:,}: write it as several"
            )
        if not limits.user_version and first_words(fragment.sql, 2) == ("PRAGMA", "USER_VERSION"):
            yield f"{where}: {limits.home} keeps no user_version; leave it out"
