from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.twin.cloudflare.stand_in import BROKEN, Api
from xswarm_twin.cloudflare.blobs import Blobs
from xswarm_twin.cloudflare.clock import Clock
from xswarm_twin.cloudflare.records import DnsRecord, Project, Zone
from xswarm_twin.cloudflare.store import Store

WRITER = """
import sys
from pathlib import Path
from xswarm_twin.cloudflare.records import Zone
from xswarm_twin.cloudflare.store import Store
store = Store(Path(sys.argv[1]))
for number in range(10_000):
    pair = [Zone(f"{number}-{half}", "example.com", "", "", {}) for half in "ab"]
    store.save(*pair)
    print(number, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def project(name: str, canonical: str | None = None) -> Project:
    return Project(f"id-of-{name}", name, "2026-01-01T00:00:00.000000Z", "main", canonical)


def test_records_come_back_as_they_went_in(store: Store) -> None:
    store.save(project("a"), project("b"))
    store.save(project("a", canonical="x"))
    assert store.find(Project, "a") == project("a", canonical="x")
    assert store.find(Project, "c") is None
    assert [one.name for one in store.all(Project)] == ["a", "b"]
    store.remove(project("a"))
    assert [one.name for one in store.all(Project)] == ["b"]
    store.close()


def test_what_another_version_of_the_twin_kept_beside_is_left(store: Store, tmp_path: Path) -> None:
    """A twin outlives the tool's update: its records have fields that are no more, or not yet."""
    store.save(project("a"))
    store.close()
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as database, database:
        database.execute("UPDATE records SET body = json_set(body, '$.of_another_version', 1)")
    again = Store(tmp_path)
    assert again.find(Project, "a") == project("a")
    assert again.all(Project) == again.newest(Project, "", 1) == [project("a")]
    again.close()


def test_what_a_removed_record_owns_goes_with_it(store: Store) -> None:
    zone = Zone("z", "example.com", "", "", {})
    record = DnsRecord("r", "z", "A", "example.com", "192.0.2.1", 1, False, "")
    other = DnsRecord("s", "y", "A", "example.org", "192.0.2.1", 1, False, "")
    store.save(zone, record, other)
    store.remove(zone)
    assert store.all(DnsRecord) == [other]
    store.close()


def test_a_failed_save_leaves_nothing(store: Store) -> None:
    bad = Project("id", "bad", "", object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.save(project("a"), bad)
    assert store.all(Project) == []
    store.save(project("b"))
    assert len(store.all(Project)) == 1
    store.close()


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        assert writer.stdout is not None
        confirmed = -1
        while confirmed < 20:
            confirmed = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        confirmed = max([confirmed, *map(int, writer.stdout.read().split())])
    store = Store(tmp_path)
    kept = {zone.id for zone in store.all(Zone)}
    assert {f"{number}-{half}" for number in range(confirmed + 1) for half in "ab"} <= kept
    assert all(f"{one.rpartition('-')[0]}-{half}" in kept for one in kept for half in "ab")
    store.close()


def test_bytes_are_kept_once_and_swept_when_unnamed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    one, same, other = blobs.take(b"one"), blobs.take(b"one"), blobs.take(b"other")
    assert one.sha256 == same.sha256
    asyncio.run(blobs.keep(one, same, other))
    assert blobs.path(one.sha256).read_bytes() == b"one"
    blobs.take(b"never kept")
    blobs.sweep({one.sha256})
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [one.sha256]


def test_bytes_that_only_another_version_knows_of_are_not_swept(
    store: Store, tmp_path: Path
) -> None:
    """Somebody tries an older version of the tool, and goes back."""
    blobs = Blobs(tmp_path / "blobs")
    held = [blobs.take(text) for text in (b"of a kind", b"of a field", b"nobody's")]
    asyncio.run(blobs.keep(*held))
    store.save(project("a"))
    later = {"parts": [{"blob": held[0].sha256}]}
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as database, database:
        row = ("container", "", "c", json.dumps(later))
        database.execute("INSERT INTO records (kind, owner, key, body) VALUES (?, ?, ?, ?)", row)
        sql = "UPDATE records SET body = json_set(body, '$.image', ?) WHERE kind = 'project'"
        database.execute(sql, (held[1].sha256,))
    blobs.sweep(store.blobs())
    store.close()
    assert [blobs.path(each.sha256).exists() for each in held] == [True, True, False]


def test_a_clock_goes_on_behind_the_latest_time() -> None:
    clock = Clock("2999-12-31T23:59:59.999999Z")
    assert clock.now() == "3000-01-01T00:00:00.000000Z"
    assert clock.now() == "3000-01-01T00:00:00.000001Z"
    now = Clock()
    assert now.now() < now.now()


def test_a_restart_sweeps_refused_uploads_and_keeps_the_rest(api: Api) -> None:
    version = api.worker()
    api.upload("shop", BROKEN)
    blobs = api.state / "cloudflare/blobs"
    assert len([file for file in blobs.iterdir() if file.is_file()]) == 2
    api.restart()
    assert len([file for file in blobs.iterdir() if file.is_file()]) == 1
    folders = [folder.name for folder in (api.state / "cloudflare/versions").iterdir()]
    assert folders == [version]
    assert api.edge.deployed["shop"] == {version: 100}
    assert api.upload("shop", b"export default { later: 1 }").status_code == 200
