"""What a release that is taken over knows: its ledger's word, and more where its journal has it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.releases import Begin, FakeStep, failing, kill
from xswarm_deploy.console import Console
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import DeployError, Refused, StepFailed
from xswarm_deploy.release import lock, records, recovery, undo
from xswarm_deploy.release.ledger import Ledger
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site


@contextmanager
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing more be written to the ledger."""

    def refuse(*_given: Any, **_named: Any) -> None:
        raise DatabaseError("unavailable", "nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_write", refuse)
        yield


def reopen(site: Site) -> Release:
    record = recovery.find(site)
    assert record is not None
    lease = lock.acquire(site.database, site.connect, "settling")
    return recovery.reopened(site, record, lease, Console(io.StringIO()))


def test_what_only_the_journal_knew_is_written_to_the_ledger(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.fail_apply["c"] = failing()
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    name = release.record.release
    with unreachable(monkeypatch):
        undo.roll_back(release, caught.value)
    kill(release, site)
    before = {entry.state for entry in records.entries(site.database, name)}
    assert records.DONE in before
    reopened = reopen(site)
    after = [entry.state for entry in records.entries(site.database, name)]
    assert after == [entry.state for entry in reopened.entries]
    assert records.DONE not in after
    reopened.ledger.lease.release()


@pytest.mark.parametrize("phases", [("rotation",), ("backup", "rotation")])
def test_what_no_step_plans_is_not_planned_from_elsewhere(
    begin: Begin, phases: tuple[str, ...]
) -> None:
    release = begin("rotate", phases)
    with pytest.raises(Refused, match="had not yet planned what to do"):
        recovery._unplanned(release)
    release.record = release.record._replace(phases=("backup", "migrate"), phase="backup")
    assert recovery._unplanned(release) == ["migrate"]
    release.ledger.lease.release()


def test_a_full_disk_is_told_as_such_and_any_other_failure_as_itself(begin: Begin) -> None:
    release = begin()
    full = undo._verdict(release, OSError(28, "No space left on device", "journal"), [])
    assert full.what == "journal cannot be used"
    other = undo._verdict(release, ValueError("of nobody's making"), [])
    assert isinstance(other, StepFailed)
    assert "nothing was changed" in other.what
    release.ledger.lease.release()
