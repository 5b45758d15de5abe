"""Go a round: keep the book of what is wrong, and tell people.

The book is saved with what is to be told before it is told. So a round that is cut off is
made up for by the next one, and of two rounds at once only one tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from xswarm_monitoring import alert as alerts
from xswarm_monitoring import alert_state as books
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import LEASE, AlertState, Entry, Notice, Policy
from xswarm_monitoring.notifier import Notifier
from xswarm_monitoring.plain import described
from xswarm_monitoring.reserve import AlertStore, Backed, Copy, FallbackStore, Recovering
from xswarm_monitoring.storage import Execute

_SCHEMA = """CREATE TABLE IF NOT EXISTS monitoring_book (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, data TEXT NOT NULL)"""
_LOAD = "SELECT revision, data FROM monitoring_book"
_FIRST = "INSERT OR IGNORE INTO monitoring_book VALUES (1, 1, ?) RETURNING revision"
_NEXT = """UPDATE monitoring_book SET revision = revision + 1, data = ?
    WHERE revision = ? RETURNING revision"""
_TOLD_ALONE = 10  # minutes


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
        faults: what was wrong with what keeps the book, for the log.
    """

    notices: Sequence[Notice]
    delivered: bool
    ours: bool = True
    went: Sequence[Mapping[str, str]] = ()
    collecting: bool = False
    on: Sequence[Entry] | None = None
    faults: Sequence[str] = ()

    def and_(self, other: Evaluation) -> Evaluation:
        """Join what another book told."""
        return Evaluation(
            [*self.notices, *other.notices],
            self.delivered and other.delivered,
            self.ours,
            [*self.went, *other.went],
            on=None if None in (self.on, other.on) else [*(self.on or ()), *(other.on or ())],
            faults=[*self.faults, *other.faults],
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


@dataclass(frozen=True)
class _Round:
    """Go one round by one book or another; see :func:`patrol`."""

    courier: Notifier
    now: float
    policy: Policy
    by: str

    async def go(self, where: AlertStore, due: Sequence[Alert]) -> Evaluation:
        """Go it by a book."""
        return await patrol(due, where, self.courier, self.now, policy=self.policy, by=self.by)

    async def by_reserve(self, reserve: Backed, due: Sequence[Alert]) -> Evaluation:
        """Go it by the reserve's book, or by its copy here."""
        went = Evaluation((), delivered=True)
        if not reserve.away:
            went = await self.go(reserve, due)  # a disk that is full is known once it is written
        if not (why := reserve.away):
            return went
        alone = replace(self, policy=_impatient(self.policy, self.now))
        last = await alone.go(reserve, [_alone(each) for each in due])
        faults = [f"it is kept in this process alone: {why}"]
        both = went.and_(last)
        return replace(both, ours=went.ours and last.ours, on=last.on, faults=faults)

    async def telling(self, lost: str, where: AlertStore, went: Evaluation) -> Evaluation:
        """Tell people, too, that who was told of what is not known any more."""
        if not lost:
            return went
        faults = [*went.faults, f"it could not be read: {lost}"]
        event = alerts.alerts_forgotten(lost)
        try:
            told = await patrol(
                None, where, self.courier, self.now, events=[event], policy=self.policy
            )
        except Exception as error:
            return replace(
                went, faults=[*faults, f"nobody could be told of it: {described(error)}"]
            )
        return replace(went.and_(told), on=went.on, faults=faults)


async def evaluate_with_fallback(
    due: Sequence[Alert],
    shelf: AlertStore | None,
    reserve: FallbackStore,
    courier: Notifier,
    now: float,
    *,
    policy: Policy | None = None,
    by: str = "",
    copy: Copy | None = None,
) -> Evaluation:
    """Go one round, by a reserve while the shelf is away, and without either if need be.

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
        copy: what this process keeps of the reserve's book from one round to the next.
    """
    backed, here = Backed(reserve, copy or Copy()), _Round(courier, now, policy or Policy(), by)
    _, text = await backed.load()
    begun = books.load(text, policy).entries if text else {}
    if shelf is None:
        return await here.telling(backed.lost, backed, await here.by_reserve(backed, due))
    home = Recovering(shelf)
    try:
        went = await here.go(home, [each for each in due if each.key not in begun])
    except Exception as error:  # the very outage that people must be told of
        outage = alerts.service_outage("database", described(error))
        went = await here.by_reserve(backed, [*due, outage])
        return await here.telling(backed.lost, backed, went)
    went = await here.telling("; ".join(filter(None, (home.lost, backed.lost))), home, went)
    if not text:
        return went
    second = await here.go(backed, [each for each in due if each.key in begun])
    await _bring_home(backed, shelf)
    return went.and_(second)


def _impatient(policy: Policy, now: float) -> Policy:
    """Return when people are told while nothing is kept but in processes.

    Rounds may each be gone by a process that knows of none before, so that no condition is seen
    to hold. Every ten minutes, by the clock, each tells at once what it does not know to be told.
    """
    return replace(policy, hold=0.0) if int(now // 60) % _TOLD_ALONE == 0 else policy


def _alone(alert: Alert) -> Alert:
    note = "what was told is kept in one process: this may come again, and its end may not come"
    return replace(alert, details={**alert.details, "note": note})


async def _bring_home(reserve: FallbackStore, shelf: AlertStore) -> None:
    """Move what the reserve told into the shelf's history; forget the reserve once it is done.

    Where the shelf's book was changed meanwhile, a later round does so.
    """
    kept, text = await reserve.load()
    if not text:
        return
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
