"""One promise of the monitoring, as it was measured before and as it is now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Hold what was measured of one promise.

    Args:
        what: the situation, in a few words.
        before: what was measured at commit 3dfc710.
        now: what was measured just now.
        good: whether that is as it should be.
    """

    what: str
    before: str
    now: str
    good: bool

    def row(self) -> str:
        """Return it as a row of a table in Markdown."""
        return f"| {self.what} | {self.before} | {self.now} {'✓' if self.good else '✗'} |"


def table(figures: list[Figure]) -> str:
    """Return figures as a table in Markdown."""
    return "\n".join(
        ["| what | at commit 3dfc710 | now |", "|---|---|---|", *(each.row() for each in figures)]
    )
