"""A release: what makes steps a transaction. It ends wholly new, or wholly old."""

from __future__ import annotations

import math
import secrets
import socket
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from xswarm_deploy import git
from xswarm_deploy.background import started
from xswarm_deploy.console import Console
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import DeployError, Locked, disk_refusal
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Finding
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import AnyAction, Change, Facts, Step
from xswarm_deploy.release import lock, records, seal, steps
from xswarm_deploy.release import rollback_facts as facts
from xswarm_deploy.release.ahead import Ahead
from xswarm_deploy.release.audit import Event, Origin, Trail
from xswarm_deploy.release.journal import Events, Journal
from xswarm_deploy.release.ledger import Ledger
from xswarm_deploy.release.outage import Waiting
from xswarm_deploy.release.records import Entry, now
from xswarm_deploy.secret import redact
from xswarm_deploy.services import calls
from xswarm_deploy.site import Site

FOLDER: Final = ".deployments"
DEPLOY: Final = "deploy"
"""The kind of release that uploads a version of the Worker with all that it needs."""
_PAUSES: Final = (0.0, 0.5, 1.0, 2.0)  # seconds before each try to write that all is done
_LINGER: Final = 0.15  # seconds in which the next step's plan may take along what came of this one
_MOMENT: Final = 0.15  # seconds in which the first plan may take along that the release begins


@dataclass
class Release:
    """Make changes one by one, each journaled before and after; undo them all on failure.

    Args:
        record: its id, kind, author and message.
        site: what it acts upon.
        journal: on this machine's disk.
        ledger: in the database.
        console: where its steps are shown.
        entries: its changes so far.
        skipped: steps a person asked to leave out.
        seconds: how long each phase took.
        settling: whether it is being ended: then a journal that cannot be written stops nothing.
        told: what this machine's journal holds of a release that was taken over.
        said: what a person should know of what was undone, by its resource.
        began: when, by this machine's monotonic clock.
        warned: what was told already, and need not be told again.
        ahead: plans that are made before their turn.
        undisturbed: no other release changed anything from then on; on the monotonic clock.
        remembering: what notes what going back will need, begun when nothing is to be changed.
        announcing: the message that it succeeded, sent beside the last write.
        joined: numbers of changes that are intended with the one before, and not begun.
        succeeded: whether it is over, and everything is new: nothing undoes it any more.
    """

    record: Record
    site: Site
    journal: Journal
    ledger: Ledger
    console: Console
    entries: list[Entry] = field(default_factory=list)
    skipped: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)
    calls_before: Counter[str] = field(default_factory=calls.made)
    settling: bool = False
    told: Events = field(default_factory=list)
    warned: set[str] = field(default_factory=set)
    said: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    ahead: Ahead = field(default_factory=Ahead)
    remembering: Future[None] | None = None
    announcing: Future[Finding] | None = None
    undisturbed: float = math.inf
    joined: set[int] = field(default_factory=set)
    succeeded: bool = False

    @cached_property
    def waiting(self) -> Waiting:
        """Return what waits for outages to end while this release is undone."""
        return Waiting(self.console)

    @classmethod
    def begin(
        cls,
        site: Site,
        record: Record,
        lease: lock.Lease,
        console: Console,
        last: Event | None = None,
    ) -> Release:
        """Open the journal of a new release, here and in the database.

        Args:
            site: what it acts upon; the release gets a state of its own.
            record: made by :func:`new_record`.
            lease: the lock, held.
            console: where its steps are shown.
            last: the audit trail's last event; None: there is none yet.
        """
        release = cls.adopt(record, site, lease, console)
        release.ledger.trail.follow(last)
        if records.none_unended(lease.found):  # so none was undone under this lock
            release.undisturbed = lease.free_since
        release.note("begin", kind=record.kind, message=record.message)
        release.ledger.begin(record)
        release.ledger.later(_MOMENT)
        return release

    @classmethod
    def adopt(cls, record: Record, site: Site, lease: lock.Lease, console: Console) -> Release:
        """Take a release over, new or interrupted, under a lease, with a state of its own."""
        console.lossy = True
        site = site.holding(_state_of(record, site, console))
        trail = trail_of(site)
        journal = Journal.of(record.release, site.settings.path(FOLDER))
        kept = Ledger(site.database, lease, record.release, trail)
        return cls(record, site, journal, kept, console)

    @property
    def known_head(self) -> str:
        """Return the hash that the audit trail ended with, as far as this release knows."""
        latest = self.ledger.trail.latest
        return latest.hash if latest else ""

    @property
    def complete(self) -> bool:
        """Return whether every change of every phase was made."""
        last = self.record.phases[-1] if self.record.phases else self.record.kind
        return self.record.phase == last and all(e.state == records.DONE for e in self.entries)

    def perform(self, step: Step[Site]) -> list[Change]:
        """Plan a step and make its changes; return what was changed."""
        began = time.monotonic()
        self._prepare()
        made = (entry.change for entry in self.entries)
        changes = list(self.ahead.plan(step, self.site, made))
        self.make(changes, step.NAME)
        if changes:
            self.ahead.renew(self.site, [entry.change for entry in self.entries])
        self.ledger.later(_LINGER)
        self.seconds[step.NAME] = round(time.monotonic() - began, 3)
        return changes

    def _prepare(self) -> None:
        """Begin what of the steps to come no user meets; that it does is durable before it does."""
        names = self.ahead.preparable()
        if names:
            self.note("prepare", steps=names)
            self.ledger.prepare(names)
            self.ledger.later()
            self.ahead.prepare(self.site, names)

    def make(self, changes: Sequence[Change], phase: str = "", *, final: bool = False) -> None:
        """Make changes in their order.

        Args:
            changes: all of a phase.
            phase: its name; by default the kind of the release.
            final: whether no later phase changes anything; of the last one that is known.
        """
        named = phase or self.record.kind
        reached = (named,) == self.record.phases[-1:]
        final = final or reached
        if not changes and (not reached or self.record.phase == named):
            return  # only that the last phase was reached is worth a write, and that once
        if not changes:
            self._remember_ahead()
        if any(change.effect == "schema" for change in changes):
            self.site.state.require_prepared()
        first = len(self.entries) + 1
        listed = [change.as_json() for change in changes]
        self.note("plan", phase=named, first=first, changes=listed)
        joined = _joined(changes)
        self.joined.update(range(first + 1, first + 1 + joined))
        awaited = bool(changes) and not any(one.here for one in _actions(changes[0]))
        self.ledger.plan(named, first, changes, 1 + joined, awaited=awaited)
        if changes:  # while the first reads; the lease waits where it does not
            self.ledger.later(0.0 if awaited else _LINGER)
        self.record = self.record._replace(phase=named)
        self.entries += [
            Entry(number, named, records.PLANNED, change, {})
            for number, change in enumerate(changes, start=first)
        ]
        for change in changes:
            if change.irreversible:
                self.console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
        last = len(self.entries)
        for number in range(first, last + 1):
            following = self.entries[number].change if number < last else None
            self._apply(number, following, final=final and following is None)

    def carry_out(self, number: int) -> None:
        """Make one planned change: intent, change, outcome."""
        change = self.entries[number - 1].change
        self._log(_intent(number, change))
        self.ledger.intend(number, change)
        self._apply(number)

    def _apply(self, number: int, following: Change | None = None, *, final: bool = False) -> None:
        change = self.entries[number - 1].change
        self._set(number, records.INTENDED, {})
        self.joined.discard(number)
        if final and change.step not in facts.UPON:
            self._remember_ahead()
        outcome = steps.step_named(change.step).apply(self.site, change)
        if final:
            self.site.facts.update(outcome)
            self._remember_ahead()
        last = self.record.phases[-1] if final else ""
        reached = last if last != self.record.phase else ""
        self.mark_done(number, outcome, following, reached=reached, hold=True)
        if following:
            self.ledger.later()  # while it reads; the lease waits where it does not

    def mark_done(
        self,
        number: int,
        outcome: Facts,
        following: Change | None = None,
        *,
        reached: str = "",
        hold: bool = False,
    ) -> None:
        """Write down that a change was made, and what came of it.

        What follows at once is intended by the same write, and so is the last phase entered where
        it changes nothing: a sync less, and a round trip.
        """
        self.mark(number, records.DONE, outcome, following, reached=reached, hold=hold)
        self.site.facts.update(outcome)
        if reached:
            self.record = self.record._replace(phase=reached)

    def remember(self) -> None:
        """Note what going back to its version will need; what nobody tells harms only that."""
        if not self.site.facts.get("version"):
            return
        try:
            if self.remembering is None:
                facts.remember(self.site)
            else:
                self.remembering.result()
        except DeployError as error:
            self.console.warn(f"not all that going back to this release needs was noted: {error}")

    def _remember_ahead(self) -> None:
        """Begin to note it, now that nothing more is changed."""
        if self.site.facts.get("version") and not self.settling and not self.remembering:
            self.remembering = started(lambda: facts.remember(self.site), "facts")

    def succeed(self) -> None:
        """End it: everything is new.

        A database that does not answer at this very moment changes nothing about that: what
        is live stays live, the journal here says so, and a later run writes it down.
        """
        counted = dict(calls.made() - self.calls_before)
        self.site.facts.update(seconds=self.seconds, calls=counted)
        self.settling = True
        self.note("end", status=records.SUCCEEDED, facts=_kept(self.site.facts))
        try:
            self._write_success()
        except Locked:
            raise
        except DeployError as error:
            self.console.warn(f"all is new and live, but the database does not know yet: {error}")
            self.console.warn(f"when it answers again: inv deploy.resume ({self.record.release})")
        self.succeeded = True

    def finish(self, status: str, *, free: bool = False) -> None:
        """Write down how it ended, here and in the database.

        Args:
            status: how.
            free: give the lock back, too.
        """
        self.note("end", status=status)
        self.ledger.finish(status, _kept(self.site.facts), now(), free=free)

    def mark(
        self,
        number: int,
        state: str,
        outcome: Facts,
        following: Change | None = None,
        *,
        reached: str = "",
        hold: bool = False,
    ) -> None:
        """Write down, here and in the database, what became of a change.

        Args:
            number: its place, from 1.
            state: done, undone, not undone.
            outcome: what apply gave.
            following: the change that is made next, at once.
            reached: the last phase, where nothing more is changed; empty: something may be.
            hold: let the database have it with what is written next.
        """
        self._set(number, state, outcome)
        said = [_event(state, number=number, outcome=dict(outcome))]
        said += [_intent(number + 1, following)] if following else []
        self._log(*said)
        change = self.entries[number - 1].change
        self.ledger.mark(
            number,
            state,
            change,
            outcome,
            following,
            reached=reached,
            hold=hold,
            joined=number + 1 in self.joined,
        )

    def _set(self, number: int, state: str, outcome: Facts) -> None:
        entry = self.entries[number - 1]
        self.entries[number - 1] = entry._replace(state=state, outcome=dict(outcome))

    def _write_success(self) -> None:
        for place, pause in enumerate(_PAUSES, start=1):
            time.sleep(pause)
            try:
                self.ledger.finish(records.SUCCEEDED, _kept(self.site.facts), now(), free=True)
            except Locked:
                raise
            except DeployError:
                if place == len(_PAUSES):
                    raise
            else:
                return

    def note(self, event: str, **more: Any) -> None:
        """Write an event into the journal on this machine."""
        self._log(_event(event, **more))

    def _log(self, *events: Mapping[str, Any]) -> None:
        """Write into the journal; while the release is being ended, a full disk is only told.

        Raises:
            OSError: the disk does not take it, and the release can still be undone for that.
        """
        try:
            self.journal.append(*events)
        except OSError as error:
            if not self.settling:
                raise
            told = f"{self.journal.path} was not written: {error.strerror}; the database knows all"
            self.warn_once(told)

    def warn_once(self, text: str) -> None:
        """Print a warning, unless it was printed before."""
        if text not in self.warned:
            self.warned.add(text)
            self.console.warn(text)

    def keep_traceback(self, cause: BaseException) -> None:
        """Keep what a person needs to mend an unforeseen error; a foreseen one says it all."""
        if isinstance(cause, DeployError | KeyboardInterrupt) or disk_refusal(cause):
            return
        file = self.journal.path.with_name("traceback.txt")
        try:
            file.touch(0o600)
            file.write_text(redact("".join(traceback.format_exception(cause))), encoding="utf-8")
        except OSError as error:
            self.warn_once(f"{file} was not written: {error.strerror}")


def new_record(
    environment: Environment, kind: str, message: str, phases: Sequence[str], facts: Facts
) -> Record:
    """Make the record of a release that is about to begin.

    Args:
        environment: the environment.
        kind: ``deploy``, ``rollback``, or a step's name.
        message: a person's words for it.
        phases: its parts that change anything, in their order.
        facts: what resuming it will need.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Record(
        release=f"{stamp}-{secrets.token_hex(2)}",
        environment=environment.settings.environment,
        kind=kind,
        status=records.RUNNING,
        created=now(),
        finished="",
        author=author(),
        message=message,
        version="",
        facts=facts,
        phases=tuple(phases),
        worker=environment.worker,
    )


def _state_of(record: Record, site: Site, console: Console) -> ReleaseState:
    """Return the state that a release begins with.

    A person's facts, such as which backup is wanted, stay; nobody else adds to the history
    while the lease is held.
    """
    return ReleaseState(
        facts={**site.facts, "release": record.release, **record.facts},
        progress=console.progress,
        history=cache(site.history),
        uploads=record.kind == DEPLOY,
    )


def _joined(changes: Sequence[Change]) -> int:
    """Return how many of the changes behind the first are intended together with it."""
    following = changes[1:]
    joins = (one.effect == "none" and any(a.joins for a in _actions(one)) for one in following)
    return sum(takewhile(bool, joins))


def _actions(change: Change) -> list[AnyAction]:
    """Return the action whose change it is; empty: none of its step's."""
    return [one for one in steps.step_named(change.step).ACTIONS if one.owns(change)]


def _event(event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "time": now(), **more}


def _intent(number: int, change: Change) -> dict[str, Any]:
    return _event("intend", number=number, change=change.as_json())


def trail_of(environment: Environment) -> Trail:
    """Return the audit trail of an environment's database, with who adds to it from here."""
    origin = Origin(environment.settings.environment, author(), socket.gethostname())
    settings = environment.settings
    return Trail(environment.database, origin, settings.path(FOLDER), settings.secret(seal.NAME))


@cache
def author() -> str:
    """Return who releases: git's user name, else the login name."""
    return git.output(Path(), "config", "user.name") or lock.person()


def _kept(facts: Facts) -> dict[str, Any]:
    noted = dict(facts)  # at once: what going back needs may be noted meanwhile
    return {name: value for name, value in noted.items() if not name.startswith("_")}
