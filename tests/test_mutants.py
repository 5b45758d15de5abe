"""What mutation testing is asked to do, before it takes its time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import pytest
from cosmic_ray import plugins
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, WorkerOutcome, WorkItem, WorkResult
from cosmic_ray.work_item import TestOutcome as Outcome

from tests.support import mutants

pytestmark = pytest.mark.slow  # cosmic-ray brings SQLAlchemy, which takes a second to import


@pytest.mark.parametrize(
    ("module", "tests"),
    [
        ("deploy/release/lock.py", ["tests/release/test_lock.py", "tests/release"]),
        ("deploy/release/nosuch.py", ["tests/release"]),
        ("monitoring/src/xswarm_monitoring/nosuch.py", ["tests/monitoring"]),
        ("deploy/database/d1/nosuch.py", ["tests/database"]),
    ],
)
def test_a_files_tests_are_those_that_bear_its_name_and_then_its_room(
    module: str, tests: list[str]
) -> None:
    assert mutants.named_for(Path(module)) == tests


def test_every_operator_that_is_kept_exists() -> None:
    known = set(plugins.operator_names())
    for name, kept in mutants.KEPT.items():
        assert {f"core/{name}_{pair}" for pair in kept} <= known


def test_what_survives_is_shown_and_counted() -> None:
    results = [
        WorkResult(WorkerOutcome.NORMAL, test_outcome=outcome, diff=f"-{outcome.value}")
        for outcome in (Outcome.KILLED, Outcome.SURVIVED, Outcome.KILLED)
    ]
    shown = mutants.report("a.py", results)
    assert shown.splitlines() == ["-survived", "", "a.py: 2 of 3 mutants were noticed, 67%"]


def test_a_file_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main(["packages/deploy/src/xswarm_deploy/nosuch.py"]) == 2
    assert "./inv test.mutants packages/deploy/src/xswarm_deploy/" in capsys.readouterr().err


def session(folder: Path, name: str, mutants_of_it: int) -> Path:
    """Make a session as Cosmic Ray does, whose mutants bear names that say nothing."""
    path = folder / f"{name}.sqlite"
    with use_db(path) as database:
        for line in range(mutants_of_it):
            spec = MutationSpec(Path(name), "core/NumberReplacer", 0, (line, 0), (line, 1))
            database.add_work_item(WorkItem.single(uuid4().hex, spec))
    return path


def lines(sessions: Iterable[Path]) -> list[tuple[Path, int]]:
    found = []
    for path in sessions:
        with use_db(path, WorkDB.Mode.open) as database:
            pending = database.pending_work_items
        found += [(one.mutations[0].module_path, one.mutations[0].start_pos[0]) for one in pending]
    return sorted(found)


def test_of_a_folder_a_sample_is_drawn_each_time_the_same(tmp_path: Path) -> None:
    drawn = []
    for time in ("first", "second"):
        (tmp_path / time).mkdir()
        sessions = {name: session(tmp_path / time, name, 20) for name in ("a.py", "b.py")}
        mutants.draw(sessions, 10)
        drawn.append(lines(sessions.values()))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 10
    assert {path.name for path, _ in drawn[0]} == {"a.py", "b.py"}
