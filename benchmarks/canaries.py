"""Simulate the canary's judge, and write its error rates into the documents.

python benchmarks/canaries.py            # prints the tables
python benchmarks/canaries.py --write    # and writes them to deployment/docs/CANARY.md

Each run is a canary of two routes, looked at up to four times with 150 answers more of each
version, as deployment/steps/canary.py does. Latencies are lognormal.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from deployment.steps.canary import LOOKS, PAIRS  # noqa: E402 - the path first
from deployment.steps.judge import Figures, Outcome, judge  # noqa: E402

RUNS = 400
DOCUMENT = PROJECT / "deployment/docs/CANARY.md"
BEGIN, END = "<!-- tables: python benchmarks/canaries.py --write -->", "<!-- end of tables -->"
ERRORS = ((0.0, 0.0), (0.01, 0.01), (0.0, 0.01), (0.0, 0.02), (0.0, 0.05), (0.01, 0.06), (0.0, 0.1))
FACTORS = (0.9, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5)
SPREADS = (0.2, 0.4, 0.8)


def main() -> None:
    """Print both tables, and write them where asked."""
    text = "\n".join([*error_table(), "", *speed_table()])
    print(text)
    if "--write" in sys.argv:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def error_table() -> list[str]:
    """Tabulate what is decided, by the error rates of old and new version."""
    lines = [
        "| errors, old | errors of one route, new | pass | fail | inconclusive |",
        "|---:|---:|---:|---:|---:|",
    ]
    for old, new in ERRORS:
        counts = Counter(canary(seed, old, new, 1.0, 0.4) for seed in range(RUNS))
        lines.append(f"| {old:.0%} | {new:.0%} | {shares(counts)} |")
    return lines


def speed_table() -> list[str]:
    """Tabulate what is decided, by how much slower the new version is, and how much times vary."""
    lines = [
        "| one route's time, new / old | spread of times (σ of log) | pass | fail | inconclusive |",
        "|---:|---:|---:|---:|---:|",
    ]
    for factor in FACTORS:
        for spread in SPREADS:
            counts = Counter(canary(seed, 0.0, 0.0, factor, spread) for seed in range(RUNS))
            lines.append(f"| {factor:.2f} | {spread} | {shares(counts)} |")
    return lines


def shares(counts: Counter[Outcome]) -> str:
    """Write the shares of the three outcomes."""
    names: Sequence[Outcome] = ("pass", "fail", "inconclusive")
    return " | ".join(f"{counts[name] / RUNS:.1%}" for name in names)


def canary(seed: int, old_rate: float, new_rate: float, factor: float, spread: float) -> Outcome:
    """Simulate one canary, whose second route is the one that changed."""
    chance = random.Random(seed)
    seen = {"a": (Answers(), Answers()), "b": (Answers(), Answers())}
    outcome: Outcome = "inconclusive"
    for _ in range(LOOKS):
        for name, (old, new) in seen.items():
            old.more(chance, old_rate, 1.0, spread)
            changed = name == "b"
            new.more(chance, new_rate if changed else old_rate, factor if changed else 1.0, spread)
        figures = {name: (old.figures(), new.figures()) for name, (old, new) in seen.items()}
        outcome = judge(figures, looks=LOOKS).outcome
        if outcome != "inconclusive":
            break
    return outcome


class Answers:
    """What one version answered so far."""

    def __init__(self) -> None:
        self.count = self.errors = 0
        self.seconds: list[float] = []

    def more(self, chance: random.Random, rate: float, factor: float, spread: float) -> None:
        """Ask so many times more."""
        failed = sum(chance.random() < rate for _ in range(PAIRS))
        self.count, self.errors = self.count + PAIRS, self.errors + failed
        good = PAIRS - failed
        self.seconds += [chance.lognormvariate(-4.6, spread) * factor for _ in range(good)]

    def figures(self) -> Figures:
        """Give them as the judge wants them."""
        return Figures(self.count, self.errors, self.seconds)


if __name__ == "__main__":
    main()
