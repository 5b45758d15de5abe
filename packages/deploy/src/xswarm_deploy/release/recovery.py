"""What to do about a release whose deployer died: finish it, or undo it; never guess.

All that is needed stands in the database, so any machine can do either. Where this machine
has the release's own journal, that tells what the database missed. A change that was
intended, and of which it is unknown whether it was made, is settled by asking its provider.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final

from xswarm_deploy.console import Console
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import VERSION, CheckFailed, Refused
from xswarm_deploy.model.record import TOOL, Record
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Facts
from xswarm_deploy.release import audit, lock, records, steps, undo
from xswarm_deploy.release.audit import Event
from xswarm_deploy.release.journal import Damaged, Events, last_word
from xswarm_deploy.release.records import Entry
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site

_SHORTEST: Final = 6  # characters of an id that are taken for one
_STATES: Final = (records.DONE, records.UNDONE, records.NOT_UNDONE)


def settle(site: Site, lease: lock.Lease, console: Console) -> Event | None:
    """Settle every release that died, before another one begins; return the trail's last event.

    One that had made all its changes is verified, and only its end is written down when what
    is live is good. Any other is undone.

    Args:
        site: the environment.
        lease: the lock, held; what was read as it was taken is not read again.
        console: where it is shown.

    Raises:
        NotRolledBack: one could not be undone; nothing else must begin.
        Refused: one is another Worker's, whose configuration is needed to settle it; or a later
            version of this tool made it.
    """
    dead, last = records.unended(site.database, site.settings.environment, lease.found)
    for record in dead:  # before the first is settled: a refusal says that nothing was changed
        _require_own(site, record)
        records.require_known(record)
    for record in dead:
        _settle(reopened(site, record, lease, console))
    return audit.last(site.database) if dead else last


def reopened(site: Site, record: Record, lease: lock.Lease, console: Console) -> Release:
    """Take an interrupted release over: its changes, its facts, what its own journal knows.

    Args:
        site: the environment; the release gets facts of its own.
        record: which one.
        lease: the lock, held.
        console: where its steps are shown.

    Raises:
        UnknownPayload: a later version of this tool made it, and this one cannot read its changes.
    """
    anew = site.holding(ReleaseState(history=site.history))
    release = Release.adopt(record, anew, lease, console)
    facts = release.site.facts
    release.told = _own_events(release)
    if last_word(release.told).get("event") in ("failed", "undoing"):
        release.record = record._replace(status=records.UNDOING)
    recorded = records.entries(site.database, record.release)
    release.entries = _known(recorded, release.told)
    for before, entry in zip(recorded, release.entries, strict=True):
        if entry.state != before.state:
            release.ledger.mark(entry.number, entry.state, entry.change, entry.outcome)
    for entry in release.entries:
        if entry.state == records.DONE:
            facts.update(entry.outcome)
    if record.message:
        facts.setdefault("message", record.message)
    return release


def find(site: Environment, name: str = "") -> Record | None:
    """Return the release that a person means: by its id's beginning, or the one that died.

    Raises:
        Refused: the name is no release's.
    """
    environment = site.settings.environment
    if not name:
        listed = records.read(site.database, environment, site.worker)
        since = takewhile(lambda one: one.status != records.SUCCEEDED, listed)
        return next((one for one in since if one.status not in records.SETTLED), None)
    listed = records.read(site.database, environment, site.worker, named=name)
    found = [r for r in listed if r.release.startswith(name)]
    if len(name) < _SHORTEST or len(found) != 1:
        raise Refused(
            f"{name} names no release",
            f"{len(found) or 'no'} release ids start with it",
            "inv deploy.list",
        )
    return found[0]


def require_resumable(environment: Environment, record: Record) -> None:
    """Refuse what cannot be finished.

    Raises:
        Refused: it was being undone, or is; or only a later version of this tool knows.
    """
    records.require_known(record)
    if record.status != records.RUNNING:
        raise Refused(
            f"release {record.release} cannot be finished: it is {record.status}",
            "what is undone, wholly or half, is not made again",
            f"inv {environment.settings.environment} deploy.abort --release {record.release}",
        )


def require_abortable(site: Environment, record: Record) -> None:
    """Refuse to undo what stands, or what later releases were built upon.

    Raises:
        Refused: with the command that goes back instead.
    """
    records.require_known(record)
    listed = records.read(site.database, site.settings.environment, site.worker)
    since = list(takewhile(lambda one: one.number >= record.number, listed))
    what = f"release {record.release} cannot be aborted"
    good = [r for r in since if r.status == records.SUCCEEDED]
    if good:
        why = "it succeeded" if record in good else f"{good[0].release} was made since"
        raise Refused(what, why, "inv rollback")
    if later := [r for r in since if r.status not in records.SETTLED and r.number > record.number]:
        why = f"{later[0].release} was built upon it, and is {later[0].status}"
        environment = site.settings.environment
        raise Refused(what, why, f"inv {environment} deploy.abort --release {later[0].release}")


def carry_on(release: Release) -> None:
    """Make all changes of an interrupted release that are not made, and verify.

    Raises:
        CheckFailed: what is live then is not good; the caller undoes the release.
    """
    version = _version_made(release)
    if version:
        release.site.facts["version"] = version
    for entry in list(release.entries):
        _carry_on(release, entry, made=bool(version))
    for phase in _unplanned(release):
        with release.console.step(phase) as line:
            line.detail = f"{len(release.perform(steps.step_named(phase)))} changes"
    verified(release)


def verified(release: Release) -> None:
    """Verify what is live, as the release's last step would have.

    Raises:
        CheckFailed: it is not good.
    """
    from xswarm_deploy.steps import traffic
    from xswarm_deploy.verification import verify

    site = release.site
    if not traffic.live_split(site):
        return
    with release.console.step("verify") as line:
        report = verify.gate(site, verify.live(site, _expected(release)))
        line.detail = report.summary


def _require_own(environment: Environment, record: Record) -> None:
    if record.worker not in ("", environment.worker):
        raise Refused(
            f"release {record.release} was interrupted, and is one of worker {record.worker}",
            f"{environment.worker} is deployed into the same database; nothing was changed",
            f"settle it first: INVOKE_DEPLOY_WORKER_NAME={record.worker} inv deploy.abort",
        )


def _settle(dead: Release) -> None:
    name, console = dead.record.release, dead.console
    if _ended_well(dead):
        console.warn(f"release {name} had succeeded; only its end was not written down")
        _write_success(dead)
    elif dead.record.status == records.RUNNING and dead.complete and _is_good(dead):
        console.warn(f"release {name} was interrupted when all was made; it is good, and stays")
        dead.remember()
        dead.finish(records.SUCCEEDED)
    else:
        console.warn(f"release {name} was interrupted; it is undone first")
        undo.abandon(dead, going_on=True)


def write_success_if_known(dead: Release) -> bool:
    """Write down the end of a release that this machine knows to have succeeded."""
    if not _ended_well(dead):
        return False
    _write_success(dead)
    return True


def _write_success(dead: Release) -> None:
    dead.site.facts.update(last_word(dead.told).get("facts", {}))
    if "migrations" not in dead.site.facts:  # the database was silent then
        dead.remember()
    dead.finish(records.SUCCEEDED)


def _ended_well(dead: Release) -> bool:
    """Return whether the last that the release said of its end, on this machine, was success."""
    return last_word(dead.told).get("status") == records.SUCCEEDED


def _own_events(release: Release) -> Events:
    """Return what this machine's journal tells; where it is damaged, the database tells all."""
    try:
        return release.journal.read()
    except Damaged as error:
        aside = release.journal.set_aside()
        release.console.warn(f"{error}; it is left out, and kept as {aside}")
    except OSError as error:
        release.console.warn(f"{release.journal.path} cannot be read: {error.strerror}")
    return []


def _is_good(dead: Release) -> bool:
    try:
        verified(dead)
    except CheckFailed as error:
        dead.console.warn(f"what is live is not good: {error.why}")
        return False
    return True


def _known(entries: list[Entry], events: list[dict[str, Any]]) -> list[Entry]:
    """Let the release's own journal tell what the database missed."""
    states: dict[int, tuple[str, Facts]] = {
        int(event["number"]): (event["event"], event.get("outcome", {}))
        for event in events
        if event.get("event") in _STATES
    }
    return [
        entry._replace(state=states[entry.number][0], outcome=states[entry.number][1])
        if entry.number in states
        else entry
        for entry in entries
    ]


def _carry_on(release: Release, entry: Entry, *, made: bool) -> None:
    if entry.state == records.DONE:
        if not made and steps.action_named(entry.change).secret:
            release.carry_out(entry.number)  # its secret died with the deployer: once more
        return
    if entry.state == records.INTENDED and not _is_still_planned(release.site, entry):
        release.console.line(f"· {entry.change.resource}: was made, only its reply was lost")
        release.mark_done(entry.number, {})
        return
    with release.console.step("resume") as line:
        line.detail = f"{entry.change.step}: {entry.change.action} {entry.change.resource}"
        steps.step_named(entry.change.step).require_undisturbed(release.site, entry.change)
        release.carry_out(entry.number)
    outcome = release.entries[entry.number - 1].outcome
    if entry.state == records.INTENDED and outcome.get("by_other"):
        # The other run was this very release, before it died: it is ours to undo.
        release.mark_done(entry.number, {**outcome, "by_other": False})


def _is_still_planned(site: Site, entry: Entry) -> bool:
    """Ask the provider whether a change is still to be made, where that is unknown.

    What ``apply`` itself asks for first (a version by its tag, a split, applied migrations)
    is left to it. So is what the step itself did not plan, as a rollback's or a rotation's part:
    the step's plan tells nothing of it.
    """
    change = entry.change
    if entry.phase != change.step or not steps.action_named(change).replan:
        return True
    fresh = steps.step_named(change.step).plan(site)
    return any((c.action, c.resource) == (change.action, change.resource) for c in fresh)


def _version_made(release: Release) -> str:
    """Return the version that the release has made, asked for by its tag where need be."""
    known = str(release.site.facts.get("version") or "")
    if known or not any(steps.action_named(e.change).upload for e in release.entries):
        return known
    from xswarm_deploy.steps import version

    return version.tagged(release.site, release.record.release)


def require_same_inputs(release: Release) -> None:
    """Refuse to finish a release from a checkout that it was not made from; nothing is changed.

    Raises:
        Refused: it names what differs.
    """
    from xswarm_deploy.release import inputs  # heavy; few releases are finished by another

    recorded = release.site.facts.get("inputs")
    if not recorded or release.record.kind == "rollback":
        return
    left = [phase for phase in release.record.phases if not _is_done(release, phase)]
    needed = inputs.needed(left, made=bool(_version_made(release)))
    wrong = inputs.different(recorded, inputs.digests(release.site.settings), needed)
    if wrong:
        raise Refused(
            f"this checkout cannot finish release {release.record.release}",
            f"not as when it began: {', '.join(wrong)}{_of_another(release)}; nothing was changed",
            f"{_way_to_its_files(release)}, then: inv deploy.resume; or undo it: inv deploy.abort",
        )


def _of_another(release: Release) -> str:
    """Return that another version of this tool began a release, and may have noted otherwise."""
    began = release.record.facts.get(TOOL, "an earlier one")
    return "" if began == VERSION else f" (by version {VERSION} of this tool; {began} began it)"


def _way_to_its_files(release: Release) -> str:
    commit, tool = (str(release.record.facts.get(name) or "") for name in ("commit", TOOL))
    files = f"git checkout {commit}" if commit else "go to the files that it was made from"
    if tool == VERSION:
        return files
    return f"{files}, and take the version of this tool that began it{tool and f' ({tool})'}"


def _is_done(release: Release, phase: str) -> bool:
    """Return whether a phase was planned and all of it made."""
    phases = release.record.phases
    if release.record.phase not in phases or phase not in phases:
        return False
    reached = phases.index(phase) <= phases.index(release.record.phase)
    states = {entry.state for entry in release.entries if entry.phase == phase}
    return reached and states <= {records.DONE}


def _unplanned(release: Release) -> list[str]:
    """Return the phases that the release did not get to.

    Raises:
        Refused: one of them cannot be planned from here, since it was no step.
    """
    phases, reached = release.record.phases, release.record.phase
    left = list(phases[phases.index(reached) + 1 :] if reached in phases else phases)
    foreign = [phase for phase in left if phase not in steps.STEPS]
    if foreign or not phases:
        raise Refused(
            f"release {release.record.release} had not yet planned what to do",
            "it had changed nothing that its command would not change again",
            "inv deploy.abort, then repeat its command",
        )
    return left


def _expected(release: Release) -> str:
    """Return the version that must answer, where the release put one live."""
    moved = any(entry.change.step == "worker" for entry in release.entries)
    return str(release.site.facts.get("version") or "") if moved else ""
