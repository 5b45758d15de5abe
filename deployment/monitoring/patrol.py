"""Go the rounds: judge what was measured, keep the book, and tell people; a cron's one call.

The book is saved with what is to be told before it is told. So a round that is cut off is
made up for by the next one, and of two rounds at once only one tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deployment.monitoring import book as books
from deployment.monitoring.alert import Alert
from deployment.monitoring.book import Book, Notice, Policy
from deployment.monitoring.courier import Courier
from deployment.monitoring.storage import Execute

_SCHEMA = """CREATE TABLE IF NOT EXISTS monitoring_book (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, data TEXT NOT NULL)"""
_LOAD = "SELECT revision, data FROM monitoring_book"
_FIRST = "INSERT OR IGNORE INTO monitoring_book VALUES (1, 1, ?) RETURNING revision"
_NEXT = """UPDATE monitoring_book SET revision = revision + 1, data = ?
    WHERE revision = ? RETURNING revision"""

_LEASE = 50.0  # seconds for which a round that tells keeps others from telling the same


class Shelf(Protocol):
    """Keeps a book between rounds."""

    async def load(self) -> tuple[int, str]:
        """Give the book's revision and text; 0 and an empty text where there is none."""
        ...

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        ...


class DatabaseShelf:
    """Keep the book in the database, through an injected ``execute``."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def load(self) -> tuple[int, str]:
        """Give the book's revision and text; 0 and an empty text where there is none."""
        await self._execute(_SCHEMA, ())
        rows = await self._execute(_LOAD, ())
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        if revision == 0:
            return bool(await self._execute(_FIRST, (text,)))
        return bool(await self._execute(_NEXT, (text, revision)))


@dataclass(frozen=True)
class Round:
    """Say what a round did.

    Args:
        notices: what people were told, or were to be.
        delivered: whether each of them reached somebody.
        ours: whether this round was the one that told; another was under way if not.
    """

    notices: Sequence[Notice]
    delivered: bool
    ours: bool = True


async def patrol(
    due: Sequence[Alert],
    shelf: Shelf,
    courier: Courier,
    now: float,
    *,
    events: Sequence[Alert] = (),
    policy: Policy | None = None,
    prepare: Callable[[Book], None] = lambda _book: None,
) -> Round:
    """Go one round.

    Args:
        due: the conditions that hold now, see :func:`deployment.monitoring.rules.judge`.
        shelf: keeps the book.
        courier: tells people.
        now: seconds since 1970.
        events: what happened since the last round.
        policy: when people are told.
        prepare: changes the book first, e.g. adds a silence.

    Raises:
        Exception: what the shelf raised; then nobody was told.
    """
    revision, text = await shelf.load()
    book = books.load(text, policy) if text else Book(policy)
    if book.telling_until > now:
        return Round((), delivered=False, ours=False)
    prepare(book)
    notices = [*book.take_undelivered(), *book.advance(due, now)]
    notices += [notice for event in events for notice in book.happened(event, now)]
    book.keep_undelivered(notices)
    book.telling_until = now + _LEASE if notices else 0.0
    if not await shelf.save(revision, book.dump()):
        return Round((), delivered=False, ours=False)
    if not notices:
        return Round((), delivered=True)
    delivered = await courier.deliver(book, ())
    book.telling_until = 0.0
    await shelf.save(revision + 1, book.dump())
    return Round(notices, delivered)
