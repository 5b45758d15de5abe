"""Write what a run of the matrix found into the docs: kinds by tried, fired, survived."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

DOCUMENT: Final = Path("deployment/docs/RELIABILITY.md")
BEGIN, END = "<!-- the matrix -->", "<!-- end of the matrix -->"


def write(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the table of a run in the place of the one before.

    Args:
        results: by the name of a case, as the run keeps them.
    """
    put(BEGIN, END, table(results))


def put(begin: str, end: str, told: str) -> None:
    """Put text between two marks of the document, in the place of what stands there."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    DOCUMENT.write_text(f"{before}{begin}\n{told}\n{end}{after}", encoding="utf-8")


def where() -> str:
    """Return where and when this is run, in words."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return f"Python {platform.python_version()}, {machine}, {datetime.now(UTC):%Y-%m-%d}"


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table: a row for each kind, and what was run where."""
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in results.values():
        row = rows[f"{one['sort']}: {one['kind']}"]
        fired = bool(one["fired"])
        row[0] += 1
        row[1] += fired
        row[2] += fired and not one["problems"]
    lines = ["| fault | tried | fired | survived |", "|---|---|---|---|"]
    lines += [f"| {kind} | {' | '.join(map(str, row))} |" for kind, row in sorted(rows.items())]
    whole = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines.append(f"| **all** | {' | '.join(map(str, whole))} |")
    scenarios = sorted({key.partition(" | ")[0] for key in results})
    return "\n".join([f"Scenarios: {', '.join(scenarios)}. {where()}.", "", *lines])
