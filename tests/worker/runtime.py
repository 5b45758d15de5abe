"""The hosts of the Worker: Pyodide in Node, the Python of Python Workers, and uvicorn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

from tests.support import npm
from tests.worker.isolate import Answer, Bucket, fetch
from xswarm_deploy.bundling.programs import node

SCHEDULED = "/cdn-cgi/local/scheduled"
ROOT = Path(__file__).parents[2]
HOST = Path(__file__).with_name("pyodide")


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something, as long as a busy machine may need."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def install() -> str:
    """Install Pyodide where it is not yet, and return Node's program."""
    npm.install(HOST)
    return str(node())


def install_packages(folder: Path) -> None:
    """Install what tests need on Pyodide: whatever this Python is, packages for that one."""
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    target = ["--python-version=3.14", "--implementation=py", "--abi=none", "--platform=any"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["--target", str(folder), "-r", str(HOST / "requirements.txt")]
    subprocess.run([*command, *options, *target, *wanted], check=True, timeout=300)


class Worker:
    """The Worker, asked over HTTP."""

    def __init__(self, port: int, milliseconds: float = 0.0) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.milliseconds = milliseconds

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, content, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return _answer(reply)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)


def _answer(reply: Any) -> Answer:
    headers = [(name.lower(), value) for name, value in reply.headers.items()]
    return Answer(reply.status, headers, reply.read())


@contextmanager
def on_pyodide(folder: Path, environment: Mapping[str, str]) -> Iterator[Worker]:
    """Serve a built Worker on Pyodide, by the Workers SDK.

    Args:
        folder: its modules as they are uploaded.
        environment: its variables and secrets.
    """
    process = subprocess.Popen(
        [install(), str(HOST / "serve.mjs"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(environment))
        process.stdin.close()
        line = process.stdout.readline()
        assert line, "Pyodide ended before it listened"
        yield Worker(**json.loads(line))
    finally:
        # The whole group: node may be a launcher with the real node as its child.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


@contextmanager
def on_uvicorn(environment: Mapping[str, str]) -> Iterator[Worker]:
    """Serve the Worker's application on this Python, by uvicorn."""
    from boss.app import create_app

    application = create_app(fetch)
    bindings = SimpleNamespace(**environment, R2_BUCKET=Bucket())

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != SCHEDULED:
            await application({**scope, "env": bindings}, receive, send)
            return
        asked = dict(parse_qsl(scope["query_string"].decode()))
        await application.go_round(bindings, int(asked["time"]) / 1000)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    options = {"lifespan": "off", "ws": "none", "log_level": "error", "access_log": False}
    server = uvicorn.Server(uvicorn.Config(served, "127.0.0.1", 0, **options))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield Worker(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
