"""What mutation testing is asked to do, before it takes its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from cosmic_ray import plugins
from cosmic_ray.work_item import TestOutcome as Outcome
from cosmic_ray.work_item import WorkerOutcome, WorkResult

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
