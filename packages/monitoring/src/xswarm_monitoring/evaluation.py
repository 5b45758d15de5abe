"""Go a round: keep the book of what is wrong, and tell people.

The book is saved with what is to be told before it is told. So a round that is cut off is
made up for by the next one, and of two rounds at once only one tells.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from xswarm_monitoring import alert as alerts
from xswarm_monitoring import alert_state as books
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import LEASE, AlertState, Entry, Notice, Policy
from xswarm_monitoring.notifier import Notifier
from xswarm_monitoring.plain import described
from xswarm_monitoring.storage import Execute

_SCHEMA = """CREATE TABLE IF NOT EXISTS monitoring_book (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, data TEXT NOT NULL)"""
_LOAD = "SELECT revision, data FROM monitoring_book"
_FIRST = "INSERT OR IGNORE INTO monitoring_book VALUES (1, 1, ?) RETURNING revision"
_NEXT = """UPDATE monitoring_book SET revision = revision + 1, data = ?
    WHERE revision = ? RETURNING revision"""


class AlertStore(Protocol):
    """Keeps a book between rounds."""

    async def load(self) -> tuple[int, str]:
        """Return the book's revision and text; 0 and an empty text where there is none."""
        ...

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        ...


class FallbackStore(AlertStore, Protocol):
    """Keeps a book while the shelf is away."""

    async def forget(self) -> None:
        """Forget the book."""
        ...


class MemoryShelf:
    """Keep a book in this process, for as long as that lives."""

    def __init__(self) -> None:
        self._revision, self._text = 0, ""

    async def load(self) -> tuple[int, str]:
        """Return the book's revision and text; 0 and an empty text where there is none."""
        return self._revision, self._text

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        if revision != self._revision:
            return False
        self._revision, self._text = revision + 1, text
        return True

    async def forget(self) -> None:
        """Forget the book."""
        self._revision, self._text = 0, ""


class DatabaseShelf:
    """Keep the book in the database, through an injected ``execute``."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def load(self) -> tuple[int, str]:
        """Return the book's revision and text; 0 and an empty text where there is none."""
        await self._execute(_SCHEMA, ())
        rows = await self._execute(_LOAD, ())
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        if revision == 0:
            return bool(await self._execute(_FIRST, (text,)))
        return bool(await self._execute(_NEXT, (text, revision)))


@dataclass(frozen=True)
class Evaluation:
    """What a round did.

    Args:
        notices: what people were told, or were to be.
        delivered: whether each of them reached somebody.
        ours: whether this round was the one that told; another was under way if not.
        went: for each notice, how each channel took it.
        collecting: whether events are collected, of which people are to be told soon.
        on: the alerts that are on; None: another round knows.
    """

    notices: Sequence[Notice]
    delivered: bool
    ours: bool = True
    went: Sequence[Mapping[str, str]] = ()
    collecting: bool = False
    on: Sequence[Entry] | None = None

    def and_(self, other: Evaluation) -> Evaluation:
        """Join what another book told."""
        return Evaluation(
            [*self.notices, *other.notices],
            self.delivered and other.delivered,
            self.ours,
            [*self.went, *other.went],
            on=None if None in (self.on, other.on) else [*(self.on or ()), *(other.on or ())],
        )


async def patrol(
    due: Sequence[Alert] | None,
    shelf: AlertStore,
    courier: Notifier,
    now: float,
    *,
    events: Sequence[Alert] = (),
    policy: Policy | None = None,
    by: str = "",
    prepare: Callable[[AlertState], None] = lambda _book: None,
) -> Evaluation:
    """Go one round.

    Args:
        due: the conditions that hold now, see :func:`xswarm_monitoring.rules.judge`; None:
            nobody looked, there are only events.
        shelf: keeps the book.
        courier: tells people.
        now: seconds since 1970.
        events: what happened since the last round.
        policy: when people are told.
        by: who watches, see :meth:`xswarm_monitoring.alert_state.AlertState.advance`.
        prepare: changes the book first, e.g. adds a silence.

    Raises:
        Exception: what the shelf raised; then nobody was told.
    """
    revision, text = await shelf.load()
    book = books.load(text, policy) if text else AlertState(policy)
    if now < book.telling_until <= now + LEASE:  # else another's clock was ahead
        return Evaluation((), delivered=False, ours=False)
    book.set_clock(now)
    prepare(book)
    notices = book.take_undelivered()
    notices += [] if due is None else book.advance(due, now, by)
    notices += [notice for event in events for notice in book.happened(event, now)]
    notices += book.summed_up(now)
    collecting = any(event.collected for event in book.events.values())
    on = book.on()
    if not notices and book.dump() == text:
        # Nothing new: a database bills what is written.
        return Evaluation((), delivered=True, collecting=collecting, on=on)
    book.keep_undelivered(notices)
    book.telling_until = now + LEASE if notices else 0.0
    if not await shelf.save(revision, book.dump()):
        return Evaluation((), delivered=False, ours=False)
    if not notices:
        return Evaluation((), delivered=True, collecting=collecting, on=on)
    delivered = await courier.deliver(book, ())
    book.telling_until = 0.0
    await shelf.save(revision + 1, book.dump())
    went = [entry["channels"] for entry in book.history[-len(notices) :]]
    return Evaluation(notices, delivered, went=went, collecting=collecting, on=on)


async def evaluate_with_fallback(
    due: Sequence[Alert],
    shelf: AlertStore | None,
    reserve: FallbackStore,
    courier: Notifier,
    now: float,
    *,
    policy: Policy | None = None,
    by: str = "",
) -> Evaluation:
    """Go one round, by a reserve while the shelf is away.

    What began in the reserve ends there, so that each alert is told by one book. A reserve that
    cannot be had is not needed while the shelf is there: that it is away may be the very outage.

    Args:
        due: the conditions that hold now.
        shelf: keeps the book; None: it is known to be away.
        reserve: keeps a book meanwhile.
        courier: tells people.
        now: seconds since 1970.
        policy: when people are told.
        by: who watches.

    Raises:
        Exception: what the reserve raised while the shelf was away, too; then nobody was told.
    """
    text = await _begun_in(reserve)
    begun = books.load(text, policy).entries if text else {}

    def go(where: AlertStore, those: Sequence[Alert]) -> Awaitable[Evaluation]:
        return patrol(those, where, courier, now, policy=policy, by=by)

    if shelf is None:
        return await go(reserve, due)
    try:
        first = await go(shelf, [each for each in due if each.key not in begun])
    except Exception as error:  # the very outage that people must be told of
        outage = alerts.service_outage("database", described(error))
        return await go(reserve, [*due, outage])
    if not text:
        return first
    second = await go(reserve, [each for each in due if each.key in begun])
    await _bring_home(reserve, shelf)
    return first.and_(second)


async def _begun_in(reserve: FallbackStore) -> str:
    """Return the reserve's book; an empty text where it has none that can be had or read."""
    try:
        _, text = await reserve.load()
        if text:
            books.load(text)
    except (ValueError, KeyError, TypeError, AttributeError):  # cut off as it was written, say
        with suppress(Exception):
            await reserve.forget()  # it is begun anew
        return ""
    except Exception:  # where it is needed, it raises again
        return ""
    return text


async def _bring_home(reserve: FallbackStore, shelf: AlertStore) -> None:
    """Move what the reserve told into the shelf's history; forget the reserve once it is done.

    Where the shelf's book was changed meanwhile, a later round does so.
    """
    kept, text = await reserve.load()
    stood_in = books.load(text)
    if stood_in.history:
        revision, home = await shelf.load()
        book = books.load(home) if home else AlertState()
        book.adopt(stood_in.history)
        if not await shelf.save(revision, book.dump()):
            return
        stood_in.history = []
    if stood_in.entries or stood_in.events or stood_in.undelivered:
        await reserve.save(kept, stood_in.dump())
    else:
        await reserve.forget()
