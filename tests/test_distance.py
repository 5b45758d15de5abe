"""The proxies of the benchmark by distance: what passes is late by a round trip, and counted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.distance import Call, Distance, chain

ROUND_TRIP = 0.05


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def post(session: requests.Session, url: str, size: int, agent: str) -> float:
    began = time.monotonic()
    reply = session.post(url, data=b"x" * size, headers={"User-Agent": agent}, timeout=60)
    assert len(reply.content) == size
    return time.monotonic() - began


def test_a_far_client_waits_a_round_trip_and_for_its_handshake(server: str) -> None:
    with Distance(ROUND_TRIP, ["ours/"]) as distance, requests.Session() as session:
        url = distance.before("hello", server)
        assert post(session, url, 300_000, "ours/1") >= 3 * ROUND_TRIP
        assert post(session, url, 10, "ours/1") >= ROUND_TRIP
        taken = distance.taken()
    assert [call.server for call in taken] == ["hello", "hello"]
    assert {call.what for call in taken} == {"POST /"}
    assert all(call.ended - call.began >= ROUND_TRIP for call in taken)
    assert distance.connections == 1


def test_a_near_one_is_not_counted(server: str) -> None:
    with Distance(60.0, ["ours/"]) as distance, requests.Session() as session:
        post(session, distance.before("hello", server), 300_000, "others/1")
        assert distance.taken() == []


def test_a_call_tells_its_sql_and_begins_when_it_is_sent(server: str) -> None:
    """A connection may be opened long before anything is asked on it."""
    with Distance(ROUND_TRIP, ["ours/"]) as distance:
        opened = socket.create_connection(address_of(distance.before("hello", server)))
        time.sleep(4 * ROUND_TRIP)
        sent = time.monotonic()
        body = b'{"stmt": {"sql": "SELECT 1"}, "other": {"sql": "BEGIN"}}'
        head = (
            f"POST /v2/pipeline?x=1 HTTP/1.1\r\nUser-Agent: ours/1\r\nContent-Length: {len(body)}"
        )
        opened.sendall(f"{head}\r\n\r\n".encode() + body)
        assert opened.recv(1000)
        opened.close()
        while not distance.calls:  # it is noted once the answer has gone, by another thread
            time.sleep(ROUND_TRIP)
        (call,) = distance.taken()
    assert call.what == "POST /v2/pipeline; SELECT 1; BEGIN"
    assert call.began >= sent


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def test_an_idle_connection_is_closed_and_made_anew(server: str) -> None:
    with Distance(0.0, ["ours/"], idle=0.05) as distance, requests.Session() as session:
        url = distance.before("hello", server)
        post(session, url, 10, "ours/1")
        time.sleep(0.3)
        post(session, url, 10, "ours/1")
        assert distance.connections == 2


def test_the_longest_chain_is_of_calls_that_did_not_overlap() -> None:
    calls = [Call("a", 0, 1), Call("b", 0, 5), Call("a", 1, 2), Call("a", 1.5, 3), Call("c", 5, 6)]
    assert [call.server for call in chain(calls)] == ["a", "a", "c"]
    assert chain([]) == []
