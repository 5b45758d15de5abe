"""Release hundreds of times on one twin: ``python -m tests.faults.endurance --releases 500``.

One in ten fails, one in ten is a canary, one in ten is followed by a rollback, one in twenty has a
migration; in which order is drawn, always the same. What must not grow is measured along the way:
seconds of a release, processes, open files, memory, and what is kept on disk.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.deploy.test_canary_load import APP, PLACE
from tests.faults.report import put, where
from tests.support.house import House, ask_canaries_one_route, build
from xswarm_twin import folder, processes

BEGIN, END = "<!-- endurance -->", "<!-- end of endurance -->"
_CANARY: Final = ("canary: [] ", "canary: [{percent: 50, soak: 0}] ")
_FAILING: Final = '        if request.path == "/api/suggestions": raise RuntimeError("fails")\n'
_MEGABYTE: Final = 2**20
_MIGRATION: Final = """\
-- migrate:up
CREATE TABLE endured_{number} (id INTEGER PRIMARY KEY);
-- migrate:down
DROP TABLE endured_{number};
"""


class Measured(NamedTuple):
    """What one release took, and what there is after it.

    Args:
        kind: what it was.
        seconds: the command's.
        cpu: seconds of a processor that the command used; other work beside it does not count here.
        processes: of the twin.
        open_files: of these processes, sockets too.
        memory: their resident size, in MB.
        twin: what the twin keeps on disk, in MB.
        tool: what the tool keeps in the project: journals, backups, bundles, in MB.
    """

    kind: str
    seconds: float
    cpu: float
    processes: int
    open_files: int
    memory: float
    twin: float
    tool: float


def main(words: Sequence[str]) -> int:
    """Release so often; print what was measured, in tenths of the way.

    Raises:
        AssertionError: a release did not end as it should.
    """
    parser = argparse.ArgumentParser(prog="tests.faults.endurance")
    parser.add_argument("--releases", type=int, default=500, help="how many")
    parser.add_argument("--write", action="store_true", help="write the table into the docs")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch, _house(Path(scratch) / "project") as house:
        measured = []
        for one in endured(house, chosen.releases):
            measured.append(one)
            _tell(f"{len(measured)} {one}\n")
    told = table(measured)
    _tell(f"\n{told}\n")
    if chosen.write:
        put(BEGIN, END, told)
    return 0


def endured(house: House, releases: int) -> Iterator[Measured]:
    """Release, and yield what was measured after each.

    Raises:
        AssertionError: one ended as it should not.
    """
    chance = random.Random(1)
    for number in range(1, releases + 1):
        kind = chance.choices(
            ("release", "failing", "canary", "rollback", "migration"), (65, 10, 10, 10, 5)
        )[0]
        began, used = time.monotonic(), _cpu()
        _act(house, kind, number)
        yield _measured(house, kind, time.monotonic() - began, _cpu() - used)


def _act(house: House, kind: str, number: int) -> None:
    """Release other code each time, in this way, and see that it ended as it should."""
    before = house.version()
    change = _FAILING if kind == "failing" else f"        # change {number}\n"
    project = house.root / "invoke.yaml"
    gradual = _CANARY if kind == "canary" else ("", "")
    if kind == "migration":
        file = house.root / "migrations" / f"9{number:03}_endured.sql"
        file.write_text(_MIGRATION.format(number=number))
    with _replaced(project, *gradual), _replaced(house.root / APP, PLACE, change + PLACE):
        ended = house.inv("deploy.local", "--message", f"{kind} {number}", check=False)
    expected = 3 if kind == "failing" else 0
    assert ended.returncode == expected, f"{number}, {kind}: {ended.stdout}{ended.stderr}"
    assert (house.version() == before) == (kind == "failing"), f"{number}, {kind}"
    if kind == "rollback":
        house.inv("rollback", "--version", before, "--yes")
        assert house.version() == before


def _cpu() -> float:
    """Return the processor's seconds of all commands that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _measured(house: House, kind: str, seconds: float, cpu: float) -> Measured:
    running = processes.marked(folder.of(house.root))
    kept = (".deployments", ".backups", ".build")
    return Measured(
        kind,
        round(seconds, 2),
        round(cpu, 2),
        len(running),
        sum(one.num_fds() for one in running),
        round(sum(one.memory_info().rss for one in running) / _MEGABYTE, 1),
        round(_size(house.root / ".sandbox") / _MEGABYTE, 2),
        round(sum(_size(house.root / name) for name in kept) / _MEGABYTE, 2),
    )


def table(measured: Sequence[Measured]) -> str:
    """Return the medians of each tenth of the way, as a table."""
    tenth = max(1, len(measured) // 10)
    heads = (
        "after",
        "seconds",
        "CPU seconds",
        "processes",
        "open files",
        "memory, MB",
        "twin, MB",
        "tool, MB",
    )
    lines = [f"{len(measured)} releases: {_kinds(measured)}. {where()}.", ""]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for end in range(tenth, len(measured) + 1, tenth):
        part = measured[end - tenth : end]
        plain = [one for one in part if one.kind == "release"]
        seconds = statistics.median([one.seconds for one in plain] or [0.0])
        cpu = statistics.median([one.cpu for one in plain] or [0.0])
        cells = (end, f"{seconds:.2f}", f"{cpu:.2f}", *part[-1][3:])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _kinds(measured: Sequence[Measured]) -> str:
    kinds = [one.kind for one in measured]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


def _size(path: Path) -> int:
    """Return the bytes of all files below a folder; one that has several names counts once."""
    files = (Path(at) / name for at, _, names in os.walk(path) for name in names)
    found = [file.lstat() for file in files if file.is_file()]
    return sum({(one.st_dev, one.st_ino): one.st_size for one in found}.values())


@contextmanager
def _house(root: Path) -> Iterator[House]:
    house = build(root)
    ask_canaries_one_route(house.root)
    try:
        house.inv("deploy.local", "--message", "first")
        yield house
    finally:
        house.inv("sandbox.down", check=False)


@contextmanager
def _replaced(file: Path, old: str, new: str) -> Iterator[None]:
    before = file.read_text()
    assert old in before, f"{old!r} is not in {file.name}"
    file.write_text(before.replace(old, new, 1) if old else before)
    try:
        yield
    finally:
        file.write_text(before)


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
