"""Which part of a row is read: all that was measured, its summary, or one route.

A row holds hundreds of routes, of which a chart needs the sum and a drill-down needs one. So the
database takes out what is wanted, and the rest is neither sent nor read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xswarm_monitoring.instruments import OVERFLOW, QUERIES, REQUESTS
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

_SUMMED = {REQUESTS.name: 2, QUERIES.name: 1}
"""What a summary has: each family by one label, a request's status or a query's outcome."""
# What is filled in are names of this library's.
_OF_ROUTE = f"""json_object('format', data -> '$.format', 'start', data -> '$.start',
    'end', data -> '$.end', 'counts', json('{{}}'), 'slow', json('[]'),
    'sketches', json_object('{REQUESTS.name}', (SELECT json_group_array(json(value))
        FROM json_each(data, '$.sketches.{REQUESTS.name}')
        WHERE value ->> '$[0][0]' = ?4 AND value ->> '$[0][1]' = ?5)))"""  # noqa: S608


@dataclass(frozen=True)
class Selection:
    """Choose what is read of a row.

    Args:
        sql: gives it of the column ``data``, as a window's text.
        parameters: the statement's, from the fourth on.
    """

    sql: str
    parameters: tuple[Any, ...] = ()


WHOLE = Selection("data")
SUMMARY = Selection("COALESCE(data -> '$.summary', data)")  # earlier versions' rows have none


def of_route(route: str, method: str) -> Selection:
    """Select the requests of one route."""
    return Selection(_OF_ROUTE, (route, method))


def summary(measured: Window) -> Window:
    """Return requests by their status and queries by their outcome, over all routes."""
    made = Window(measured.start, measured.end)
    for name, label in _SUMMED.items():
        sums: dict[Labels, Sketch] = {}
        for labels, sketch in measured.sketches.get(name, {}).items():
            kept = tuple(
                each if number == label else OVERFLOW for number, each in enumerate(labels)
            )
            sums.setdefault(kept, Sketch()).merge(sketch)
        made.sketches[name] = sums
    return made
