"""Undo a release that failed or died, in reverse order, and say how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from xswarm_deploy import fence
from xswarm_deploy.errors import (
    DeployError,
    Interrupted,
    Locked,
    MovedForGood,
    NotRolledBack,
    StepFailed,
    disk_refusal,
    typed,
)
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import records, steps
from xswarm_deploy.release.records import Entry
from xswarm_deploy.release.release import Release
from xswarm_deploy.secret import redact
from xswarm_deploy.services import doubt
from xswarm_deploy.services.patience import LONGEST_WAIT, Patience, patient

_LOOK: Final = 0.5  # seconds between two looks whether a person has had enough


class Left(NamedTuple):
    """A change that could not be undone, and why."""

    change: Change
    error: DeployError


def roll_back(release: Release, cause: BaseException) -> DeployError:
    """Undo everything in reverse order, and return the error that says how it ended.

    Args:
        release: what failed.
        cause: what made it fail.
    """
    release.settling = True
    release.site.state.abandon()
    release.note("failed", cause=_describe(cause))
    release.keep_traceback(cause)
    try:
        _begin(release)
        left = _undo_all(release)
    except Locked as lost:
        return _overtaken(release, lost)
    _end(release, records.FAILED if left else records.ROLLED_BACK)
    return _verdict(release, cause, left)


def abandon(release: Release, *, going_on: bool = False) -> None:
    """Undo what a dead release left, under the lease of whoever found it.

    Args:
        release: what died.
        going_on: whether traffic that moved for good is where the next release goes on from.

    Raises:
        NotRolledBack: something could not be undone.
        Locked: the lock is another's now.
    """
    release.settling = True
    _begin(release)
    left = _undo_all(release)
    release.finish(records.FAILED if left else records.ROLLED_BACK)
    stuck = [each for each in left if not (going_on and isinstance(each.error, MovedForGood))]
    if stuck:
        cause = Interrupted("it was interrupted")
        raise _verdict(release, cause, left)


def _begin(release: Release) -> None:
    """Record that it is being undone, so that nobody resumes it.

    Raises:
        Locked: the lock is another's now: so is what this release has changed.
    """
    release.note("undoing")
    try:
        release.ledger.undoing(sorted(release.joined))
    except Locked:
        raise
    except DeployError as error:
        release.console.warn(f"undoing without the database, which does not answer: {error}")


def _end(release: Release, status: str) -> None:
    """End a failed release; what is not written now, the next release settles."""
    try:
        release.finish(status, free=True)
    except DeployError as error:
        release.console.warn(f"the ledger was not written: {error}")


def _undo_all(release: Release) -> list[Left]:
    """Undo in reverse order; return what could not be undone.

    It ends at traffic or a schema that does not go back: what was made before goes with it,
    and users must not meet code on a schema that it does not run on. Where the schema was
    changed before the traffic, because they do not go together, that cannot be kept.
    """
    with patient(Patience(LONGEST_WAIT, release.console.waiting, reserve=False)):
        return _undo_each(release)


def _undo_each(release: Release) -> list[Left]:
    begun = (entry for entry in release.entries if entry.state != records.PLANNED)
    release.site.state.made = [entry.change for entry in begun]
    left = _undo_backwards(release)
    if not left and doubt.any_since(release.began) and _await_late_calls(release):
        left = _undo_backwards(release, again=True)
    if any(entry.state == records.UNDONE for entry in release.entries):
        held = any(_holds(each.change) for each in left)
        _verify_live(
            release, "what is live is good" if held else "the previous version is live again"
        )
    return left


def require_settled(release: Release) -> None:
    """Look a second time before a release is called good whose calls were in doubt.

    Raises:
        StepFailed: a call that was delivered late, or somebody else, moved the traffic again.
    """
    if not doubt.any_since(release.began):
        return
    from xswarm_deploy.steps import traffic
    from xswarm_deploy.webhooks import inbound

    _await_late_calls(release)
    made = [entry.change for entry in release.entries if entry.state == records.DONE]
    traffic.require_moved(release.site, made)
    try:
        inbound.settle(release.site, made)
    except DeployError as error:  # what is left over harms nobody
        release.console.warn(f"what was made twice at SendGrid is left there: {error}")


def _await_late_calls(release: Release) -> bool:
    """Wait until no call whose reply was lost is delivered any more; return whether that was."""
    waited = False
    while (left := doubt.left(release.began)) > 0 and not release.waiting.given_up:
        release.console.waiting("a call without a reply may be delivered late", left)
        release.waiting.pause(min(_LOOK, left))
        waited = True
    return waited


def _undo_backwards(release: Release, *, again: bool = False) -> list[Left]:
    """Undo what was made, the last first; ``again``: look at what is undone a second time."""
    left: list[Left] = []
    passed = {records.PLANNED} if again else {records.UNDONE, records.PLANNED}
    for entry in reversed(release.entries):
        if entry.state in passed:
            continue
        failed = _try_to_undo(release, entry)
        if failed:
            left.append(Left(entry.change, failed))
        if failed and _holds(entry.change):
            break
    return left


def _try_to_undo(release: Release, entry: Entry) -> DeployError | None:
    try:
        _undo(release, entry)
    except Locked:
        raise  # what is left is another's to settle: undoing now would undo his work
    except Exception as error:  # whatever it is, what can be undone still must be
        failed = _foreseen(error)
        release.console.warn(f"{entry.change.resource}: could not be undone: {failed}")
        _mark(release, entry.number, records.NOT_UNDONE, entry.outcome)
        release.keep_traceback(error)
        return failed
    return None


def _undo(release: Release, entry: Entry) -> None:
    change = entry.change
    if change.undo is None:
        if change.irreversible:
            raise DeployError("it cannot be undone", change.irreversible)
        return
    with release.console.step("undo") as line:
        line.detail = f"{change.step}: {change.resource}"
        step = steps.step_named(change.step)
        said = release.waiting.repeat(lambda: step.undo(release.site, change, entry.outcome))
        line.detail += f": {said}" if said else ""
    if said:
        release.said[change.resource] = said
    _mark(release, entry.number, records.UNDONE, entry.outcome)


def _mark(release: Release, number: int, state: str, outcome: Facts) -> None:
    """Mark while undoing: a database that does not answer must not stop the undoing."""
    try:
        release.mark(number, state, outcome)
    except Locked:
        raise
    except DeployError as error:
        release.console.warn(f"the ledger was not written: {error}")


def _verify_live(release: Release, called: str) -> None:
    """Look whether what is live now is good; it says so, and changes nothing."""
    from xswarm_deploy.steps import traffic
    from xswarm_deploy.verification import verify

    site, console = release.site, release.console
    try:
        split = traffic.live_split(site)
        if not split:
            return
        version = next(iter(split)) if len(split) == 1 else ""
        report = verify.run(site, verify.live(site, version), quick=True)
    except Exception as error:  # the undoing is what counts, and it is over
        console.warn(f"what is live could not be verified: {_foreseen(error)}")
        return
    release.note("verified", ok=report.ok, counts=report.counts)
    if report.ok:
        console.line(f"✓ verify    {report.counts['passed']} passed: {called}")
    for finding in report.failures:
        console.warn(f"what is live is not good: {finding.name}: {finding.evidence}")


def _overtaken(release: Release, lost: Locked) -> DeployError:
    """Report that another deployer has the lock: undoing now would undo his work."""
    release.console.warn(str(lost))
    touched = [e.change for e in release.entries if e.state != records.PLANNED]
    if not touched:
        return lost
    last = f"its last change was {touched[-1].step}: {touched[-1].action} {touched[-1].resource}"
    _leave_word(release, last)
    return NotRolledBack(
        "this release lost its lock; whoever has it settles what it had changed",
        f"{lost.why}; {last}; {_seen(release)}",
        f"inv deploy.status; inv deploy.show {release.record.release}; inv verify",
    )


def _leave_word(release: Release, last: str) -> None:
    """Write to the audit trail, where whoever has the lock and whoever asks later finds it."""
    release.ledger.trail.forget()
    said = {"resource": last}
    try:
        with fence.lifted():
            release.ledger.trail.add(release.record.release, "overtaken", records.now(), said)
    except DeployError as error:
        release.console.warn(f"the audit trail was not written: {error}")


def _seen(release: Release) -> str:
    """Return what has the traffic at this moment, for whoever compares it with the ledger."""
    from xswarm_deploy.steps import traffic

    try:
        split = traffic.live_split(release.site)
    except DeployError as error:
        return f"what is live now could not be read: {error}"
    shares = ", ".join(f"{version[:8]} {share:g} %" for version, share in split.items())
    return f"the traffic now: {shares or 'none'}"


def _verdict(release: Release, cause: BaseException, left: Sequence[Left]) -> DeployError:
    record, entries = release.record, release.entries
    what, why, remedy = _told(cause)
    said = "; ".join(f"{resource}: {words}" for resource, words in release.said.items())
    why = " | ".join(part for part in (why, said) if part)
    if left:
        names = "; ".join(_still_changed(each) for each in left)
        return NotRolledBack(
            f"{what}; and not everything could be undone",
            f"{why} | still changed: {names}{_kept_with(left, entries)}",
            _way_on(record, left),
        )
    touched = any(entry.state != records.PLANNED for entry in entries)
    ended = "everything was brought back to before" if touched else "nothing was changed"
    if isinstance(cause, KeyboardInterrupt):
        return Interrupted(f"{what}; {ended}", said)
    if not touched and isinstance(cause, DeployError):
        return cause
    if not touched and (found := disk_refusal(cause)):
        return found
    return StepFailed(f"{what}; {ended}", why, remedy)


def _told(cause: BaseException) -> tuple[str, str, str]:
    """Return what failed, why, and what to do."""
    found = disk_refusal(cause) or cause
    if isinstance(found, DeployError):
        return found.what, found.why, found.remedy
    return _describe(cause), "", ""


def _still_changed(left: Left) -> str:
    remedy = f"; next: {typed(left.error.remedy)}" if left.error.remedy else ""
    return f"{left.change.step}: {left.change.resource} ({left.error}{remedy})"


def _holds(change: Change) -> bool:
    """Return whether what was made before must stay as long as this does."""
    return change.effect != "none"


def _kept_with(left: Sequence[Left], entries: Sequence[Entry]) -> str:
    """Name what was left as it is, since it goes with what could not be undone."""
    told = {each.change.resource for each in left}
    made = [e.change for e in entries if e.state in (records.INTENDED, records.DONE)]
    undoable = (c for c in made if c.undo not in (None, Nothing()))
    names = dict.fromkeys(c.resource for c in undoable if c.resource not in told)
    return f"; left as it is, since it goes with that: {', '.join(names)}" if names else ""


def _way_on(record: Record, left: Sequence[Left]) -> str:
    """Return the command that goes on: where traffic moved for good, there is no way back."""
    for each in left:
        if isinstance(each.error, MovedForGood):
            return each.error.remedy
    return f"inv {record.environment} deploy.abort --release {record.release}"


def _describe(cause: BaseException) -> str:
    if isinstance(cause, KeyboardInterrupt):
        return "interrupted"
    cause = disk_refusal(cause) or cause
    return redact(str(cause)) if isinstance(cause, DeployError) else type(cause).__name__


def _foreseen(error: Exception) -> DeployError:
    if isinstance(error, DeployError):
        return error
    if found := disk_refusal(error):
        return found
    return DeployError(f"unforeseen: {type(error).__name__}", "see traceback.txt of the release")
