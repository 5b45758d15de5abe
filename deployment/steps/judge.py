"""Decide whether a new version is as good as the old one, from what both were seen to do.

Errors: a new version *fails* when its error rate is greater than the old one's by Fisher's
exact test, one-sided. It *passes* when the upper bound of the difference (Newcombe 1998,
method 10: Wilson intervals combined) is below ``Limits.errors``: a test of non-inferiority.

Speed: the old version's times are multiplied by a factor, and both samples are ranked together
(Mann and Whitney 1947, one-sided, normal approximation with correction for ties). A new
version *fails* when it is slower than the old one made slower by ``Limits.tolerated``, and
*passes* when it is faster than the old one made slower by ``Limits.harmful``. Ranks, not means:
one answer that took seconds decides nothing.

What neither fails nor passes is *inconclusive*. Looking several times, at several routes,
would let chance speak more often; so the allowed risk is divided by looks and routes
(Bonferroni), and stays what ``Limits.risk`` says for the whole canary.
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
            speed, over all looks and routes; and of passing one that is as bad as forbidden.
        errors: by how much the error rate may be greater, at most (0.03: three of a hundred).
        tolerated: a factor of the old times; nobody is stopped for less.
        harmful: a factor of the old times; nobody passes with more.
        fewest: answers of each version, below which nothing is decided.
    """

    risk: float = 0.02
    errors: float = 0.03
    tolerated: float = 1.10
    harmful: float = 1.25
    fewest: int = 50


STRICT: Final = Limits()
"""What is asked where nobody asks for anything else."""


@dataclass(frozen=True)
class Figures:
    """What one version did on one route.

    Args:
        answers: how many it gave, good and bad.
        errors: how many of them were its own fault (5xx), or no answer at all.
        seconds: how long the good ones took; None: nobody measured, errors alone decide.
    """

    answers: int
    errors: int
    seconds: Sequence[float] | None = None


@dataclass(frozen=True)
class Verdict:
    """What was decided, and why."""

    outcome: Outcome
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.outcome}: {'; '.join(self.reasons)}"


Seen = Mapping[str, tuple[Figures, Figures]]
"""Route → what the old and the new version did there."""


def judge(seen: Seen, limits: Limits = STRICT, looks: int = 1) -> Verdict:
    """Decide over all routes: one that fails fails all, and all must pass.

    Args:
        seen: what both versions did.
        limits: what is asked.
        looks: how many times this will be asked in all, at most.
    """
    risk = limits.risk / (looks * max(1, len(seen)))
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
    old: Figures, new: Figures, limits: Limits, risk: float
) -> Iterator[tuple[Outcome, str]]:
    yield _errors(old, new, limits, risk)
    if old.seconds is not None and new.seconds is not None:
        yield _speed(old.seconds, new.seconds, limits, risk)


def _errors(old: Figures, new: Figures, limits: Limits, risk: float) -> tuple[Outcome, str]:
    told = f"{new.errors} of {new.answers} failed, before {old.errors} of {old.answers}"
    if min(old.answers, new.answers) < limits.fewest:
        return "inconclusive", f"{told}: too few"
    if more_errors(old, new) < risk:
        return "fail", told
    bound = greatest_difference(old, new, risk)
    outcome: Outcome = "pass" if bound < limits.errors else "inconclusive"
    return outcome, f"{told} (at most {bound:.1%} more)"


def _speed(
    old: Sequence[float], new: Sequence[float], limits: Limits, risk: float
) -> tuple[Outcome, str]:
    if min(len(old), len(new)) < limits.fewest:
        return "inconclusive", "its speed was not measured often enough"
    told = f"median {middle(new) * 1000:.1f} ms, before {middle(old) * 1000:.1f} ms"
    if slower([second * limits.tolerated for second in old], new) < risk:
        return "fail", f"{told}: slower"
    harmful = [second * limits.harmful for second in old]
    return ("pass" if slower(new, harmful) < risk else "inconclusive"), told


def more_errors(old: Figures, new: Figures) -> float:
    """Give the chance of so many errors on the new side, were both alike (Fisher, one-sided)."""
    errors, answers = old.errors + new.errors, old.answers + new.answers
    every = _log_choose(answers, new.answers)
    return sum(
        math.exp(
            _log_choose(errors, count) + _log_choose(answers - errors, new.answers - count) - every
        )
        for count in range(new.errors, min(errors, new.answers) + 1)
    )


def greatest_difference(old: Figures, new: Figures, risk: float) -> float:
    """Give by how much the new error rate may be greater, but for a risk (Newcombe)."""
    old_rate, new_rate = old.errors / old.answers, new.errors / new.answers
    lowest, _ = wilson(old, risk)
    _, highest = wilson(new, risk)
    return new_rate - old_rate + math.hypot(highest - new_rate, old_rate - lowest)


def wilson(figures: Figures, risk: float) -> tuple[float, float]:
    """Give the bounds of an error rate, each with the risk of lying beyond (Wilson 1927)."""
    z, count = _NORMAL.inv_cdf(1 - risk), figures.answers
    rate = figures.errors / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    spread = math.sqrt(rate * (1 - rate) / count + (z / (2 * count)) ** 2)
    half = z * spread / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def slower(first: Sequence[float], second: Sequence[float]) -> float:
    """Give the chance of the second sample's ranks being so high, were both alike.

    Mann and Whitney's U, one-sided; the normal approximation with ties corrected.
    """
    ranks, ties = _ranks([*first, *second])
    m, n = len(first), len(second)
    u = sum(ranks[m:]) - n * (n + 1) / 2
    whole = m + n
    variance = m * n / 12 * (whole + 1 - ties / (whole * (whole - 1)))
    if variance <= 0:
        return 1.0
    return 1 - _NORMAL.cdf((u - m * n / 2 - 0.5) / math.sqrt(variance))


def middle(values: Sequence[float]) -> float:
    """Give the median."""
    ordered, count = sorted(values), len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Give each value's rank, the mean one where several are equal, and the sum over ties."""
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
