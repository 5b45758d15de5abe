"""Measure a deployment of 1,000 pages, 10 of them changed (`python benchmarks/pages.py`).

Ours is `inv pages` whole: lock, journal, upload, deployment, read back. The peer is
`wrangler pages deploy`, on the same twin, with as many files changed. At least 3 times faster.
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from benchmarks.deployments import Wrangler, median, row, wall  # noqa: E402 - the path first
from tests.support.house import House, temporary_house  # noqa: E402 - the path first

FILES, CHANGED, RUNS = 1_000, 10, 5


def main() -> None:
    """Print the figure beside its peer's, and their ratio."""
    with temporary_house() as house:
        compare(house, house.root.parent)


def compare(house: House, scratch: Path) -> None:
    """Deploy by turns, with other files changed each time."""
    pages = house.root / "site/pages"
    pages.mkdir()
    for number in range(FILES):
        write(pages, number, "first")
    house.inv("deploy.local", "--message", "warm up")
    wrangler = Wrangler(house, scratch)
    site = str(house.root / "site")
    command = ("pages", "deploy", site, "--project-name", "xswarm-boss", "--branch", "main")
    wrangler.run(*command)
    ours, theirs, words = [], [], changes(pages)
    for _ in range(RUNS):
        next(words)
        ours.append(wall(lambda: house.inv("pages")))
        next(words)
        theirs.append(wall(lambda: wrangler.run(*command)))
    row("pages, 10 of 1,000, s", median(ours), "wrangler", median(theirs), "≤ 0.33 ×")


def changes(pages: Path) -> Iterator[int]:
    """Change ten files at each step."""
    for turn in itertools.count():
        for number in range(CHANGED):
            write(pages, (turn * CHANGED + number) % FILES, f"turn {turn}")
        yield turn


def write(pages: Path, number: int, words: str) -> None:
    """Write one page of 2 kB."""
    text = f"<!doctype html><title>Page {number}</title><p>{words}</p>" + f"<p>{number}</p>" * 200
    (pages / f"page-{number}.html").write_text(text)


if __name__ == "__main__":
    main()
