from __future__ import annotations

import random

import pytest

from benchmarks.canaries import World, simulated
from xswarm_deploy.verification.judge import (
    Figures,
    Limits,
    Looks,
    Outcome,
    judge,
    more_errors,
    slower,
    wilson,
)

ROUTE = "GET /api/suggestions"


def sample(chance: random.Random, count: int, factor: float = 1.0) -> Figures:
    return Figures(count, 0, [[chance.lognormvariate(-5.3, 0.4) * factor for _ in range(count)]])


def outcomes(world: World, runs: int = 100) -> list[Outcome]:
    """Simulate whole canaries, as the tables in CANARY.md do."""
    return [simulated(world, seed) for seed in range(runs)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "world",
    [World(), World(0.01, 0.01), World(0.03, 0.03), World(spread=0.8), World(burden=0.5)],
    ids=["quiet", "1 % errors", "3 % errors", "times that vary", "a busy machine"],
)
def test_an_equal_version_passes_in_at_least_95_of_100_runs(world: World) -> None:
    assert outcomes(world).count("pass") >= 95


@pytest.mark.slow
@pytest.mark.parametrize("old", [0.0, 0.01])
def test_one_route_that_fails_in_5_percent_more_is_stopped(old: float) -> None:
    assert outcomes(World(old, old + 0.05)).count("fail") >= 95


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.2, 0.4, 0.8])
def test_a_version_that_is_30_percent_slower_is_stopped(spread: float) -> None:
    found = outcomes(World(factor=1.3, spread=spread))
    assert found.count("pass") == 0
    assert found.count("fail") >= 95


@pytest.mark.slow
def test_as_bad_as_forbidden_passes_in_hardly_any_run() -> None:
    assert outcomes(World(new=0.03)).count("pass") <= 2
    assert outcomes(World(factor=1.25)).count("pass") <= 2


def test_too_little_is_inconclusive() -> None:
    few = Figures(20, 0, [[0.01] * 20])
    verdict = judge({ROUTE: (few, few)})
    assert verdict.outcome == "inconclusive"
    assert "too few" in str(verdict)
    assert judge({}).outcome == "inconclusive"


def test_where_nobody_measured_times_errors_alone_decide() -> None:
    bad = judge({ROUTE: (Figures(500, 0), Figures(500, 30))})
    good = judge({ROUTE: (Figures(500, 0), Figures(500, 0))})
    assert (bad.outcome, good.outcome) == ("fail", "pass")
    assert "30 of 500 failed" in str(bad)


def test_times_of_too_few_good_answers_do_not_pass() -> None:
    seen = Figures(500, 0, [[0.01] * 10])
    assert judge({ROUTE: (seen, seen)}).outcome == "inconclusive"


@pytest.mark.parametrize(("more", "outcome"), [(0.0, "pass"), (0.003, "pass"), (0.0075, "fail")])
def test_milliseconds_that_no_user_notices_stop_nobody(more: float, outcome: Outcome) -> None:
    """Of 5 ms: 3 ms more are three fifths, and nobody notices them."""
    chance = random.Random(1)
    old, new = sample(chance, 3600), sample(chance, 3600)
    assert new.seconds
    slowed = Figures(3600, 0, [[each + more for each in new.seconds[0]]])
    assert judge({ROUTE: (old, slowed)}).outcome == outcome


def test_one_slow_answer_decides_nothing() -> None:
    chance = random.Random(1)
    old, new = sample(chance, 400), sample(chance, 400)
    assert new.seconds
    outlier = Figures(401, 0, [[*new.seconds[0], 30.0]])
    assert judge({ROUTE: (old, outlier)}).outcome == "pass"


def test_more_looks_demand_more() -> None:
    old, new = Figures(200, 0), Figures(200, 7)
    assert judge({ROUTE: (old, new)}, Limits(risk=0.02)).outcome == "fail"
    assert (
        judge({ROUTE: (old, new)}, Limits(risk=0.02), looks=Looks(canary=10)).outcome
        == "inconclusive"
    )


def test_a_faster_version_passes() -> None:
    assert outcomes(World(factor=0.7), 20).count("pass") == 20


def test_only_what_was_asked_at_about_the_same_time_is_compared() -> None:
    """Old and new were slow in the evening; the old one was asked more often then."""
    idle, busy = [0.01, 0.011, 0.012] * 20, [0.05, 0.052, 0.054] * 20
    assert slower([idle, busy * 3], [idle * 3, busy]) == pytest.approx(0.5, abs=0.01)
    assert slower([idle + busy * 3], [idle * 3 + busy]) > 0.99


# Against figures that others have published or computed.


def test_fishers_tea_tasting_lady() -> None:
    # Fisher 1935: 3 of 4 and 1 of 4; the one-sided chance is 17/70.
    assert more_errors(Figures(4, 1), Figures(4, 3)) == pytest.approx(17 / 70)


def test_wilsons_bounds() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662 at 95 %, two-sided.
    assert wilson(Figures(263, 81), 0.025) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_ranks_as_mann_and_whitney() -> None:
    # By hand: U = 20, z = (20 - 12.5 - 0.5) / sqrt(5 * 5 * 11 / 12) = 1.4622.
    first, second = [1.1, 2.2, 3.3, 4.4, 5.5], [2.5, 3.5, 6.0, 7.0, 8.0]
    u = sum((b > a) + (b == a) / 2 for a in first for b in second)
    assert u == 20
    assert slower([first], [second]) == pytest.approx(0.0718, abs=5e-4)
    assert slower([[1.0] * 5], [[1.0] * 5]) == 1.0
