"""Simulate the canary's judge, and write its error rates into the documents.

python benchmarks/canaries.py            # prints the tables
python benchmarks/canaries.py --write    # and writes them to deployment/docs/CANARY.md

Each run is a whole canary as xswarm_deploy.verification.canary makes it with production's steps: 10
% and 50 % of the traffic for 300 seconds each, two routes of which the second one changed, own
questions, and 20 requests of users a second. A release passes where both steps pass. Latencies
are lognormal, their median 100 ms.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from xswarm_deploy.verification import canary  # noqa: E402 - the path first
from xswarm_deploy.verification.judge import Figures, Outcome, judge  # noqa: E402

RUNS = 1000
DOCUMENT = PROJECT / "deployment/docs/CANARY.md"
BEGIN, END = "<!-- tables: python benchmarks/canaries.py --write -->", "<!-- end of tables -->"
SHARES: Final = (0.1, 0.5)
SOAK: Final = 300.0
USERS_A_SECOND: Final = 20
MEDIAN: Final = -2.3  # the logarithm of the old version's median in seconds: 100 ms
ERRORS = (
    (0.0, 0.0),
    (0.01, 0.01),
    (0.02, 0.02),
    (0.03, 0.03),
    (0.05, 0.05),
    (0.0, 0.01),
    (0.0, 0.02),
    (0.0, 0.03),
    (0.0, 0.05),
    (0.01, 0.06),
    (0.0, 0.1),
)
FACTORS = (0.9, 1.0, 1.05, 1.1, 1.2, 1.25, 1.3, 1.5)
SPREADS = (0.2, 0.4, 0.8)
BURDENED = (1.0, 1.3)


@dataclass(frozen=True)
class World:
    """What both versions are like.

    Args:
        old: the old version's error rate, on both routes.
        new: the new version's, on the route that changed.
        factor: how many times slower the new version is there.
        spread: how much times vary (σ of their logarithm).
        burden: how much the machine's speed varies from one minute to the next (σ of log).
    """

    old: float = 0.0
    new: float = 0.0
    factor: float = 1.0
    spread: float = 0.4
    burden: float = 0.0


def main() -> None:
    """Print the tables, and write them where asked."""
    with Pool() as pool:
        errors = counted(pool, [World(old, new) for old, new in ERRORS])
        speeds = counted(
            pool, [World(factor=factor, spread=spread) for factor in FACTORS for spread in SPREADS]
        )
        burdened = counted(pool, [World(factor=factor, burden=0.5) for factor in BURDENED])
    text = "\n".join([*error_table(errors), "", *speed_table(speeds), "", *burden_table(burdened)])
    print(text)
    if "--write" in sys.argv:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


Counted = list[tuple[World, Counter[Outcome]]]


def counted(pool: Pool, worlds: Sequence[World]) -> Counted:
    """Simulate each world so many times, and count what was decided."""
    asked = [(world, seed) for world in worlds for seed in range(RUNS)]
    outcomes = pool.starmap(simulated, asked, chunksize=20)
    return [
        (world, Counter(outcomes[place * RUNS : (place + 1) * RUNS]))
        for place, world in enumerate(worlds)
    ]


def error_table(found: Counted) -> list[str]:
    """Tabulate what is decided, by the error rates of old and new version."""
    return [
        "| errors, old | errors of one route, new | pass | fail | inconclusive |",
        "|---:|---:|---:|---:|---:|",
        *(f"| {world.old:.0%} | {world.new:.0%} | {shares(counts)} |" for world, counts in found),
    ]


def speed_table(found: Counted) -> list[str]:
    """Tabulate what is decided, by how much slower the new version is, and how much times vary."""
    return [
        "| one route's time, new / old | spread of times (σ of log) | pass | fail | inconclusive |",
        "|---:|---:|---:|---:|---:|",
        *(f"| {w.factor:.2f} | {w.spread} | {shares(counts)} |" for w, counts in found),
    ]


def burden_table(found: Counted) -> list[str]:
    """Tabulate what is decided while the machine is busy now, and idle then."""
    return [
        "| one route's time, new / old | the machine's speed (σ of log) | pass | fail"
        " | inconclusive |",
        "|---:|---:|---:|---:|---:|",
        *(f"| {w.factor:.2f} | {w.burden} | {shares(counts)} |" for w, counts in found),
    ]


def shares(counts: Counter[Outcome]) -> str:
    """Write the shares of the three outcomes."""
    names: Sequence[Outcome] = ("pass", "fail", "inconclusive")
    return " | ".join(f"{counts[name] / counts.total():.1%}" for name in names)


def simulated(world: World, seed: int) -> Outcome:
    """Simulate one canary: the first step that does not pass ends it."""
    chance = random.Random(seed)
    for share in SHARES:
        outcome = step(world, share, chance)
        if outcome != "pass":
            return outcome
    return "pass"


def step(world: World, share: float, chance: random.Random) -> Outcome:
    """Simulate one step: own questions, then what users meet while it soaks."""
    looks = canary.looks(len(SHARES), SOAK)
    outcome: Outcome = "inconclusive"
    for seen in questioned(world, chance):
        outcome = judge(seen, looks=looks).outcome
        if outcome != "inconclusive":
            break
    if outcome == "pass" and any(
        judge({"users": pair}, looks=looks).outcome == "fail" for pair in met(world, share, chance)
    ):
        return "fail"
    return outcome


Seen = dict[str, tuple[Figures, Figures]]


def questioned(world: World, chance: random.Random) -> Iterator[Seen]:
    """Return what is known at each look at the answers to own questions."""
    asked = {"same": (Answers(), Answers()), "changed": (Answers(), Answers())}
    for count in canary.PAIRS:
        for _ in range(count // canary.STRATUM):
            burden = chance.lognormvariate(0.0, world.burden) if world.burden else 1.0
            for name, (old, new) in asked.items():
                rate = world.new if name == "changed" else world.old
                factor = world.factor if name == "changed" else 1.0
                old.more(chance, world.old, burden, world.spread)
                new.more(chance, rate, burden * factor, world.spread)
        yield {name: (old.figures(), new.figures()) for name, (old, new) in asked.items()}


def met(world: World, share: float, chance: random.Random) -> Iterator[tuple[Figures, Figures]]:
    """Return what is known of users at each look: half of them ask the route that changed."""
    counts, errors = [0, 0], [0, 0]
    rates = (world.old, (world.old + world.new) / 2)
    for _ in range(int(SOAK / canary.USERS_EVERY)):
        for place, part in enumerate((1 - share, share)):
            more = int(USERS_A_SECOND * canary.USERS_EVERY * part)
            counts[place] += more
            errors[place] += failures(chance, more, rates[place])
        yield Figures(counts[0], errors[0]), Figures(counts[1], errors[1])


class Answers:
    """What one version answered so far."""

    def __init__(self) -> None:
        self.count = self.errors = 0
        self.strata: list[list[float]] = []

    def more(self, chance: random.Random, rate: float, factor: float, spread: float) -> None:
        """Ask a stratum more."""
        failed = failures(chance, canary.STRATUM, rate)
        self.count, self.errors = self.count + canary.STRATUM, self.errors + failed
        good = canary.STRATUM - failed
        self.strata.append([chance.lognormvariate(MEDIAN, spread) * factor for _ in range(good)])

    def figures(self) -> Figures:
        """Return them as the judge wants them."""
        return Figures(self.count, self.errors, self.strata)


def failures(chance: random.Random, count: int, rate: float) -> int:
    """Return how many of so many fail."""
    return sum(chance.random() < rate for _ in range(count)) if rate else 0


if __name__ == "__main__":
    main()
