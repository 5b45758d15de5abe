"""Nothing leaves this process once its lock is lost: no call, no piece of a call, no migration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.releases import OLD, Begin, FakeStep, change
from tests.support.sqld import serve
from xswarm_deploy import fence
from xswarm_deploy.database.client import Database, Statement, connect
from xswarm_deploy.errors import Locked, NotRolledBack
from xswarm_deploy.release import audit, lock, records, transaction
from xswarm_deploy.release.release import Release
from xswarm_deploy.services.clock import SYSTEM_CLOCK
from xswarm_deploy.services.http import Http
from xswarm_deploy.site import Site
from xswarm_deploy.transport import PIECE


class Provider:
    """A service that counts the calls that reach it wholly, and can do something meanwhile."""

    def __init__(self) -> None:
        self.whole: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def handle_all(self) -> None:
                wanted = int(self.headers.get("Content-Length") or 0)
                first = self.rfile.read(min(wanted, 10))
                provider.meanwhile()
                rest = self.rfile.read(wanted - len(first))
                if len(first) + len(rest) == wanted:
                    provider.whole.append(f"{self.command} {self.path}")
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            do_GET = do_POST = do_PUT = handle_all  # noqa: N815 - the names of http.server

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def client(self, *, fenced: bool = True) -> Http:
        port = self.server.server_address[1]
        return Http("Provider", f"http://127.0.0.1:{port}", fenced=fenced, clock=SYSTEM_CLOCK)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Machine:
    """A machine whose clock goes on while nothing runs on it."""

    def __init__(self, lease: lock.Lease) -> None:
        self.now = lease.until - lease.seconds
        lease.clock = lambda: self.now
        lease._ended.set()  # its heart stands still, too

    def sleep(self, seconds: float = lock.LEASE_SECONDS) -> None:
        self.now += seconds


def held(site: Site) -> lock.Lease:
    records.prepare(site.database)
    return lock.acquire(site.database, site.connect, "test")


def overtake(site: Site) -> lock.Lease:
    """Let the lease run out, and another deployer take the lock."""
    site.database.execute("UPDATE _release_lock SET expires_at = 0")
    other = lock.acquire(site.database, site.connect, "another")
    other.freeing()
    return other


def test_no_call_that_changes_something_leaves_after_the_lock_is_lost(
    site: Site, provider: Provider
) -> None:
    lease = held(site)
    machine, client = Machine(lease), provider.client()
    with fence.fenced(lease):
        client.post("/before")
        machine.sleep()
        overtake(site)
        with pytest.raises(Locked):
            client.post("/after")
        client.get("/reading")
        provider.client(fenced=False).post("/telling")
    client.post("/outside")
    assert provider.whole == [
        "POST /before",
        "GET /reading",
        "POST /telling",
        "POST /outside",
    ]


def test_a_call_that_is_half_sent_is_never_completed(site: Site, provider: Provider) -> None:
    """The process slept while the first of many pieces was on its way."""
    lease = held(site)
    machine = Machine(lease)
    client = provider.client()

    def sent(count: int) -> None:
        if count > PIECE:
            machine.sleep()
            overtake(site)

    with fence.fenced(lease), pytest.raises(Locked):
        client.put("/large", body=b"x" * (8 * PIECE), sent=sent)
    assert provider.whole == []


def test_who_slept_but_was_not_overtaken_goes_on(site: Site, provider: Provider) -> None:
    lease = held(site)
    machine = Machine(lease)
    machine.sleep(3600)
    with fence.fenced(lease):
        provider.client().post("/later")
    assert provider.whole == ["POST /later"]
    assert lock.holder(site.database) is not None


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("overtaken", [False, True])
def test_who_slept_asks_a_database_far_away_whose_the_lock_is(
    tmp_path: Path, provider: Provider, *, overtaken: bool
) -> None:
    """It is asked by a request, while the request that is held back waits for the answer."""
    with serve(tmp_path) as (url, _), connect(url) as database:
        records.prepare(database)
        lease = lock.acquire(database, lambda: connect(url), "test")
        Machine(lease).sleep(3600)
        if overtaken:
            database.execute("UPDATE _release_lock SET expires_at = 0")
            lock.acquire(database, lambda: connect(url), "another").freeing()
        with fence.fenced(lease), pytest.raises(Locked) if overtaken else nullcontext():
            provider.client().post("/later")
    assert provider.whole == ([] if overtaken else ["POST /later"])


def migrating(database: Database) -> None:
    database.transaction([Statement("CREATE TABLE made (v)")])


def replacing(database: Database) -> None:
    database.replace(["CREATE TABLE made (v)"], database.position())


@pytest.mark.parametrize("write", [migrating, replacing])
def test_no_transaction_of_one_whose_lock_is_lost_commits(
    site: Site, write: Callable[[Database], None]
) -> None:
    """The lease has time left by this machine's clock, and the database knows better."""
    lease = held(site)
    with fence.fenced(lease):
        other = overtake(site)
        with pytest.raises(Locked):
            write(site.database)
        with fence.fenced(other):
            write(site.database)
    assert site.database.query("SELECT * FROM made") == []


def test_another_database_is_not_asked_for_the_lock(
    site: Site, settings: Callable[..., object]
) -> None:
    lease = held(site)
    with fence.fenced(lease), site.connect() as same:
        same.url = "file:another"
        overtake(site)
        migrating(same)


def test_an_error_keeps_its_place(site: Site) -> None:
    lease = held(site)
    statements = [Statement("SELECT 1"), Statement("SELECT * FROM none")]
    with fence.fenced(lease), pytest.raises(Exception, match="no such table") as caught:
        site.database.transaction(statements)
    assert getattr(caught.value, "statement", None) == 1


def test_who_is_overtaken_stops_leaves_all_and_tells(
    site: Site, step: FakeStep, begin: Begin
) -> None:
    release: Release = begin()

    def apply(at: Site, made: object) -> dict[str, str]:
        if step.calls:
            overtake(site)
        step.calls.append("apply")
        step.world["a"] = "another's"
        return {}

    step.apply = apply  # type: ignore[assignment,method-assign]
    with (
        pytest.raises(NotRolledBack, match="lost its lock") as caught,
        transaction.guarded(release),
    ):
        release.make([change("a"), change("b"), change("c")])
    assert step.world == {**OLD, "a": "another's"}
    assert step.calls == ["apply", "apply"]
    assert "its last change was fake: update b" in caught.value.why
    assert "the traffic now: none" in caught.value.why
    assert audit.read(site.database)[-1].event == "overtaken"


def test_who_is_overtaken_while_undoing_stops_undoing(
    site: Site, step: FakeStep, begin: Begin
) -> None:
    release: Release = begin()
    original = step.undo

    def undo(at: Site, made: object, outcome: object) -> str:
        overtake(site)
        return original(at, made, outcome)  # type: ignore[arg-type]

    step.undo = undo  # type: ignore[method-assign,assignment]
    with pytest.raises(NotRolledBack, match="lost its lock"):
        fail(release)
    assert step.calls == ["apply a", "apply b", "undo b"]


def fail(release: Release) -> None:
    with transaction.guarded(release):
        release.make([change("a"), change("b")])
        raise ValueError


def test_who_leaves_takes_away_nothing_but_his_own() -> None:
    first, second = SimpleNamespace(), SimpleNamespace()
    with ExitStack() as before, ExitStack() as after:
        before.enter_context(fence.lifted())
        after.enter_context(fence.fenced(first))
        before.close()
        assert fence.current() is first
        with fence.fenced(second):
            assert fence.current() is second
        assert fence.current() is first
    assert fence.current() is None
