"""A release: what makes steps a transaction. It ends wholly new, or wholly old."""

from __future__ import annotations

import importlib
import secrets
import subprocess
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from deployment.console import Console
from deployment.errors import DeployError, Interrupted, NotRolledBack, StepFailed
from deployment.release import ledger, lock
from deployment.release.journal import Journal
from deployment.release.ledger import Entry, Ledger
from deployment.secret import redact
from deployment.steps.record import Record
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts, Step

STEPS: Final = ("backup", "migrate", "secrets", "worker", "pages", "webhooks", "restore")
FOLDER: Final = ".deployments"


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
    """

    record: Record
    site: Site
    journal: Journal
    ledger: Ledger
    console: Console
    entries: list[Entry] = field(default_factory=list)
    skipped: frozenset[str] = frozenset()

    @classmethod
    def begin(cls, site: Site, kind: str, message: str, console: Console) -> Release:
        """Take the lock, settle an interrupted release first, and open the journal.

        Raises:
            Locked: another release is under way.
            NotRolledBack: an interrupted release was found and could not be undone.
        """
        ledger.prepare(site.database)
        record = _record(site, kind, message)
        lease = lock.acquire(site.database, site.connect, f"{kind} {record.release}")
        try:
            _settle_interrupted(site, lease, console)
            release = cls._open(record, site, lease, console)
            release.ledger.begin(record)
        except BaseException:
            lease.release()
            raise
        site.facts["release"] = record.release
        release.journal.append({"event": "begin", "time": now(), "kind": kind, "message": message})
        return release

    @classmethod
    def _open(cls, record: Record, site: Site, lease: lock.Lease, console: Console) -> Release:
        journal = Journal.begin(site.settings.path(FOLDER) / record.release)
        return cls(record, site, journal, Ledger(site.database, lease, record.release), console)

    def perform(self, step: Step) -> list[Change]:
        """Plan a step and make its changes; give what was changed."""
        changes = list(step.plan(self.site))
        self.make(changes)
        return changes

    def make(self, changes: Sequence[Change]) -> None:
        """Make changes in their order."""
        for change in changes:
            self._make(change)

    def succeed(self) -> None:
        """End it: everything is new."""
        self._write_end(ledger.SUCCEEDED)
        self.ledger.lease.release()

    def roll_back(self, cause: BaseException) -> DeployError:
        """Undo everything in reverse order, and give the error that says how it ended.

        Args:
            cause: what made the release fail.
        """
        self.journal.append({"event": "failed", "time": now(), "cause": _describe(cause)})
        self._keep_traceback(cause)
        left = self._undo_all()
        self._end(ledger.FAILED if left else ledger.ROLLED_BACK)
        return _verdict(self.record, cause, self.entries, left)

    def abandon(self) -> None:
        """Undo what a dead release left, under the lease of whoever found it.

        Raises:
            NotRolledBack: something could not be undone; the finder's release must not begin.
        """
        left = self._undo_all()
        self._write_end(ledger.FAILED if left else ledger.ROLLED_BACK)
        if left:
            raise _verdict(self.record, Interrupted("it was interrupted"), self.entries, left)

    def _make(self, change: Change) -> None:
        number = len(self.entries) + 1
        self.journal.append(
            {"event": "intend", "time": now(), "number": number, "change": change.as_json()}
        )
        self.ledger.intend(number, change)
        self.entries.append(Entry(number, ledger.INTENDED, change, {}))
        outcome = step_named(change.step).apply(self.site, change)
        self._mark(number, ledger.DONE, outcome)
        self.site.facts.update(outcome)

    def _undo_all(self) -> list[tuple[Change, DeployError]]:
        left = []
        for entry in reversed(self.entries):
            if entry.state == ledger.UNDONE:
                continue
            try:
                self._undo(entry)
            except Exception as error:  # whatever it is, the rest must still be undone
                failed = _foreseen(error)
                self.console.warn(f"{entry.change.resource}: could not be undone: {failed}")
                self._note(entry.number, ledger.NOT_UNDONE, entry.outcome)
                self._keep_traceback(error)
                left.append((entry.change, failed))
        return left

    def _undo(self, entry: Entry) -> None:
        change = entry.change
        if change.undo is not None:
            with self.console.step("undo") as line:
                line.detail = f"{change.step}: {change.resource}"
                step_named(change.step).undo(self.site, change, entry.outcome)
            self._note(entry.number, ledger.UNDONE, entry.outcome)

    def _note(self, number: int, state: str, outcome: Facts) -> None:
        """Mark while undoing: a database that does not answer must not stop the undoing."""
        try:
            self._mark(number, state, outcome)
        except DeployError as error:
            self.console.warn(f"the ledger was not written: {error}")

    def _mark(self, number: int, state: str, outcome: Facts) -> None:
        self.entries[number - 1] = replace(
            self.entries[number - 1], state=state, outcome=dict(outcome)
        )
        self.journal.append(
            {"event": state, "time": now(), "number": number, "outcome": dict(outcome)}
        )
        self.ledger.mark(number, state, outcome)

    def _end(self, status: str) -> None:
        """End a failed release; what is not written now, the next release settles."""
        try:
            self._write_end(status)
            self.ledger.lease.release()
        except DeployError as error:
            self.console.warn(f"the ledger was not written: {error}")

    def _write_end(self, status: str) -> None:
        self.journal.append({"event": "end", "time": now(), "status": status})
        self.ledger.finish(status, _kept(self.site.facts), now())

    def _keep_traceback(self, cause: BaseException) -> None:
        """Keep what a person needs to mend an unforeseen error; a foreseen one says it all."""
        if isinstance(cause, DeployError | KeyboardInterrupt):
            return
        file = self.journal.path.with_name("traceback.txt")
        file.touch(0o600)
        file.write_text(redact("".join(traceback.format_exception(cause))), encoding="utf-8")


def now() -> str:
    """Give the time in UTC, to the millisecond (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(site: Site, kind: str, message: str) -> Record:
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
    )


def author() -> str:
    """Give who releases: git's user name, else the login name."""
    asked = subprocess.run(
        ["git", "config", "user.name"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or lock.person()


def _settle_interrupted(site: Site, lease: lock.Lease, console: Console) -> None:
    """Undo what a release left that died: its lease ran out, and now the lock is ours."""
    for record in ledger.records(site.database, site.settings.environment):
        if record.status != ledger.RUNNING:
            continue
        console.warn(f"release {record.release} was interrupted; it is undone first")
        dead = Release._open(record, site, lease, console)
        dead.entries = ledger.entries(site.database, record.release)
        dead.abandon()


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
        names = "; ".join(f"{change.step}: {change.resource} ({error})" for change, error in left)
        return NotRolledBack(
            f"{what}; and not everything could be undone",
            f"{why} | still changed: {names}",
            f"inv deploy.abort --release {record.release}",
        )
    ended = "everything was brought back to before" if entries else "nothing was changed"
    remedy = cause.remedy if isinstance(cause, DeployError) else ""
    if isinstance(cause, KeyboardInterrupt):
        return Interrupted(f"{what}; {ended}")
    if not entries and isinstance(cause, DeployError):
        return cause
    return StepFailed(f"{what}; {ended}", why, remedy)


def _foreseen(error: Exception) -> DeployError:
    if isinstance(error, DeployError):
        return error
    return DeployError(f"unforeseen: {type(error).__name__}", "see traceback.txt of the release")
