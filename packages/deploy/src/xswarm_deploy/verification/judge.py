"""Decide whether a new version is as good as the old one, from what both were seen to do.

Errors: a new version *fails* when its error rate is greater than the old one's by Fisher's
exact test, one-sided. It *passes* when the upper bound of the difference (Newcombe 1998,
method 10: Wilson intervals combined) is below ``Limits.errors``: a test of non-inferiority.

Speed: the old version's times are multiplied by a factor, and both samples are ranked together
(Mann and Whitney 1947, one-sided, normal approximation with correction for ties), stratum by
stratum: only what was asked at about the same time is compared (van Elteren 1960), so that a
machine that is busy now and idle then hides nothing. A new version *fails* when it is slower
than the old one made slower by ``Limits.tolerated``, and *passes* when it is faster than the
old one made slower by ``Limits.harmful``; by either it is made slower by ``Limits.unnoticed`` at
least: with enough answers a rank test finds any difference, also of an isolate that is less warm.
Ranks, not means: one answer that took seconds decides nothing.

What neither fails nor passes is *inconclusive*; who judges asks more, up to an end that was
set before. Looking again would let chance speak more often, so each look may spend only its
part of the risk (alpha spending, the same at each look; the sum bounds it, however the looks
depend on each other):

- one test of many that says "worse" stops the whole canary, so the risk of stopping a good
  version is divided by all tests there may be: of all steps, looks and routes;
- a pass needs every route, in errors and in speed, at one look. A bad version is bad somewhere,
  and there it has to get through (the intersection-union test, Berger 1982): the risk of
  passing it is divided by the looks of one step alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

Outcome = Literal["pass", "fail", "inconclusive"]
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Limits:
    """What is asked of a new version.

    Args:
        risk: of stopping a version that is as good as the old one, for each of errors and
            speed, over the whole canary; and of passing one that is as bad as forbidden.
        errors: by how much the error rate may be greater, at most (0.03: three of a hundred).
        tolerated: a factor of the old times; nobody is stopped for less.
        harmful: a factor of the old times; nobody passes with more.
        unnoticed: seconds that no user notices, whatever the factors say.
        fewest: answers of each version, below which nothing is decided.
    """

    risk: float = 0.02
    errors: float = 0.03
    tolerated: float = 1.10
    harmful: float = 1.25
    unnoticed: float = 0.005
    fewest: int = 50


STRICT: Final = Limits()
"""What is asked where nobody asks for anything else."""


@dataclass(frozen=True)
class Looks:
    """How often the judge may be asked: what each time may cost of the risk.

    Args:
        step: at the answers of one step; each could pass it.
        canary: in the whole canary; each could stop it.
    """

    step: int = 1
    canary: int = 1


ONCE: Final = Looks()
"""Where it is asked but once."""
Strata = Sequence[Sequence[float]]
"""Seconds, together what was asked at about the same time."""


@dataclass(frozen=True)
class Figures:
    """What one version did on one route.

    Args:
        answers: how many it gave, good and bad.
        errors: how many of them were its own fault (5xx), or no answer at all.
        seconds: how long the good ones took, in strata that both versions share; None:
            nobody measured, errors alone decide.
    """

    answers: int
    errors: int
    seconds: Strata | None = None


@dataclass(frozen=True)
class Verdict:
    """What was decided, and why.

    Args:
        outcome: the decision.
        reasons: what it is made of.
        limited: how the Worker's rate limit kept it from being asked; empty: it did not.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    limited: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}: {'; '.join(self.reasons)}"


Seen = Mapping[str, tuple[Figures, Figures]]
"""Route → what the old and the new version did there."""


@dataclass(frozen=True)
class _Risk:
    """What one test may cost.

    Args:
        stopping: that it stops a version as good as the old one.
        passing: that it lets one through that is as bad as forbidden.
    """

    stopping: float
    passing: float


def judge(seen: Seen, limits: Limits = STRICT, looks: Looks = ONCE) -> Verdict:
    """Decide over all routes: one that fails fails all, and all must pass.

    Args:
        seen: what both versions did.
        limits: what is asked.
        looks: how many times this will be asked, at most.
    """
    tests = looks.canary * max(1, len(seen))
    risk = _Risk(limits.risk / tests, limits.risk / looks.step)
    found = [
        (outcome, f"{route}: {why}")
        for route, (old, new) in seen.items()
        for outcome, why in _judged(old, new, limits, risk)
    ]
    for outcome in ("fail", "inconclusive", "pass"):
        reasons = tuple(why for each, why in found if each == outcome)
        if reasons:
            return Verdict(outcome, reasons)
    return Verdict("inconclusive", ("nothing was seen",))


def _judged(
    old: Figures, new: Figures, limits: Limits, risk: _Risk
) -> Iterator[tuple[Outcome, str]]:
    yield _errors(old, new, limits, risk)
    if old.seconds is not None and new.seconds is not None:
        yield _speed(old.seconds, new.seconds, limits, risk)


def _errors(old: Figures, new: Figures, limits: Limits, risk: _Risk) -> tuple[Outcome, str]:
    told = f"{new.errors} of {new.answers} failed, before {old.errors} of {old.answers}"
    if min(old.answers, new.answers) < limits.fewest:
        return "inconclusive", f"{told}: too few"
    if more_errors(old, new) < risk.stopping:
        return "fail", told
    bound = greatest_difference(old, new, risk.passing)
    outcome: Outcome = "pass" if bound < limits.errors else "inconclusive"
    return outcome, f"{told} (at most {bound:.1%} more)"


def _speed(old: Strata, new: Strata, limits: Limits, risk: _Risk) -> tuple[Outcome, str]:
    flat = [[second for stratum in strata for second in stratum] for strata in (old, new)]
    if min(map(len, flat)) < limits.fewest:
        return "inconclusive", "its speed was not measured often enough"
    before, now = (middle(times) * 1000 for times in flat)
    told = f"median {now:.1f} ms, before {before:.1f} ms"
    if slower(_slowed(old, limits.tolerated, limits), new) < risk.stopping:
        return "fail", f"{told}: slower"
    passes = slower(new, _slowed(old, limits.harmful, limits)) < risk.passing
    return ("pass" if passes else "inconclusive"), told


def _slowed(strata: Strata, factor: float, limits: Limits) -> Strata:
    least = limits.unnoticed
    return [[max(each * factor, each + least) for each in stratum] for stratum in strata]


def more_errors(old: Figures, new: Figures) -> float:
    """Return the chance of so many errors on the new side, were both alike (Fisher, one-sided)."""
    errors, answers = old.errors + new.errors, old.answers + new.answers
    every = _log_choose(answers, new.answers)
    return sum(
        math.exp(
            _log_choose(errors, count) + _log_choose(answers - errors, new.answers - count) - every
        )
        for count in range(new.errors, min(errors, new.answers) + 1)
    )


def greatest_difference(old: Figures, new: Figures, risk: float) -> float:
    """Return by how much the new error rate may be greater, but for a risk (Newcombe)."""
    old_rate, new_rate = old.errors / old.answers, new.errors / new.answers
    lowest, _ = wilson(old, risk)
    _, highest = wilson(new, risk)
    return new_rate - old_rate + math.hypot(highest - new_rate, old_rate - lowest)


def wilson(figures: Figures, risk: float) -> tuple[float, float]:
    """Return the bounds of an error rate, each with the risk of lying beyond (Wilson 1927)."""
    z, count = _NORMAL.inv_cdf(1 - risk), figures.answers
    rate = figures.errors / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    spread = math.sqrt(rate * (1 - rate) / count + (z / (2 * count)) ** 2)
    half = z * spread / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def slower(first: Strata, second: Strata) -> float:
    """Return the chance of the second sample's ranks being so high, were both alike.

    Mann and Whitney's U of each stratum, summed up, one-sided; the normal approximation with
    ties corrected.
    """
    above = variance = 0.0
    for one, other in zip(first, second, strict=True):
        more, spread = _surplus(one, other)
        above, variance = above + more, variance + spread
    if variance <= 0:
        return 1.0
    return 1 - _NORMAL.cdf((above - 0.5) / math.sqrt(variance))


def _surplus(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return by how much U is above its mean in one stratum, and its variance."""
    m, n = len(first), len(second)
    whole = m + n
    if not m or not n:
        return 0.0, 0.0
    ranks, ties = _ranks([*first, *second])
    u = sum(ranks[m:]) - n * (n + 1) / 2
    return u - m * n / 2, m * n / 12 * (whole + 1 - ties / (whole * (whole - 1)))


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    ordered, count = sorted(values), len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Return each value's rank, the mean one where several are equal, and the sum over ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, start = [0.0] * len(values), 0.0, 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            ranks[order[place]] = (start + end) / 2 + 1
        equal = end - start + 1
        ties += equal**3 - equal
        start = end + 1
    return ranks, ties


def _log_choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)
