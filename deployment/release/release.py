"""A release: what makes steps a transaction. It ends wholly new, or wholly old."""

from __future__ import annotations

import importlib
import secrets
import socket
import subprocess
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast

from deployment import child
from deployment.console import Console
from deployment.errors import (
    DeployError,
    Interrupted,
    Locked,
    MovedForGood,
    NotRolledBack,
    StepFailed,
    typed,
)
from deployment.release import facts, ledger, lock
from deployment.release.audit import Event, Origin, Trail
from deployment.release.journal import Journal
from deployment.release.ledger import Entry, Ledger, now
from deployment.secret import redact
from deployment.steps.record import Record
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts, Step

STEPS: Final = ("backup", "migrate", "secrets", "worker", "pages", "webhooks", "restore")
FOLDER: Final = ".deployments"
_PAUSES: Final = (0.0, 0.5, 1.0, 2.0)  # seconds before each try to write that all is done


def step_named(name: str) -> Step:
    """Give the step of that name: the module deployment.steps.<name>."""
    if name not in STEPS:
        raise ValueError(f"there is no step {name}")
    return cast(Step, importlib.import_module(f"deployment.steps.{name}"))


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
    """

    record: Record
    site: Site
    journal: Journal
    ledger: Ledger
    console: Console
    entries: list[Entry] = field(default_factory=list)
    skipped: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)

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
            site: what it acts upon; its facts are this release's from now on.
            record: made by :func:`new_record`.
            lease: the lock, held.
            console: where its steps are shown.
            last: the audit trail's last event; None: there is none yet.
        """
        release = cls.adopt(record, site, lease, console)
        release.ledger.trail.follow(last)
        release.ledger.begin(record)
        site.facts |= {"release": record.release, **record.facts}
        site.history = cache(site.history)  # nobody else adds to it meanwhile
        release._note_here("begin", kind=record.kind, message=record.message)
        return release

    @classmethod
    def adopt(cls, record: Record, site: Site, lease: lock.Lease, console: Console) -> Release:
        """Take a release over, new or interrupted, under a lease."""
        folder = site.settings.path(FOLDER)
        trail = trail_of(site)
        journal = Journal.begin(folder / record.release)
        kept = Ledger(site.database, lease, record.release, trail)
        return cls(record, site, journal, kept, console)

    @property
    def known_head(self) -> str:
        """Give the hash that the audit trail ended with, as far as this release knows."""
        latest = self.ledger.trail.latest
        return latest.hash if latest else ""

    @property
    def complete(self) -> bool:
        """Tell whether every change of every phase was made."""
        last = self.record.phases[-1] if self.record.phases else self.record.kind
        return self.record.phase == last and all(e.state == ledger.DONE for e in self.entries)

    def perform(self, step: Step) -> list[Change]:
        """Plan a step and make its changes; give what was changed."""
        began = time.monotonic()
        changes = list(step.plan(self.site))
        self.make(changes, step.NAME)
        self.seconds[step.NAME] = round(time.monotonic() - began, 3)
        return changes

    def make(self, changes: Sequence[Change], phase: str = "") -> None:
        """Make changes in their order.

        Args:
            changes: all of a phase.
            phase: its name; by default the kind of the release.
        """
        named = phase or self.record.kind
        if not changes and (named,) != self.record.phases[-1:]:
            return  # only that the last phase was reached is worth a write
        first = len(self.entries) + 1
        listed = [change.as_json() for change in changes]
        self._note_here("plan", phase=named, first=first, changes=listed)
        self.ledger.plan(named, first, changes)
        self.record = self.record._replace(phase=named)
        self.entries += [
            Entry(number, named, ledger.PLANNED, change, {})
            for number, change in enumerate(changes, start=first)
        ]
        for change in changes:
            if change.irreversible:
                self.console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
        last = len(self.entries)
        for number in range(first, last + 1):
            self._apply(number, self.entries[number].change if number < last else None)

    def carry_out(self, number: int) -> None:
        """Make one planned change: intent, change, outcome."""
        change = self.entries[number - 1].change
        self.journal.append(_intent(number, change))
        self.ledger.intend(number, change)
        self._apply(number)

    def _apply(self, number: int, following: Change | None = None) -> None:
        change = self.entries[number - 1].change
        self._set(number, ledger.INTENDED, {})
        outcome = step_named(change.step).apply(self.site, change)
        self.mark_done(number, outcome, following)

    def mark_done(self, number: int, outcome: Facts, following: Change | None = None) -> None:
        """Write down that a change was made, and what came of it.

        What follows at once is intended by the same write: a sync less, and a round trip.
        """
        self._mark(number, ledger.DONE, outcome, following)
        self.site.facts.update(outcome)

    def remember(self) -> None:
        """Note what going back to its version will need; what nobody tells harms only that."""
        if not self.site.facts.get("version"):
            return
        try:
            facts.remember(self.site)
        except DeployError as error:
            self.console.warn(f"not all that going back to this release needs was noted: {error}")

    def succeed(self) -> None:
        """End it: everything is new.

        A database that does not answer at this very moment changes nothing about that: what
        is live stays live, the journal here says so, and a later run writes it down.
        """
        self.site.facts["seconds"] = self.seconds
        self._note_here("end", status=ledger.SUCCEEDED, facts=_kept(self.site.facts))
        try:
            self._write_success()
        except Locked:
            raise
        except DeployError as error:
            self.console.warn(f"all is new and live, but the database does not know yet: {error}")
            self.console.warn(f"when it answers again: inv deploy.resume ({self.record.release})")

    def roll_back(self, cause: BaseException) -> DeployError:
        """Undo everything in reverse order, and give the error that says how it ended.

        Args:
            cause: what made the release fail.
        """
        self._note_here("failed", cause=_describe(cause))
        self._keep_traceback(cause)
        try:
            self._begin_undoing()
        except Locked as lost:
            return self._overtaken(lost)
        left = self._undo_all()
        self._end(ledger.FAILED if left else ledger.ROLLED_BACK)
        return _verdict(self.record, cause, self.entries, left)

    def abandon(self, *, going_on: bool = False) -> None:
        """Undo what a dead release left, under the lease of whoever found it.

        Args:
            going_on: whether traffic that moved for good is where the next release goes on from.

        Raises:
            NotRolledBack: something could not be undone.
        """
        self._begin_undoing()
        left = self._undo_all()
        self.finish(ledger.FAILED if left else ledger.ROLLED_BACK)
        stuck = [error for _, error in left if not (going_on and isinstance(error, MovedForGood))]
        if stuck:
            raise _verdict(self.record, Interrupted("it was interrupted"), self.entries, left)

    def finish(self, status: str, *, free: bool = False) -> None:
        """Write down how it ended, here and in the database.

        Args:
            status: how.
            free: give the lock back, too.
        """
        self._note_here("end", status=status)
        self.ledger.finish(status, _kept(self.site.facts), now(), free=free)

    def _begin_undoing(self) -> None:
        """Say that it is being undone, so that nobody resumes it.

        Raises:
            Locked: the lock is another's now: so is what this release has changed.
        """
        self._note_here("undoing")
        try:
            self.ledger.undoing()
        except Locked:
            raise
        except DeployError as error:
            self.console.warn(f"undoing without the database, which does not answer: {error}")

    def _undo_all(self) -> list[tuple[Change, DeployError]]:
        """Undo in reverse order; give what could not be undone.

        It ends at traffic or a schema that does not go back: what was made before goes with it,
        and users must not meet code on a schema that it does not run on. Where the schema was
        changed before the traffic, because they do not go together, that cannot be kept.
        """
        left: list[tuple[Change, DeployError]] = []
        for entry in reversed(self.entries):
            if entry.state in (ledger.UNDONE, ledger.PLANNED):
                continue
            failed = self._try_to_undo(entry)
            if failed:
                left.append((entry.change, failed))
            if failed and _holds(entry.change):
                break
        if any(entry.state == ledger.UNDONE for entry in self.entries):
            held = any(_holds(change) for change, _ in left)
            self._verify_live("what is live is good" if held else "the old is live")
        return left

    def _try_to_undo(self, entry: Entry) -> DeployError | None:
        try:
            self._undo(entry)
        except Exception as error:  # whatever it is, what can be undone still must be
            failed = _foreseen(error)
            self.console.warn(f"{entry.change.resource}: could not be undone: {failed}")
            self._note(entry.number, ledger.NOT_UNDONE, entry.outcome)
            self._keep_traceback(error)
            return failed
        return None

    def _undo(self, entry: Entry) -> None:
        change = entry.change
        if change.undo is None:
            if change.irreversible:
                raise DeployError("it cannot be undone", change.irreversible)
            return
        with self.console.step("undo") as line:
            line.detail = f"{change.step}: {change.resource}"
            step_named(change.step).undo(self.site, change, entry.outcome)
            put_back = self.site.facts.pop("_put_back", "")
            line.detail += f": {put_back} was put back" if put_back else ""
        self._note(entry.number, ledger.UNDONE, entry.outcome)

    def _verify_live(self, called: str) -> None:
        """Look whether what is live now is good; it says so, and changes nothing."""
        from deployment.steps import traffic, verify

        try:
            split = traffic.live_split(self.site)
            if not split:
                return
            version = next(iter(split)) if len(split) == 1 else ""
            report = verify.run(self.site, verify.live(self.site, version), quick=True)
        except Exception as error:  # the undoing is what counts, and it is over
            self.console.warn(f"what is live could not be verified: {_foreseen(error)}")
            return
        self._note_here("verified", ok=report.ok, counts=report.counts)
        if report.ok:
            self.console.line(f"✓ verify    {report.counts['passed']} passed: {called}")
        for finding in report.failures:
            self.console.warn(f"what is live is not good: {finding.name}: {finding.evidence}")

    def _note(self, number: int, state: str, outcome: Facts) -> None:
        """Mark while undoing: a database that does not answer must not stop the undoing."""
        try:
            self._mark(number, state, outcome)
        except DeployError as error:
            self.console.warn(f"the ledger was not written: {error}")

    def _mark(
        self, number: int, state: str, outcome: Facts, following: Change | None = None
    ) -> None:
        self._set(number, state, outcome)
        said = [_event(state, number=number, outcome=dict(outcome))]
        said += [_intent(number + 1, following)] if following else []
        self.journal.append(*said)
        change = self.entries[number - 1].change
        self.ledger.mark(number, state, change, outcome, following)

    def _set(self, number: int, state: str, outcome: Facts) -> None:
        entry = self.entries[number - 1]
        self.entries[number - 1] = entry._replace(state=state, outcome=dict(outcome))

    def _end(self, status: str) -> None:
        """End a failed release; what is not written now, the next release settles."""
        try:
            self.finish(status, free=True)
        except DeployError as error:
            self.console.warn(f"the ledger was not written: {error}")

    def _write_success(self) -> None:
        for place, pause in enumerate(_PAUSES, start=1):
            time.sleep(pause)
            try:
                self.ledger.finish(ledger.SUCCEEDED, _kept(self.site.facts), now(), free=True)
            except Locked:
                raise
            except DeployError:
                if place == len(_PAUSES):
                    raise
            else:
                return

    def _overtaken(self, lost: Locked) -> DeployError:
        """Say that another deployer has the lock: undoing now would undo his work."""
        self.console.warn(str(lost))
        if not any(entry.state != ledger.PLANNED for entry in self.entries):
            return lost
        return NotRolledBack(
            "this release lost its lock; whoever has it settles what it had changed",
            lost.why,
            f"inv deploy.status; inv deploy.show {self.record.release}",
        )

    def _note_here(self, event: str, **more: Any) -> None:
        self.journal.append(_event(event, **more))

    def _keep_traceback(self, cause: BaseException) -> None:
        """Keep what a person needs to mend an unforeseen error; a foreseen one says it all."""
        if isinstance(cause, DeployError | KeyboardInterrupt):
            return
        file = self.journal.path.with_name("traceback.txt")
        file.touch(0o600)
        file.write_text(redact("".join(traceback.format_exception(cause))), encoding="utf-8")


def new_record(site: Site, kind: str, message: str, phases: Sequence[str], facts: Facts) -> Record:
    """Make the record of a release that is about to begin.

    Args:
        site: the environment.
        kind: ``deploy``, ``rollback``, or a step's name.
        message: a person's words for it.
        phases: its parts that change anything, in their order.
        facts: what resuming it will need.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Record(
        release=f"{stamp}-{secrets.token_hex(2)}",
        environment=site.settings.environment,
        kind=kind,
        status=ledger.RUNNING,
        created=now(),
        finished="",
        author=author(),
        message=message,
        version="",
        facts=facts,
        phases=tuple(phases),
        worker=site.worker,
    )


def _event(event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "time": now(), **more}


def _intent(number: int, change: Change) -> dict[str, Any]:
    return _event("intend", number=number, change=change.as_json())


def trail_of(site: Site) -> Trail:
    """Give the audit trail of an environment's database, with who adds to it from here."""
    origin = Origin(site.settings.environment, author(), socket.gethostname())
    return Trail(site.database, origin, site.settings.path(FOLDER))


@cache
def author() -> str:
    """Give who releases: git's user name, else the login name."""
    asked = subprocess.run(
        ["git", "config", "user.name"],
        capture_output=True,
        text=True,
        check=False,
        env=child.environment(),
    )
    return asked.stdout.strip() or lock.person()


def _kept(facts: Facts) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if not name.startswith("_")}


def _describe(cause: BaseException) -> str:
    if isinstance(cause, KeyboardInterrupt):
        return "interrupted"
    return redact(str(cause)) if isinstance(cause, DeployError) else type(cause).__name__


def _verdict(
    record: Record,
    cause: BaseException,
    entries: Sequence[Entry],
    left: Sequence[tuple[Change, DeployError]],
) -> DeployError:
    what = cause.what if isinstance(cause, DeployError) else _describe(cause)
    why = cause.why if isinstance(cause, DeployError) else ""
    if left:
        names = "; ".join(_still_changed(change, error) for change, error in left)
        return NotRolledBack(
            f"{what}; and not everything could be undone",
            f"{why} | still changed: {names}{_kept_with(left, entries)}",
            _way_on(record, left),
        )
    touched = any(entry.state != ledger.PLANNED for entry in entries)
    ended = "everything was brought back to before" if touched else "nothing was changed"
    remedy = cause.remedy if isinstance(cause, DeployError) else ""
    if isinstance(cause, KeyboardInterrupt):
        return Interrupted(f"{what}; {ended}")
    if not touched and isinstance(cause, DeployError):
        return cause
    return StepFailed(f"{what}; {ended}", why, remedy)


def _still_changed(change: Change, error: DeployError) -> str:
    remedy = f"; next: {typed(error.remedy)}" if error.remedy else ""
    return f"{change.step}: {change.resource} ({error}{remedy})"


def _holds(change: Change) -> bool:
    """Tell whether what was made before must stay as long as this does."""
    return change.moves_traffic or change.is_schema


def _kept_with(left: Sequence[tuple[Change, DeployError]], entries: Sequence[Entry]) -> str:
    """Name what was left as it is, since it goes with what could not be undone."""
    told = {change.resource for change, _ in left}
    made = [e.change for e in entries if e.state in (ledger.INTENDED, ledger.DONE)]
    names = dict.fromkeys(c.resource for c in made if c.undo and c.resource not in told)
    return f"; left as it is, since it goes with that: {', '.join(names)}" if names else ""


def _way_on(record: Record, left: Sequence[tuple[Change, DeployError]]) -> str:
    """Give the command that goes on: where traffic moved for good, there is no way back."""
    for _, error in left:
        if isinstance(error, MovedForGood):
            return error.remedy
    return f"inv {record.environment} deploy.abort --release {record.release}"


def _foreseen(error: Exception) -> DeployError:
    if isinstance(error, DeployError):
        return error
    return DeployError(f"unforeseen: {type(error).__name__}", "see traceback.txt of the release")
