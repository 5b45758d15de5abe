"""The audit trail with a key: what somebody with the database, but without the key, can hide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest

from tests.support.releases import FakeStep
from xswarm_deploy.database.client import Statement
from xswarm_deploy.errors import Unavailable
from xswarm_deploy.release import audit, history, seal, transaction
from xswarm_deploy.release.release import FOLDER
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site

KEY, NEWER = "k" * 32, "n" * 32


class Bucket:
    """R2, as far as anchors need it."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.held[key] = content

    def get(self, key: str) -> bytes | None:
        return self.held.get(key)

    def objects(self, prefix: str = "") -> Iterator[SimpleNamespace]:
        yield from (SimpleNamespace(key=key) for key in self.held if key.startswith(prefix))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def sited(
    settings: Callable[..., Settings], site: Site, bucket: Bucket
) -> Iterator[Callable[..., Site]]:
    """Return the environment with a key, as often as it is asked for; one database."""
    made: list[Site] = []

    def make(key: str = "") -> Site:
        another = Site(settings(**({seal.NAME: key} if key else {})))
        another.__dict__["objects"] = bucket
        made.append(another)
        return another

    yield make
    for each in made:
        each.database.close()


@pytest.fixture
def keyed(sited: Callable[..., Site], step: FakeStep) -> Site:
    """Return the environment after a release of an earlier version, and two by a key."""
    for site in (sited(), sited(KEY), sited(KEY)):
        with transaction.transaction(site, "test", phases=("fake",)) as running:
            running.perform(step)
    return sited(KEY)


def faults(site: Site) -> str:
    return "; ".join(history.audited(site).faults)


def rewrite(site: Site, events: Sequence[audit.Event], key: str = "") -> None:
    """Write the trail anew, as somebody with the database would: a sound chain."""
    previous, rows = "", []
    for number, event in enumerate(events, start=1):
        made = event._replace(number=number, previous=previous)
        made = made._replace(hash=made.sealed(Secret(key)))
        previous = made.hash
        rows.append(Statement(f"INSERT INTO _release_audit VALUES ({', '.join('?' * 10)})", made))
    site.database.transaction([Statement("DELETE FROM _release_audit"), *rows])


def forget_here(site: Site) -> None:
    """Lose what this machine has kept, as on one that never released."""
    (site.settings.path(FOLDER) / audit.FILE).unlink()


def test_a_trail_of_an_earlier_version_goes_on_with_a_key(keyed: Site) -> None:
    found = history.audited(keyed)
    events = audit.read(keyed.database)
    assert found.faults == ()
    assert 0 < found.keyed < found.events == len(events) == found.anchor
    assert [seal.is_keyed(event.hash) for event in events] == sorted(
        seal.is_keyed(event.hash) for event in events
    )


def test_an_edited_one_is_named_although_it_was_sealed_anew(keyed: Site) -> None:
    forget_here(keyed)
    edited = audit.read(keyed.database)[-2]._replace(who="somebody else")
    for key in ("", NEWER):
        forged = edited._replace(hash=edited.sealed(Secret(key)))
        keyed.database.execute(
            "UPDATE _release_audit SET who = ?, hash = ? WHERE number = ?",
            (forged.who, forged.hash, forged.number),
        )
        assert f"event {forged.number}" in faults(keyed)


def test_one_made_anew_is_found_by_the_anchor(keyed: Site) -> None:
    """Without the key, all of it is made anew, sound in itself; no machine remembers the old."""
    forget_here(keyed)
    events = audit.read(keyed.database)
    rewrite(keyed, events)
    assert f"event {len(events)} is not the one that is anchored in R2" in faults(keyed)
    rewrite(keyed, events, NEWER)
    assert "event 1 bears a key that is not in AUDIT_SIGNING_KEY" in faults(keyed)


def test_one_cut_off_is_found_by_the_anchor(keyed: Site, bucket: Bucket) -> None:
    forget_here(keyed)
    last = audit.read(keyed.database)[-1]
    keyed.database.execute("DELETE FROM _release_audit WHERE number = ?", (last.number,))
    assert faults(keyed) == f"event {last.number} ({last.event}, {last.time}) is gone"
    bucket.held[max(bucket.held)] = b'{"number": "1"}'
    with pytest.raises(Unavailable, match="cannot be read"):
        history.audited(keyed)


def test_one_reordered_is_found(keyed: Site) -> None:
    forget_here(keyed)
    events = audit.read(keyed.database)
    rewrite(keyed, [*events[:-3], events[-2], events[-3], events[-1]])
    assert f"event {len(events)} is not the one that is anchored in R2" in faults(keyed)


def test_two_that_changed_places_are_found(keyed: Site) -> None:
    forget_here(keyed)
    first, second = (event.number for event in audit.read(keyed.database)[-3:-1])
    for new, old in ((-1, first), (first, second), (second, -1)):
        keyed.database.execute("UPDATE _release_audit SET number = ? WHERE number = ?", (new, old))
    assert f"event {first} does not follow the one before it" in faults(keyed)
    assert f"event {first} was edited" in faults(keyed)


def test_one_added_without_the_key_is_named(
    keyed: Site, sited: Callable[..., Site], step: FakeStep
) -> None:
    with transaction.transaction(sited(), "test", phases=("fake",)) as running:
        running.perform(step)
    assert "bears no key, and earlier ones do" in faults(keyed)


def test_keys_change_and_one_that_lacks_them_says_so(
    keyed: Site, sited: Callable[..., Site], step: FakeStep
) -> None:
    both = sited(f"{NEWER},{KEY}")
    with transaction.transaction(both, "test", phases=("fake",)) as running:
        running.perform(step)
    assert history.audited(sited(f"{NEWER},{KEY}")).faults == ()
    assert "bears a key that is not in AUDIT_SIGNING_KEY" in faults(keyed)
    assert "are keyed, and AUDIT_SIGNING_KEY is not set here" in faults(sited())


def test_a_line_kept_here_that_is_no_event_is_left_out(keyed: Site) -> None:
    file = keyed.settings.path(FOLDER) / audit.FILE
    lines = ['{"number": "x"}', "12", '{"event": "done"}', "[" * 100_000]
    file.write_text("\n".join([*lines, file.read_text()]))
    assert history.audited(keyed).faults == ()
