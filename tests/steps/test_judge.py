from __future__ import annotations

import random

import pytest

from deployment.steps.judge import (
    Figures,
    Limits,
    Outcome,
    judge,
    more_errors,
    slower,
    wilson,
)

ROUTE = "GET /api/suggestions"
LOOKS = 4


def sample(chance: random.Random, count: int, errors: float = 0.0, factor: float = 1.0) -> Figures:
    failed = sum(chance.random() < errors for _ in range(count))
    seconds = [chance.lognormvariate(-5.3, 0.4) * factor for _ in range(count - failed)]
    return Figures(count, failed, seconds)


def canary(seed: int, errors: float = 0.0, factor: float = 1.0, base: float = 0.0) -> Outcome:
    """Simulate a canary of two routes that is looked at up to four times."""
    chance = random.Random(seed)
    outcome: Outcome = "inconclusive"
    for look in range(1, LOOKS + 1):
        count = 150 * look
        seen = {
            "a": (sample(chance, count, base), sample(chance, count, base)),
            ROUTE: (sample(chance, count, base), sample(chance, count, errors or base, factor)),
        }
        outcome = judge(seen, looks=LOOKS).outcome
        if outcome != "inconclusive":
            break
    return outcome


def test_an_equal_version_passes_in_at_least_95_of_100_runs() -> None:
    outcomes = [canary(seed) for seed in range(100)]
    assert outcomes.count("pass") >= 95


def test_an_equal_version_with_errors_of_its_own_is_not_stopped() -> None:
    outcomes = [canary(seed, base=0.01) for seed in range(100)]
    assert outcomes.count("fail") <= 5


def test_one_route_that_fails_in_5_percent_is_stopped() -> None:
    outcomes = [canary(seed, errors=0.05) for seed in range(100)]
    assert outcomes.count("pass") <= 2
    assert outcomes.count("fail") >= 95


def test_a_version_that_is_30_percent_slower_is_stopped() -> None:
    outcomes = [canary(seed, factor=1.3) for seed in range(100)]
    assert outcomes.count("pass") == 0
    assert outcomes.count("fail") >= 95


def test_too_little_is_inconclusive() -> None:
    few = Figures(20, 0, [0.01] * 20)
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
    seen = Figures(500, 0, [0.01] * 10)
    assert judge({ROUTE: (seen, seen)}).outcome == "inconclusive"


def test_one_slow_answer_decides_nothing() -> None:
    chance = random.Random(1)
    old, new = sample(chance, 400), sample(chance, 400)
    outlier = Figures(401, 0, [*(new.seconds or ()), 30.0])
    assert judge({ROUTE: (old, outlier)}).outcome == "pass"


def test_more_looks_demand_more() -> None:
    old, new = Figures(200, 0), Figures(200, 7)
    assert judge({ROUTE: (old, new)}, Limits(risk=0.02)).outcome == "fail"
    assert judge({ROUTE: (old, new)}, Limits(risk=0.02), looks=10).outcome == "inconclusive"


def test_a_faster_version_passes() -> None:
    assert [canary(seed, factor=0.7) for seed in range(20)].count("pass") == 20


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
    assert slower(first, second) == pytest.approx(0.0718, abs=5e-4)
    assert slower([1.0] * 5, [1.0] * 5) == 1.0
