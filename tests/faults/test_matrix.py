"""The fault matrix, reduced: each operation of each scenario that differs from its others, once.

Each kind of fault is met in a release; minting, which is one, too, leaves out what that has met.
All of it runs by command: ``inv test.faults --full``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import matrix
from tests.faults.interception import KINDS
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import World, standing

pytestmark = [
    pytest.mark.slow,
    # A deployer that a fault ends in the middle leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        pytest.MonkeyPatch.context() as patch,
        standing(tmp_path_factory.mktemp("faults"), patch) as made,
    ):
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_fault_leaves_a_mixed_world(world: World, scenario: str) -> None:
    wanted = matrix.clean(world, scenario)
    cases = list(matrix.every(scenario, wanted.operations))
    chosen = matrix.sample(cases, kinds=scenario == "release")
    if scenario == "minting":
        met = {each.name for each in matrix.clean(world, "release").operations}
        chosen = [case for case in chosen if case.operation.name not in met]
    assert chosen
    problems = [
        f"{case.key}: {problem}"
        for case in chosen
        for problem in matrix.judged(world, case, wanted).problems
    ]
    assert problems == []


def test_the_sample_has_every_operation_and_every_kind(world: World) -> None:
    operations = matrix.clean(world, "release").operations
    chosen = matrix.sample(matrix.every("release", operations))
    assert {case.operation.name for case in chosen} == {each.name for each in operations}
    kinds = {(sort, kind) for sort, listed in KINDS.items() for kind in listed}
    assert {(case.operation.sort, case.kind) for case in chosen} == kinds
    assert len(chosen) == len(matrix.sample(matrix.every("release", operations)))


def test_a_tool_that_undoes_nothing_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge sees what it is to see."""
    wanted = matrix.clean(world, "release")
    operation = next(o for o in reversed(wanted.operations) if o.name.endswith("/schedules"))
    monkeypatch.setattr("xswarm_deploy.release.undo._undo_each", lambda _release: [])
    found = matrix.judged(world, matrix.Case("release", operation, "500", lasting=True), wanted)
    assert any("the world is mixed" in problem for problem in found.problems)


def test_a_tool_without_a_fence_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = matrix.clean(world, "release")
    moved = [o for o in wanted.operations if o.name.startswith("POST") and "deployments" in o.name]
    monkeypatch.setattr("xswarm_deploy.fence.current", lambda: None)
    cases = [matrix.Case("release", operation, "stop") for operation in moved]
    found = [problem for case in cases for problem in matrix.judged(world, case, wanted).problems]
    assert any("the world is mixed" in problem for problem in found)
