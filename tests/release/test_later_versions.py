"""What a later version of this tool may have written is read, or refused with the way on.

A team updates one machine after the other. Whatever a later version adds to the tables, what this
one does not know it leaves as it is; what it would have to know is refused, with nothing changed.
"""

from __future__ import annotations

import pytest

from tests.support.releases import NEW, OLD, Begin, FakeStep, kill
from xswarm_deploy.errors import VERSION, DeployError
from xswarm_deploy.release import audit, history, lock, records, seal, takeover
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.site import Site


def left_by_a_later_version(begin: Begin, step: FakeStep, site: Site, sql: str) -> str:
    """Let a release die, and then stand as ``sql`` says; return its id."""
    dead = begin()
    dead.perform(step)
    kill(dead, site)
    site.database.execute(sql)
    return dead.record.release


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("UPDATE _releases SET status = 'paused'", "is 'paused', which is not known here"),
        ("UPDATE _release_changes SET state = 'held' WHERE number = 2", "change 2 .* is held"),
        (
            "UPDATE _release_changes SET change = json_set(change, '$.action', 'paint')",
            "cannot be read",
        ),
        (
            "UPDATE _release_changes SET change = json_set(change, '$.step', 'domains')",
            "cannot be read",
        ),
    ],
)
def test_a_release_that_this_version_cannot_settle_stops_the_next(
    begin: Begin,
    step: FakeStep,
    site: Site,
    sql: str,
    what: str,
) -> None:
    name, before = left_by_a_later_version(begin, step, site, sql), site.database.query(ALL)
    for act in (begin, lambda: takeover.resume(site), lambda: takeover.abort(site, name)):
        with pytest.raises(DeployError, match=what) as refused:
            act()
        assert "a later version" in refused.value.why
        assert "pip install -U xswarm-deploy" in refused.value.remedy
        assert lock.holder(site.database) is None
    assert step.world == NEW
    assert site.database.query(ALL) == before
    assert history.status(site)["interrupted"] == [name]
    assert history.shown(site, name)["release"] == name


def test_where_an_older_one_stops_the_next_the_newer_is_not_settled_either(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    left_by_a_later_version(begin, step, site, "UPDATE _releases SET rowid = 2")
    site.database.execute(
        "INSERT INTO _releases SELECT 'older', environment, kind, 'paused', created, finished,"
        " author, message, version, facts, phases, phase, worker FROM _releases"
    )
    site.database.execute("UPDATE _releases SET rowid = 1 WHERE release = 'older'")
    before = site.database.query(ALL)
    with pytest.raises(DeployError, match="older is 'paused'"):
        begin()
    assert step.world == NEW
    assert site.database.query(ALL) == before


ALL = "SELECT * FROM _release_changes JOIN _releases USING (release) ORDER BY number"


def test_columns_of_a_later_version_are_left_as_they_are(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    begin().succeed()
    for table in records.TABLES:
        site.database.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")
    release = begin()
    release.perform(step)
    release.succeed()
    assert step.world == NEW
    assert history.audited(site).faults == ()
    assert [each["status"] for each in map(dict, site.database.query(ALL))] == ["succeeded"] * 3


def test_events_of_a_later_version_harm_no_journal_and_no_trail(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    dead = begin()
    dead.perform(step)
    dead.journal.append({"event": "paused", "at": [1], "number": {"of": 3}})
    dead.ledger.trail.add(dead.record.release, "paused", records.now(), {"later": [1]})
    kill(dead, site)
    takeover.abort(site)
    assert step.world == OLD
    assert [e["event"] for e in Journal(dead.journal.path).read()].count("paused") == 1
    assert history.audited(site).faults == ()
    told = {event.event: audit.summary(event) for event in audit.walk(site.database)}
    assert told["paused"] == ""


@pytest.mark.parametrize("made", ["2:" + "a" * 64, "v2." + "b" * 64, "c" * 128])
def test_an_event_that_is_sealed_in_another_way_is_not_called_edited(
    begin: Begin, site: Site, made: str
) -> None:
    assert seal.state("text", made) == "unknown"
    begin().succeed()
    last = audit.last(site.database)
    assert last
    site.database.execute(
        "UPDATE _release_audit SET hash = ? WHERE number = ?", (made, last.number)
    )
    (fault,) = [each for each in history.audited(site).faults if "sealed" in each]
    assert str(last.number) in fault
    assert f"version {VERSION}" in fault
