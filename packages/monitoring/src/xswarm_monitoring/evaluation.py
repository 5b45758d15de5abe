"""Evaluate the alerts that are due: keep what is wrong, and tell people.

The state is saved with what is to be told before it is told. So a round that is cut off is
made up for by the next one, and of two rounds at once only one tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from xswarm_monitoring import alert as alerts
from xswarm_monitoring import alert_state
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import LEASE, AlertState, Entry, Notice, Policy
from xswarm_monitoring.fallback_store import AlertStore, Backed, Copy, FallbackStore, Recovering
from xswarm_monitoring.notifier import Notifier
from xswarm_monitoring.plain import described
from xswarm_monitoring.storage import Execute

_SCHEMA = """CREATE TABLE IF NOT EXISTS monitoring_book (
    id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, data TEXT NOT NULL)"""
_LOAD = "SELECT revision, data FROM monitoring_book"
_FIRST = "INSERT OR IGNORE INTO monitoring_book VALUES (1, 1, ?) RETURNING revision"
_NEXT = """UPDATE monitoring_book SET revision = revision + 1, data = ?
    WHERE revision = ? RETURNING revision"""
_TOLD_ALONE = 10  # minutes
_TRIES = 5


class MemoryAlertStore:
    """Keep the state in this process, for as long as that lives."""

    def __init__(self) -> None:
        self._revision, self._text = 0, ""

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; 0 and an empty text where there is none."""
        return self._revision, self._text

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
        if revision != self._revision:
            return False
        self._revision, self._text = revision + 1, text
        return True

    async def forget(self) -> None:
        """Forget the state."""
        self._revision, self._text = 0, ""


class DatabaseAlertStore:
    """Keep the state in the database, through an injected ``execute``."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; 0 and an empty text where there is none."""
        await self._execute(_SCHEMA, ())
        rows = await self._execute(_LOAD, ())
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
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
        faults: what was wrong with what keeps the state, for the log.
    """

    notices: Sequence[Notice]
    delivered: bool
    ours: bool = True
    went: Sequence[Mapping[str, str]] = ()
    collecting: bool = False
    on: Sequence[Entry] | None = None
    faults: Sequence[str] = ()

    def and_(self, other: Evaluation) -> Evaluation:
        """Join what was told by another state; where another round tells, nothing has failed."""
        ours = [each for each in (self, other) if each.ours]
        return Evaluation(
            [*self.notices, *other.notices],
            bool(ours) and all(each.delivered for each in ours),
            bool(ours),
            [*self.went, *other.went],
            on=None if None in (self.on, other.on) else [*(self.on or ()), *(other.on or ())],
            faults=[*self.faults, *other.faults],
        )


_NONE = Evaluation((), delivered=False, ours=False)


async def evaluate(
    due: Sequence[Alert] | None,
    store: AlertStore,
    notifier: Notifier,
    now: float,
    *,
    events: Sequence[Alert] = (),
    policy: Policy | None = None,
    by: str = "",
    prepare: Callable[[AlertState], None] = lambda _state: None,
) -> Evaluation:
    """Evaluate once.

    Args:
        due: the conditions that hold now, see :func:`xswarm_monitoring.rules.judge`; None:
            nobody looked, there are only events.
        store: keeps the state.
        notifier: tells people.
        now: seconds since 1970.
        events: what happened since the last round.
        policy: when people are told.
        by: who watches, see :meth:`xswarm_monitoring.alert_state.AlertState.advance`.
        prepare: changes the state first, e.g. adds a silence.

    Raises:
        Exception: what the store raised; then nobody was told.
    """
    revision, text = await store.load()
    state = alert_state.load(text, policy) if text else AlertState(policy)
    if now < state.telling_until <= now + LEASE:  # else another's clock was ahead
        return _NONE
    state.set_clock(now)
    prepare(state)
    notices = state.take_undelivered()
    notices += [] if due is None else state.advance(due, now, by)
    notices += [notice for event in events for notice in state.happened(event, now)]
    notices += state.summed_up(now)
    collecting = any(event.collected for event in state.events.values())
    on = state.on()
    if not notices and state.dump() == text:
        # Nothing new: a database bills what is written.
        return Evaluation((), delivered=True, collecting=collecting, on=on)
    state.keep_undelivered(notices)
    state.telling_until = now + LEASE if notices else 0.0
    if not await store.save(revision, state.dump()):
        return _NONE
    if not notices:
        return Evaluation((), delivered=True, collecting=collecting, on=on)
    lease, delivered = state.telling_until, await notifier.deliver(state, ())
    await _save_told(store, revision + 1, state, lease)
    went = [entry["channels"] for entry in state.history[-len(notices) :]]
    return Evaluation(notices, delivered, went=went, collecting=collecting, on=on)


async def _save_told(store: AlertStore, revision: int, state: AlertState, lease: float) -> None:
    """Save whom the round told, beside a silence that a person added meanwhile."""
    state.telling_until = 0.0
    for _ in range(_TRIES):
        if await store.save(revision, state.dump()):
            return
        revision, text = await store.load()
        found = alert_state.load(text) if text else AlertState()
        if found.telling_until != lease:
            return  # it took too long, and another round has taken over
        state.silences = found.silences


@dataclass(frozen=True)
class _Round:
    """Evaluate once, by the state in one store or in another; see :func:`evaluate`."""

    notifier: Notifier
    now: float
    policy: Policy
    by: str
    copy: Copy

    async def at_home(self, store: AlertStore, due: Sequence[Alert]) -> Evaluation:
        """Go it by the state in its own store."""
        return await self._go(store, due, self._remember_silences)

    async def go(self, fallback: Backed, due: Sequence[Alert]) -> Evaluation:
        """Go it by the state that stands in, under the silences of the store."""
        return await self._go(fallback, due, self._silence)

    async def _go(
        self, where: AlertStore, due: Sequence[Alert], prepare: Callable[[AlertState], None]
    ) -> Evaluation:
        given = self.notifier, self.now
        return await evaluate(due, where, *given, policy=self.policy, by=self.by, prepare=prepare)

    def _remember_silences(self, state: AlertState) -> None:
        self.copy.silences = tuple(state.silences)

    def _silence(self, state: AlertState) -> None:
        """Let a silence hold that may be for the very work that takes the database away."""
        both = dict.fromkeys([*state.silences, *self.copy.silences])
        state.silences = [each for each in both if each.until > self.now]

    async def by_fallback(self, fallback: Backed, due: Sequence[Alert]) -> Evaluation:
        """Go it by the state in the fallback, or by its copy here."""
        went, policy = _NONE, _impatient(self.policy, self.now)
        if not fallback.away:
            went = await self.go(fallback, due)  # a disk that is full is known once it is written
            if not fallback.away:
                return went
        faults = [f"it is kept in this process alone: {fallback.away}"]
        if went.ours and policy is self.policy:
            return replace(went, faults=faults)  # it has gone by the copy already
        alone = replace(self, policy=policy)
        last = await alone.go(fallback, [_alone(each) for each in due])
        return replace(went.and_(last), on=last.on, faults=faults)

    async def telling(self, lost: str, where: AlertStore, went: Evaluation) -> Evaluation:
        """Notify people that the record of what they were told is lost; return both outcomes."""
        if not lost:
            return went
        faults = [*went.faults, f"it could not be read: {lost}"]
        event = alerts.alerts_forgotten(lost)
        try:
            told = await evaluate(
                None, where, self.notifier, self.now, events=[event], policy=self.policy
            )
        except Exception as error:
            return replace(
                went, faults=[*faults, f"nobody could be told of it: {described(error)}"]
            )
        return replace(went.and_(told), on=went.on, faults=faults)


async def evaluate_with_fallback(
    due: Sequence[Alert],
    store: AlertStore | None,
    fallback: FallbackStore,
    notifier: Notifier,
    now: float,
    *,
    policy: Policy | None = None,
    by: str = "",
    copy: Copy | None = None,
) -> Evaluation:
    """Go one round, by a fallback while the store is away, and without either if need be.

    What began in the fallback ends there, so that each alert is told by one state. A fallback that
    cannot be had is not needed while the store is there: that it is away may be the very outage.

    Args:
        due: the conditions that hold now.
        store: keeps the state; None: it is known to be away.
        fallback: keeps a state meanwhile.
        notifier: tells people.
        now: seconds since 1970.
        policy: when people are told.
        by: who watches.
        copy: what this process keeps of the fallback's state from one round to the next.
    """
    copy = copy or Copy()
    backed, here = Backed(fallback, copy), _Round(notifier, now, policy or Policy(), by, copy)
    _, text = await backed.load()
    begun = alert_state.load(text, policy).entries if text else {}
    if store is None:
        return await here.telling(backed.lost, backed, await here.by_fallback(backed, due))
    home = Recovering(store)
    try:
        went = await here.at_home(home, [each for each in due if each.key not in begun])
    except Exception as error:  # the very outage that people must be told of
        outage = alerts.service_outage("database", described(error))
        went = await here.by_fallback(backed, [*due, outage])
        return await here.telling(backed.lost, backed, went)
    went = await here.telling("; ".join(filter(None, (home.lost, backed.lost))), home, went)
    if not text:
        return went
    second = await here.go(backed, [each for each in due if each.key in begun])
    went = went.and_(second)
    try:
        await _bring_home(backed, store)
    except Exception as error:  # people were told, and a later round does it
        why = f"what was told meanwhile is not in its history yet: {described(error)}"
        return replace(went, faults=[*went.faults, why])
    return went


def _impatient(policy: Policy, now: float) -> Policy:
    """Return when people are told while nothing is kept but in processes.

    Rounds may each be gone by a process that knows of none before, so that no condition is seen
    to hold. Every ten minutes, by the clock, each tells at once what it does not know to be told.
    """
    return replace(policy, hold=0.0) if int(now // 60) % _TOLD_ALONE == 0 else policy


def _alone(alert: Alert) -> Alert:
    note = "what was told is kept in one process: this may come again, and its end may not come"
    return replace(alert, details={**alert.details, "note": note})


async def _bring_home(fallback: FallbackStore, store: AlertStore) -> None:
    """Move what the fallback told into the store's history; forget the fallback once it is done.

    Where the store's state was changed meanwhile, a later round does so.
    """
    kept, text = await fallback.load()
    if not text:
        return
    stood_in = alert_state.load(text)
    if stood_in.history:
        revision, home = await store.load()
        state = alert_state.load(home) if home else AlertState()
        state.adopt(stood_in.history)
        if not await store.save(revision, state.dump()):
            return
        stood_in.history = []
    if stood_in.entries or stood_in.events or stood_in.undelivered:
        await fallback.save(kept, stood_in.dump())
    else:
        await fallback.forget()
