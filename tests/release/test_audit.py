from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.releases import FakeStep, failing
from xswarm_deploy.database.client import Statement
from xswarm_deploy.errors import DeployError
from xswarm_deploy.release import audit, history, records, transaction, undo
from xswarm_deploy.release.release import FOLDER, Release, trail_of
from xswarm_deploy.secret import Secret
from xswarm_deploy.site import Site

Begin = Callable[..., Release]


@pytest.fixture
def told(begin: Begin, step: FakeStep, site: Site) -> list[audit.Event]:
    """Return the trail of a release that succeeded and of one that was undone."""
    good = begin()
    good.perform(step)
    good.succeed()
    step.fail_apply["b"] = failing()
    bad = begin()
    with pytest.raises(DeployError) as caught:
        bad.perform(step)
    undo.roll_back(bad, caught.value)
    return audit.read(site.database)


def test_every_change_is_told_with_who_when_and_from_where(told: list[audit.Event]) -> None:
    events = [event.event for event in told]
    good = ["begin", "plan", "done", "done", "done", "end"]
    bad = ["begin", "plan", "done", "undoing", "undone", "undone", "end"]
    assert events == good + bad
    assert audit.examine(told).faults == []
    assert all(event.who and event.host and event.time.endswith("Z") for event in told)
    assert '"resource": "a"' in told[2].details
    assert '"status": "rolled back"' in told[-1].details


def test_an_event_with_the_greatest_number_there_is_does_not_hide(
    told: list[audit.Event], site: Site
) -> None:
    forged = told[-1]._replace(number=2**63 - 1, previous=told[-1].hash)
    values = forged._replace(hash=forged.sealed())
    places = ", ".join("?" * len(values))
    site.database.execute(f"INSERT INTO _release_audit VALUES ({places})", values)
    assert "event 14 is missing" in history.audited(site).faults


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("who", "somebody else"),
        ("time", "2020-01-01T00:00:00.000Z"),
        ("details", "{}"),
        ("event", "undone"),
        ("host", "elsewhere"),
        ("release", "another"),
    ],
)
def test_an_edited_event_is_named(
    told: list[audit.Event], site: Site, column: str, value: str
) -> None:
    site.database.execute(f"UPDATE _release_audit SET {column} = ? WHERE number = 4", (value,))
    assert "event 4 was edited" in history.audited(site).faults


def test_one_edited_and_sealed_again_breaks_the_chain_behind_it(
    told: list[audit.Event], site: Site
) -> None:
    forged = told[3]._replace(details="{}")
    site.database.execute(
        "UPDATE _release_audit SET details = ?, hash = ? WHERE number = 4", ("{}", forged.sealed())
    )
    found = history.audited(site).faults
    assert "event 5 does not follow the one before it" in found
    assert "event 4 is not the one that was written from here" in found


def test_a_removed_event_is_named(told: list[audit.Event], site: Site) -> None:
    site.database.execute("DELETE FROM _release_audit WHERE number = 4")
    assert "event 4 is missing" in history.audited(site).faults


def test_a_trail_cut_off_is_found_by_what_is_kept_here_and_by_a_noted_head(
    told: list[audit.Event], site: Site
) -> None:
    site.database.execute("DELETE FROM _release_audit WHERE number > 10")
    assert any("event 13" in fault for fault in history.audited(site).faults)
    (site.settings.path(FOLDER) / audit.FILE).unlink()
    assert history.audited(site).faults == ()
    assert history.audited(site, told[-1].hash).faults == (
        f"no event has the hash {told[-1].hash}",
    )


def test_a_torn_line_here_is_tolerated(told: list[audit.Event], site: Site) -> None:
    file = site.settings.path(FOLDER) / audit.FILE
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], lines[-1][:40]]))
    assert len(list(audit.kept(site.settings.path(FOLDER)))) == len(lines) - 1
    assert history.audited(site).faults == ()


def test_the_head_is_the_last_hash(told: list[audit.Event], site: Site) -> None:
    assert history.audited(site).head == told[-1].hash
    assert history.audited(site, told[2].hash).faults == ()


def test_two_writers_keep_one_chain(begin: Begin, site: Site) -> None:
    release = begin()
    trail_of(site).add("", "lock", records.now(), {"message": "meanwhile"})
    release.succeed()
    events = audit.read(site.database)
    assert [event.event for event in events] == ["begin", "lock", "end"]
    assert audit.examine(events).faults == []


def test_no_secret_gets_into_it(begin: Begin, site: Site, tmp_path: Path) -> None:
    Secret("canary-in-the-trail", "CANARY")
    trail_of(site)
    release = begin()
    release.ledger.trail.add("", "note", records.now(), {"value": "canary-in-the-trail"})
    release.succeed()
    events = audit.read(site.database)
    assert "canary-in-the-trail" not in repr(events)
    assert audit.examine(events).faults == []


def test_as_many_are_read_as_are_asked_for(site: Site) -> None:
    with transaction.transaction(site, "test"):
        pass
    whole = audit.read(site.database)
    assert len(whole) > 1
    assert audit.read(site.database, limit=0) == []
    assert audit.read(site.database, limit=1) == whole[-1:]
    assert audit.read(site.database, limit=len(whole) + 1) == whole


def test_an_empty_trail_is_in_order(site: Site) -> None:
    assert history.audited(site) == history.Audited(0, 0, "", 0, 0, ())


def test_what_was_kept_of_a_deleted_database_is_forgotten(
    told: list[audit.Event], site: Site
) -> None:
    """As sandbox.reset does: a twin made anew begins a trail of its own."""
    folder = site.settings.path(FOLDER)
    elsewhere = told[0]._replace(environment="staging", number=1)
    with (folder / audit.FILE).open("a") as file:
        file.write(audit._line(elsewhere))
    site.database.execute("DELETE FROM _release_audit")
    assert history.audited(site).faults
    audit.forget_kept(folder, site.settings.environment)
    assert history.audited(site).faults == ()
    assert list(audit.kept(folder)) == [elsewhere]
    audit.forget_kept(folder, "staging")
    assert not (folder / audit.FILE).exists()
    audit.forget_kept(folder, "staging")


def test_what_two_processes_wrote_in_each_others_order_is_no_fault(
    told: list[audit.Event],
) -> None:
    swapped = [told[1], told[0], *told[3:], told[2]]
    assert audit.examine(told, swapped).faults == []
    edited = [*swapped[:-1], told[2]._replace(hash="0")]
    assert audit.examine(told, edited).faults == [
        "event 3 is not the one that was written from here"
    ]
    assert "event 13 (end, " in audit.examine(told[:-1], swapped).faults[0]


@pytest.mark.slow
def test_a_trail_of_any_length_is_verified_in_the_same_memory(
    told: list[audit.Event], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peaks are counts of bytes, not of seconds."""
    monkeypatch.setattr(audit, "_PAGE", 50)
    monkeypatch.setattr(audit, "_NEARBY", 50)
    (site.settings.path(FOLDER) / audit.FILE).unlink()
    peaks = []
    for length in (500, 2_000):
        _lengthen(told, site, length)
        tracemalloc.start()
        found = history.audited(site)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.events, found.faults) == (length, ())
    assert peaks[1] < 1.3 * peaks[0]


def _lengthen(told: list[audit.Event], site: Site, length: int) -> None:
    """Add events, here and in the database, until the trail is so long."""
    places = ", ".join("?" * len(told[-1]))
    statements = []
    with (site.settings.path(FOLDER) / audit.FILE).open("a") as file:
        while told[-1].number < length:
            event = told[-1]._replace(number=told[-1].number + 1, previous=told[-1].hash)
            told.append(event._replace(hash=event.sealed()))
            statements.append(Statement(f"INSERT INTO _release_audit VALUES ({places})", told[-1]))
            file.write(audit._line(told[-1]))
    site.database.transaction(statements)
