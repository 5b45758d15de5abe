"""The service as its hosts run it: through ASGI, on a real sqld, with a bucket in memory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.receiver import Receiver, receiving
from tests.support.signatures import SendGrid
from tests.support.sqld import serve
from tests.worker.isolate import SECRETS, VARIABLES, Deferred, Isolate, fetch
from tests.worker.runtime import Worker, on_pyodide
from tests.worker.world import World, opened
from xswarm_deploy.bundling.bundle import bundle
from xswarm_deploy.database.client import Database, Statement, connect
from xswarm_deploy.database.statements import split
from xswarm_deploy.settings.project import Project
from xswarm_deploy.settings.settings import Settings
from xswarm_monitoring.health import Probe

ROOT = Path(__file__).parents[2]
GATHERED_SOON = {"MONITORING_RULES": '{"gather": 0.05}'}
"""What a release sends says 5 s: so long failed payments are added up before people are told."""
sys.path.insert(0, str(ROOT / "worker/src"))


@pytest.fixture(autouse=True)
def _quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive passwords cheaply, but where the cost itself is judged."""
    if not any(mark.name == "slow" for mark in request.node.own_markers):
        monkeypatch.setattr("boss.passwords._COST", 2**4)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant a probed component all the time he needs: the machine may be busy."""

    def probe(*given: Any, **named: Any) -> Probe:
        return Probe(*given, **{**named, "timeout": 60.0})

    monkeypatch.setattr("boss.app.Probe", probe)
    monkeypatch.setattr("boss.providers.TIMEOUT", 60.0)
    monkeypatch.setattr("boss.providers.PATIENCE", 120.0)


@pytest.fixture
def within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all be asked in the middle of one minute: a limit counts anew when the next begins."""
    middle = time.time() // 60 * 60 + 30
    monkeypatch.setattr("boss.app.time", SimpleNamespace(time=lambda: middle))


@pytest.fixture
def start() -> Callable[..., Isolate]:
    """Start an isolate, with an environment that differs in what is given."""
    from boss.app import create_app

    def start(**differences: str) -> Isolate:
        deferred = Deferred()
        application = create_app(fetch, deferred)
        environment = {**VARIABLES, **SECRETS, **GATHERED_SOON, **differences}
        return Isolate(environment, application, deferred)

    return start


@pytest.fixture
def isolate(start: Callable[..., Isolate]) -> Isolate:
    """An isolate without a database."""
    return start()


@pytest.fixture
def service(start: Callable[..., Isolate], database: Database) -> Isolate:
    """An isolate with a database."""
    return start(TURSO_DATABASE_URL=database.url)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A real sqld with the project's migrations."""
    with serve(tmp_path_factory.mktemp("sqld")) as (url, _), connect(url) as database:
        database.transaction([Statement(sql) for sql in _schema()])
        yield database


@pytest.fixture
def database(home: Database) -> Database:
    """The database, emptied of its rows."""
    tables = ("webhook_events", "email_suppressions", "suggestions", "email_campaigns", "users")
    home.transaction([Statement(f"DELETE FROM {table}") for table in tables])
    return home


@pytest.fixture(scope="session")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of the very upload that a release would make, laid out as a folder."""
    body = bundle(Settings("local", ROOT, Project(), "")).body
    boundary = body.split(b"\r\n", 1)[0][2:]
    head = b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n\r\n"
    folder = tmp_path_factory.mktemp("uploaded")
    for part in BytesParser().parsebytes(head + body).walk():
        name = part.get_filename()
        if name is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def sendgrid() -> SendGrid:
    return SendGrid()


@pytest.fixture(scope="session")
def outside() -> Iterator[World]:
    """Providers and channels, for as long as all tests."""
    with opened() as world:
        yield world


@pytest.fixture(scope="session")
def pushed() -> Iterator[Receiver]:
    """What the Worker on Pyodide pushes."""
    with receiving() as made:
        yield made


@pytest.fixture(scope="session")
def everything(
    home: Database, sendgrid: SendGrid, outside: World, pushed: Receiver
) -> dict[str, str]:
    """Return the variables and secrets of a Worker that lacks nothing."""
    given = {"TURSO_DATABASE_URL": home.url, "SENDGRID_WEBHOOK_PUBLIC_KEY": sendgrid.public_key}
    targets = [
        {"kind": "otlp", "endpoint": pushed.url},
        {"kind": "remote_write_2", "endpoint": f"{pushed.url}/write"},
    ]
    given["MONITORING_RULES"] = json.dumps({"push": targets})
    return {**VARIABLES, **outside.variables, **SECRETS, **given}


@pytest.fixture(scope="session")
def worker(uploaded: Path, everything: dict[str, str]) -> Iterator[Worker]:
    """The Worker on Pyodide, with a real database."""
    with on_pyodide(uploaded, everything) as served:
        yield served


def _schema() -> list[str]:
    """Return the migrations' statements, each file after the one it depends on."""
    waiting = {path.stem: path.read_text() for path in (ROOT / "migrations").glob("*.sql")}
    done: list[str] = []
    statements: list[str] = []
    while waiting:
        name = next(name for name, text in waiting.items() if set(_depends(text)) <= set(done))
        up = waiting.pop(name).partition("-- migrate:up")[2].partition("-- migrate:down")[0]
        statements += [fragment.sql for fragment in split(up)]
        done.append(name)
    return statements


def _depends(text: str) -> list[str]:
    line = next((line for line in text.splitlines() if line.startswith("-- depends:")), ":")
    return line.partition(":")[2].replace(",", " ").split()
