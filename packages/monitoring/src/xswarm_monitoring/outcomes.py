"""Counters by outcome, born at zero: what Prometheus needs to see a first failure, or attack.

``increase`` sees nothing where a series begins above zero, and a status is a label that begins
with its first answer. So requests, queries and payments are counted by outcome, too, and signs of
abuse by their names; each is there before anything has it. They are sums of what is measured, made
when somebody reads them; a request pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from xswarm_monitoring import instruments
from xswarm_monitoring.abuse import SIGNS, counted
from xswarm_monitoring.bounds import visible
from xswarm_monitoring.instruments import Family, Kind
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

OK, CLIENT_ERROR, ERROR = "ok", "client_error", "error"
SUCCEEDED, FAILED = "succeeded", "failed"


def outcome_of(status: str) -> str:
    """Return the outcome of a request: an error is the service's fault, and no client's."""
    return {"5": ERROR, "4": CLIENT_ERROR}.get(status[:1], OK)


HTTP_REQUESTS = Family(
    "http_requests",
    Kind.COUNTER,
    "Requests by outcome; an error is a status of 500 or above",
    ("outcome",),
    born=((OK,), (CLIENT_ERROR,), (ERROR,)),
)
DATABASE_QUERIES = Family(
    "database_queries", Kind.COUNTER, "Queries by outcome", ("outcome",), born=((OK,), (ERROR,))
)
BUSINESS_PAYMENTS = Family(
    "business_payments",
    Kind.COUNTER,
    "Payments by outcome, in all currencies",
    ("outcome",),
    born=((SUCCEEDED,), (FAILED,)),
)
ABUSE_SIGNS = Family(
    "abuse_signs",
    Kind.COUNTER,
    "Signs of abuse, by the names of their thresholds",
    ("sign",),
    born=tuple((sign.name,) for sign in SIGNS),
)


@dataclass(frozen=True)
class _Sum:
    """Sum a distribution's counts by what one of its labels means."""

    family: Family
    of: Family
    label: int
    meaning: Callable[[str], str] = str


_SUMS = (
    _Sum(HTTP_REQUESTS, instruments.REQUESTS, 2, outcome_of),
    _Sum(DATABASE_QUERIES, instruments.QUERIES, 1),
    _Sum(BUSINESS_PAYMENTS, instruments.PAYMENTS, 1),
)
FAMILIES = (*(each.family for each in _SUMS), ABUSE_SIGNS)


def complete(
    total: Window, families: Iterable[Family], declared: Mapping[str, Iterable[Labels]]
) -> Window:
    """Return a total with its outcomes, and with zeros where nothing was counted yet.

    What was retired is among the outcomes alone.

    Args:
        total: all that was ever measured; it is not changed.
        families: whose label sets are born.
        declared: further label sets that are born, by the names of their families.
    """
    shown = visible(total)
    counts, sketches = shown.counts, shown.sketches
    for each in _SUMS:
        counts[each.family.name] = _summed(each, total)
    counts[ABUSE_SIGNS.name] = {(name,): number for name, number in counted(total).items()}
    for family in (*families, *FAMILIES):
        for labels in (*family.born, *declared.get(family.name, ())):
            if family.kind is Kind.COUNTER:
                counts.setdefault(family.name, {}).setdefault(labels, 0)
            else:
                sketches.setdefault(family.name, {}).setdefault(labels, Sketch())
    return Window(total.start, total.end, sketches, counts, total.slow)


def _summed(wanted: _Sum, total: Window) -> dict[Labels, float]:
    sums: dict[Labels, float] = {}
    for labels, sketch in total.sketches.get(wanted.of.name, {}).items():
        outcome = (wanted.meaning(labels[wanted.label]),)
        sums[outcome] = sums.get(outcome, 0) + sketch.count
    return sums
