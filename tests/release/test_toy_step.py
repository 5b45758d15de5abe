"""A new kind of resource is a new step, and one line in the list of steps: nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.release import toy_step as toy
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.payload import UnknownPayload
from xswarm_deploy.release import lock, preview, records, recovery, steps, transaction, undo
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site

if TYPE_CHECKING:
    from xswarm_deploy.model.step import Step

    _IS_A_STEP: Step[Site] = toy


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(steps.STEPS, "toy", "tests.release.toy_step")
    toy.lamp["colour"] = "red"
    toy.broken.clear()
    yield
    toy.broken.clear()


@pytest.fixture
def begun(site: Site) -> Callable[[], Release]:
    return lambda: transaction.begin(site, "toy", "", ("toy",), Console(io.StringIO()))


def taken_over(site: Site, dead: Release) -> Release:
    dead.ledger.lease.release()
    for file in site.settings.path(".deployments").glob("*/journal.jsonl"):
        file.unlink()  # it died on another machine
    record = recovery.find(site)
    assert record is not None
    lease = lock.acquire(site.database, site.connect, "settling")
    return recovery.reopened(site, record, lease, Console(io.StringIO()))


def test_it_is_planned_and_previewed(site: Site) -> None:
    shown = Console(io.StringIO())
    preview.show_plan(shown, preview.of_release(site, ["toy"]))
    assert "toy   paint   lamp: green" in shown.stream.getvalue()  # type: ignore[attr-defined]
    assert toy.lamp == {"colour": "red"}


def test_it_is_applied_and_journaled(site: Site, begun: Callable[[], Release]) -> None:
    release = begun()
    release.perform(steps.step_named("toy"))
    release.succeed()
    assert toy.lamp == {"colour": "green"}
    assert release.site.facts["painted"] == "green"
    (entry,) = records.entries(site.database, release.record.release)
    assert (entry.state, entry.change.after) == ("done", toy.Colour("green"))
    planned = next(e for e in release.journal.read() if e["event"] == "plan")
    assert planned["changes"][0]["undo"] == {"colour": "red"}


def test_it_is_undone(begun: Callable[[], Release]) -> None:
    toy.broken.append("apply")
    release = begun()
    with pytest.raises(DeployError) as caught:
        release.perform(steps.step_named("toy"))
    ended = undo.roll_back(release, caught.value)
    assert "everything was brought back" in ended.what
    assert toy.lamp == {"colour": "red"}
    assert "lamp: it is red again" in release.console.stream.getvalue()  # type: ignore[attr-defined]


def test_it_is_resumed_elsewhere(site: Site, begun: Callable[[], Release]) -> None:
    toy.broken.append("apply")
    dead = begun()
    with pytest.raises(DeployError):
        dead.perform(steps.step_named("toy"))
    toy.broken.clear()
    again = taken_over(site, dead)
    recovery.carry_on(again)
    again.succeed()
    assert toy.lamp == {"colour": "green"}


def test_it_is_not_resumed_over_what_somebody_else_did(
    site: Site, begun: Callable[[], Release]
) -> None:
    toy.broken.append("apply")
    dead = begun()
    with pytest.raises(DeployError):
        dead.perform(steps.step_named("toy"))
    toy.lamp["colour"] = "blue"
    again = taken_over(site, dead)
    with pytest.raises(Refused, match="somebody else"):
        recovery.carry_on(again)
    again.ledger.lease.release()


def test_what_no_step_of_this_version_reads_is_one_error_and_is_shown(
    site: Site, begun: Callable[[], Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = begun()
    dead.perform(steps.step_named("toy"))
    monkeypatch.setattr(toy, "ACTIONS", ())
    release = dead.record.release
    assert records.recorded(site.database, release)[0]["change"]["action"] == "paint"
    with pytest.raises(UnknownPayload, match="change of lamp cannot be read"):
        taken_over(site, dead)
