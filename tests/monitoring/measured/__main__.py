"""Measure what the monitoring promises: python -m tests.monitoring.measured [GROUP …] [--write].

The groups are windows, prometheus, people, outside and pages; without a name, all of them, which
takes some minutes. Requests and rounds are real ones, by a clock that is turned; promtool, sqld,
uvicorn and Chromium are the real programs. ``--write`` puts the table into the guide. It ends with
1 where something is not as it should be.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.monitoring.measured import outside, pages, people, prometheus, windows
from tests.monitoring.measured.figure import Figure, table

GROUPS = {each.__name__.rpartition(".")[2]: each for each in (windows, prometheus, people)}
GROUPS |= {each.__name__.rpartition(".")[2]: each for each in (outside, pages)}
GUIDE = Path(__file__).resolve().parents[3] / "deployment/docs/MONITORING_SETUP.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


def main(arguments: list[str]) -> int:
    """Measure, print, and write where that is asked for; return the exit code."""
    names = [each for each in arguments if each != "--write"] or list(GROUPS)
    figures: list[Figure] = []
    for name in names:
        for figure in GROUPS[name].figures():
            sys.stderr.write(f"{figure.row()}\n")
            figures.append(figure)
    sys.stdout.write(table(figures) + "\n")
    if "--write" in arguments:
        text = GUIDE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        GUIDE.write_text(f"{before}{BEGIN}{table(figures)}\n{END}{after}", encoding="utf-8")
    return 0 if all(each.good for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
