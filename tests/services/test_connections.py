"""Connections to what was deployed: opened ahead, kept for the next round, not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certifi
import pytest

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.turso import TursoDatabase
from xswarm_deploy.services import connections
from xswarm_deploy.services.connections import Connections
from xswarm_deploy.services.http import Http


class Server(ThreadingHTTPServer):
    """Counts the connections that it accepted."""

    accepted = 0

    def get_request(self) -> tuple[object, object]:  # type: ignore[override]
        self.accepted += 1
        return super().get_request()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def opened(made: Connections, server: Server, count: int) -> None:
    awaited(lambda: made.open_ahead(url(server), count))


def awaited(open_ahead: Callable[[], None]) -> None:
    before = set(threading.enumerate())
    open_ahead()
    for thread in set(threading.enumerate()) - before:
        if thread.name.endswith("(_opened)"):
            thread.join(5)


def test_what_was_opened_ahead_carries_the_requests(server: Server) -> None:
    made = Connections()
    with made.session() as session:
        opened(made, server, 3)
        for _ in range(4):
            assert session.get(url(server), timeout=5).text == "ok"
    assert server.accepted == 3


def test_a_client_finds_what_it_opened_ahead_whatever_certificates_the_machine_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    client = Http("Example", url(server))
    awaited(lambda: client.open_ahead(2))
    assert [client.get("/").status for _ in range(3)] == [200] * 3
    assert server.accepted == 2


def test_so_does_the_database(server: Server) -> None:
    database = TursoDatabase(url(server), None)
    awaited(lambda: database.open_ahead(2))
    with pytest.raises(DatabaseError):  # it is none
        database.query("SELECT 1")
    assert server.accepted == 2


def test_the_next_round_goes_on_with_them_while_they_are_fresh(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Connections()
    first = made.session()
    assert made.session() is first
    monkeypatch.setattr(connections, "IDLE", -1.0)
    assert made.session() is not first


def test_what_cannot_be_opened_harms_nobody(server: Server) -> None:
    server.shutdown()
    server.server_close()
    made = Connections()
    with made.session():
        opened(made, server, 2)
