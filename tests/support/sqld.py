"""A real sqld, libSQL's server, for as long as a test wants it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from xswarm_deploy.database.client import Database, Statement
from xswarm_twin import install, programs

_START_SECONDS = 60


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


@contextmanager
def serve(folder: Path, *flags: str) -> Iterator[tuple[str, int]]:
    """Run an sqld of its own, the program that the twin runs; yield its URL and process id."""
    install.ensure(lambda *_: None)
    port = _free_port()
    where = ["--db-path", str(folder / "db"), "--http-listen-addr", f"127.0.0.1:{port}"]
    command = [str(programs.sqld()), *where, "--no-welcome", *flags]
    with _running(command, port, folder / "log") as pid:
        yield f"http://127.0.0.1:{port}", pid


StartSqld = Callable[..., AbstractContextManager[tuple[str, int]]]


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
    statements = [*drops, "PRAGMA user_version = 0"]
    database.transaction([Statement(sql) for sql in statements], foreign_keys=False)
