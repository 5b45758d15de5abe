"""Measure backups and restores against their peers, in one run: python benchmarks/backups.py.

The peers are sqlite3's own dump with zstd, and paging by key over HTTP. Read the
ratios: the seconds are this machine's. It ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from tests.support.sqld import serve  # noqa: E402 - the path first

FLAT = 100  # MB of memory, for any size
BACKUP = """
import sys
from pathlib import Path
from xswarm_deploy.database import backup
from xswarm_deploy.database.client import connect
with connect(sys.argv[1]) as database:
    backup.make(database, Path(sys.argv[2]), backup.BackupRequest("bench"))
"""
RESTORE = """
import sys
from pathlib import Path
from xswarm_deploy.database import backup, restore
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.workspace import workspace
found = backup.read_folder(Path(sys.argv[2]))[0]
with connect(sys.argv[1]) as database, workspace(Path(sys.argv[2])) as work:
    restore.whole(database, backup.unpack(found, work), work, proven=found.manifest)
"""
SNAPSHOT = """
import sys
from pathlib import Path
from xswarm_deploy.database import snapshot
from xswarm_deploy.database.client import connect
with connect(sys.argv[1]) as database:
    snapshot.take(database, Path(sys.argv[2]))
"""
PAGING = """
import sqlite3, sys
from xswarm_deploy.database.client import connect
with connect(sys.argv[1]) as database:
    copy = sqlite3.connect(sys.argv[2])
    copy.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, name, body, n, f, b)")
    last = 0
    while rows := database.query("SELECT * FROM big WHERE id > ? ORDER BY id LIMIT 5000", [last]):
        copy.executemany("INSERT INTO big VALUES (?, ?, ?, ?, ?, ?)",
                         [row.values_in_order for row in rows])
        last = rows[-1]["id"]
    copy.commit()
"""
missed: list[str] = []


def main() -> None:
    """Print each figure beside its peer's, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="also back up 2 GB")
    options = parser.parse_args()
    for tool in ("sqlite3", "zstd"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed: it is the peer")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        fill(folder / "big.db", options.rows)
        of_a_file(folder, options.runs)
        of_a_server(folder, options.rows // 10, options.runs)
        if options.large:
            of_two_gigabytes(folder)
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def fill(path: Path, rows: int) -> None:
    """Make a database of a million rows, of all types, with an index."""
    source = random.Random(1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT, body TEXT, n INT, f REAL, b BLOB)"
        )
        connection.execute("CREATE INDEX big_n ON big (n)")
        connection.executemany(
            "INSERT INTO big VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    i,
                    f"user {i}",
                    f"some words, number {i * 7}: " + source.randbytes(20).hex(),
                    source.randint(0, 10**9),
                    source.random() * 1000,
                    source.randbytes(16),
                )
                for i in range(1, rows + 1)
            ),
        )
        connection.commit()


def of_a_file(folder: Path, runs: int) -> None:
    """Compare with sqlite3 .dump | zstd, and with sqlite3 < dump."""
    big, dump = folder / "big.db", folder / "dump.sql.zst"
    backups, restored = folder / "backups", folder / "restored.db"

    def peer_backup() -> None:
        shell(f"sqlite3 {big} .dump | zstd -q -3 -f -o {dump}")

    def peer_restore() -> None:
        restored.unlink(missing_ok=True)
        shell(f"zstd -dc {dump} | sqlite3 {restored}")

    def own_backup() -> None:
        shutil.rmtree(backups, ignore_errors=True)
        python(BACKUP, f"file:{big}", str(backups))

    def own_restore() -> None:
        restored.unlink(missing_ok=True)
        python(RESTORE, f"file:{restored}", str(backups))

    times = best({"theirs": peer_backup, "ours": own_backup}, runs)
    back = best({"theirs": peer_restore, "ours": own_restore}, runs)
    (made,) = backups.glob("*.zst")
    print(f"\na file of {big.stat().st_size / 1e6:.0f} MB, seconds (best of {runs})")
    print(
        f"  sqlite3 .dump | zstd -3                     {times['theirs']:6.2f}"
        f"  {dump.stat().st_size / 1e6:5.0f} MB"
    )
    print(
        f"  ours, with hashes, manifest, verification   {times['ours']:6.2f}"
        f"  {made.stat().st_size / 1e6:5.0f} MB"
    )
    goal("backup ÷ sqlite3 .dump | zstd", times["ours"] / times["theirs"], 0.8)
    print(f"  zstd -d | sqlite3                           {back['theirs']:6.2f}")
    print(f"  ours, with comparison                       {back['ours']:6.2f}")
    goal("restore ÷ sqlite3 < dump", back["ours"] / back["theirs"], 0.2)


def of_a_server(folder: Path, rows: int, runs: int) -> None:
    """Compare with pages of 5,000 rows by key, and with one statement a row."""
    fill(folder / "small.db", rows)
    backups, copy = folder / "of-server", folder / "copy.db"
    python(BACKUP, f"file:{folder / 'small.db'}", str(backups))
    memory = {}
    with serve(folder) as (url, _):
        started = time.perf_counter()
        python(RESTORE, url, str(backups))
        restored = time.perf_counter() - started

        def run(name: str, program: str) -> Callable[[], None]:
            def once() -> None:
                copy.unlink(missing_ok=True)
                memory[name] = python(program, url, str(copy))

            return once

        times = best({"theirs": run("theirs", PAGING), "ours": run("ours", SNAPSHOT)}, runs)
    size = (folder / "small.db").stat().st_size / 1e6
    print(f"\n{rows} rows ({size:.0f} MB) from libSQL's server, seconds and MB of memory")
    for label, name in (("pages of 5,000 by key", "theirs"), ("ours", "ours")):
        print(
            f"  {label:<24} {times[name]:6.2f} {memory[name]:5.0f} MB"
            f"  {size / times[name]:5.1f} MB/s"
        )
    print(f"  ours, restore into it, read back and compared: {restored:.2f}")
    goal("dump over HTTP ÷ paging", times["ours"] / times["theirs"], 1 / 3)
    goal(f"memory ÷ {FLAT} MB", memory["ours"] / FLAT, 1.0)


def of_two_gigabytes(folder: Path) -> None:
    """Show that memory does not grow with size."""
    huge = folder / "huge.db"
    with closing(sqlite3.connect(huge)) as connection:
        connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, b BLOB)")
        for _ in range(20):
            connection.execute(
                "INSERT INTO big (b) WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                " FROM c WHERE i < 50000) SELECT randomblob(2000) FROM c"
            )
            connection.commit()
    backups = folder / "of-huge"
    started = time.perf_counter()
    used = python(BACKUP, f"file:{huge}", str(backups))
    took = time.perf_counter() - started
    print(f"\n{huge.stat().st_size / 1e9:.1f} GB: backup {took:.1f} s, {used:.0f} MB of memory")
    goal(f"memory ÷ {FLAT} MB", used / FLAT, 1.0)
    started = time.perf_counter()
    used = python(RESTORE, f"file:{folder / 'huge2.db'}", str(backups))
    print(f"  restore {time.perf_counter() - started:.1f} s, {used:.0f} MB of memory")
    goal(f"memory ÷ {FLAT} MB", used / FLAT, 1.0)


def best(commands: dict[str, Callable[[], None]], runs: int) -> dict[str, float]:
    """Return the best time of each; all in turn, so that load hits all."""
    times = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            started = time.perf_counter()
            command()
            times[name] = min(times[name], time.perf_counter() - started)
    return times


def python(program: str, *arguments: str) -> float:
    """Run a program in a process of its own; return the memory it, or one it ran, used at most."""
    script = (
        f"{program}\nimport resource as r\n"
        "print(max(r.getrusage(who).ru_maxrss for who in (r.RUSAGE_SELF, r.RUSAGE_CHILDREN)))"
    )
    command: Sequence[str] = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return int(done.stdout.split()[-1]) / unit


def shell(line: str) -> None:
    """Run a line of shell, as its reader would type it."""
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True)


def goal(name: str, ratio: float, most: float) -> None:
    """Print a ratio beside what it may be at most."""
    reached = ratio <= most
    print(f"  {'✓' if reached else '✗'} {name}: {ratio:.3f} (at most {most:.3g})")
    if not reached:
        missed.append(f"{name} {ratio:.3f} > {most:.3g}")


if __name__ == "__main__":
    main()
