"""Measure how cost grows with the work: `python benchmarks/growth.py [name …]`.

Each piece of work is done at N, 2 N, 4 N and 8 N; the exponent fitted through the times says how
it grows: 1 is linear, 2 quadratic. Where the work is linear it is to be 1.1 at most. (A part of
each time that does not grow makes an exponent smaller, never larger.) Everything happens in this
process, in a folder that is removed at the end.
"""

from __future__ import annotations

import math
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from tests.twin.cloudflare.stand_in import ACCOUNT, Api  # noqa: E402
from xswarm_deploy.database import digest, migrations  # noqa: E402 - the path first
from xswarm_deploy.release import audit  # noqa: E402
from xswarm_deploy.secret import Secret  # noqa: E402
from xswarm_deploy.services import files, multipart  # noqa: E402
from xswarm_deploy.services.assets import Assets  # noqa: E402
from xswarm_deploy.services.http import Http, bearer  # noqa: E402
from xswarm_deploy.services.uploading import Queue  # noqa: E402
from xswarm_twin.objects.store import Objects  # noqa: E402

FACTORS, AIM = (1, 2, 4, 8), 1.1
Work = Callable[[], object]
"""What is measured, once; what it needs was made before."""


def main(names: list[str]) -> None:
    """Print times and exponent of each piece of work."""
    print(f"{'work':<34}{'N':>9}" + "".join(f"{f'× {f}':>9}" for f in FACTORS) + "  exponent")
    for name, (count, prepare) in CASES.items():
        if names and name not in names:
            continue
        times = []
        for factor in FACTORS:
            with tempfile.TemporaryDirectory(prefix="growth-") as folder:
                times.append(seconds(prepare(Path(folder), count * factor)))
        shown = "".join(f"{taken:8.2f}s" for taken in times)
        print(f"{name:<34}{count:>9,}{shown}  {exponent(times):5.2f}  aim ≤ {AIM}", flush=True)


def seconds(work: Work) -> float:
    """Return the seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def exponent(times: list[float]) -> float:
    """Return the slope of the times over the factors, both as logarithms."""
    sizes, logs = [math.log(f) for f in FACTORS], [math.log(taken) for taken in times]
    return statistics.linear_regression(sizes, logs).slope


def site(folder: Path, count: int) -> Work:
    """List and hash the files of a static site."""
    write(folder, count)
    return partial(files.pages_files, folder)


def buckets(_folder: Path, count: int) -> Work:
    """Divide files into upload calls."""
    made = [files.StaticFile(f"/{n}", Path(), n % 60_000, str(n), "") for n in range(count)]
    queue = Queue(made, lambda: 1e6)
    return lambda: sum(1 for _ in iter(queue.take, None))


def assets(folder: Path, count: int) -> Work:
    """Upload the static files of a Worker to the twin."""
    write(folder / "site", count)
    api = Api(folder / "state")
    headers = {"Authorization": bearer(Secret(ACCOUNT.token))}
    client = Assets(Http("Cloudflare", api.base, headers), f"/accounts/{ACCOUNT.id}")
    listed = files.asset_files(folder / "site")

    def work() -> None:
        client.upload("shop", listed)
        api.stop()
        api.session.close()

    return work


def objects(folder: Path, count: int) -> Work:
    """List all objects of a bucket of the twin, page by page."""
    store = Objects(folder)
    store.create_bucket("files")
    one = ("files", 0, "etag", "v", "2026-01-01T00:00:00+00:00", "blob", "{}", "{}", "{}")
    named = [(one[0], f"photos/{number:07}", *one[1:]) for number in range(count)]
    store._index.execute("BEGIN")
    store._index.executemany(f"INSERT INTO objects VALUES ({', '.join('?' * 10)})", named)
    store._index.execute("COMMIT")

    def work() -> None:
        cursor: str | None = ""
        while cursor is not None:
            cursor = store.list("files", prefix="photos/", cursor=cursor or None).cursor

    return work


def modules(_folder: Path, count: int) -> Work:
    """Read an upload of many modules, and write it again."""
    made = tuple(multipart.Module(f"m{n}.js", "text/plain", b"x" * 500) for n in range(count))
    body = multipart.Upload({"main_module": "m0.js"}, made, "----boundary").body()
    return lambda: multipart.read(body).with_annotations("words").body()


def comments(_folder: Path, count: int) -> Work:
    """Read a migration without marks that is mostly comments."""
    text = "-- a comment about what follows\n" * count + "SELECT 1;\n"
    return partial(migrations.parse, "long.sql", text)


def sequence(_folder: Path, count: int) -> Work:
    """Read and order migrations, each of which depends on the one before."""
    texts = {f"{n:06}.sql": f"-- depends: {n - 1:06}\nSELECT {n};\n" for n in range(1, count)}
    texts["000000.sql"] = "SELECT 0;\n"
    return lambda: migrations.order([migrations.parse(n, text) for n, text in texts.items()])


def rows(folder: Path, count: int) -> Work:
    """Count and hash the rows of a backup."""
    with closing(sqlite3.connect(folder / "rows.db")) as database, database:
        database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)")
        values = ((f"words {n}", n / 3) for n in range(count))
        database.executemany("INSERT INTO t (b, c) VALUES (?, ?)", values)
    select = {"t": "SELECT a, b, c FROM t ORDER BY a"}
    return lambda: digest.of_file(folder / "rows.db", select, lambda _: None)


def trail(_folder: Path, count: int) -> Work:
    """Verify an audit trail, and what this machine added to it."""
    events: list[audit.Event] = []
    for number in range(1, count + 1):
        previous = events[-1].hash if events else ""
        bare = audit.Event(
            number, "2026-01-01T00:00:00.000Z", "local", "r", "me", "here", "done", "{}", previous,
            "",
        )  # fmt: skip
        events.append(bare._replace(hash=bare.sealed()))
    return lambda: audit.examine(events, events)


def write(folder: Path, count: int) -> None:
    """Write files of a few hundred bytes, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.html").write_text(f"<p>{number}</p>" * 20)


CASES: dict[str, tuple[int, Callable[[Path, int], Work]]] = {
    "site": (1_250, site),
    "buckets": (12_500, buckets),
    "assets": (1_250, assets),
    "objects": (1_250, objects),
    "modules": (1_250, modules),
    "comments": (6_250, comments),
    "migrations": (1_250, sequence),
    "rows": (50_000, rows),
    "trail": (12_500, trail),
}


if __name__ == "__main__":
    main(sys.argv[1:])
