"""Connections are opened by the address that answers, and no resolver is waited for for ever."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.answering import answering
from xswarm_deploy import dialing
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.clock import Clock
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.http import Http

NAME = "api.example"
_real = socket.getaddrinfo


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a name have these addresses, each with a port of its own."""

    def give(*places: tuple[str, int]) -> None:
        def resolve(host: str, port: Any, *given: Any, **options: Any) -> list[Any]:
            found = places if host == NAME else [(host, port)]
            return [each for at, on in found for each in _real(at, on, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return give


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """Return an address that answers nothing, as one behind a broken tunnel: its queue is full."""
    if sys.platform != "linux":
        pytest.skip("only Linux drops what a full queue has no place for")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.2", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_an_address_that_is_dead_costs_a_moment(
    named: Callable[..., None], silent: tuple[str, int]
) -> None:
    with answering(b"") as server:
        named(silent, silent, ("127.0.0.1", server.port))
        began = time.monotonic()
        with dialing.connect(NAME, 443, 30.0) as made:
            assert made.getpeername() == ("127.0.0.1", server.port)
            assert made.gettimeout() == 30.0
        assert time.monotonic() - began < 10


def test_where_none_answers_the_time_is_that_of_one(
    named: Callable[..., None], silent: tuple[str, int]
) -> None:
    named(silent, silent, silent)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        dialing.connect(NAME, 443, 0.6)
    assert 0.5 < time.monotonic() - began < 1.7, "three times as long, one after the other"


def test_one_that_refuses_leads_to_the_next_at_once(named: Callable[..., None]) -> None:
    with answering(b"") as server:
        named(("127.0.0.3", server.port), ("127.0.0.1", server.port))
        with dialing.connect(NAME, 443, 30.0) as made:
            assert made.getpeername()[0] == "127.0.0.1"
    named(("127.0.0.3", 9), ("127.0.0.4", 9))
    with pytest.raises(ConnectionRefusedError):
        dialing.connect(NAME, 443, 30.0)


def test_the_families_take_turns() -> None:
    v6, v4 = socket.AF_INET6, socket.AF_INET
    found = [(family, 1, 6, "", (str(n),)) for n, family in enumerate((v6, v6, v6, v4))]
    assert [each[4][0] for each in dialing._in_turns(found)] == ["0", "3", "1", "2"]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_a_name_that_has_ipv6_alone(named: Callable[..., None]) -> None:
    try:
        stack = answering(b"", host="::1")
        with stack as server:
            named(("::1", server.port))
            with dialing.connect(NAME, 443, 30.0) as made:
                assert made.family == socket.AF_INET6
            with dialing.connect("[::1]", server.port, 30.0) as made:
                assert made.family == socket.AF_INET6
    except OSError as error:
        pytest.skip(f"no ::1 here: {error}")


@pytest.mark.parametrize("places", [1, 2], ids=["one address", "several"])
def test_no_socket_is_left_where_an_option_is_unknown(
    named: Callable[..., None], monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    made: list[socket.socket] = []

    class Seen(socket.socket):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    named(*[("127.0.0.1", 9)] * places)
    monkeypatch.setattr(socket, "socket", Seen)
    with pytest.raises(OSError, match="not available"):
        dialing.connect(NAME, 443, 1.0, [(socket.IPPROTO_TCP, 12345, 1)])
    assert [each.fileno() for each in made] == [-1] * places


def quick() -> Clock:
    return Clock(time.time, time.monotonic, lambda _: None)


def failing(error: Exception, seconds: float = 0.0) -> Callable[..., Any]:
    def resolve(*given: Any, **options: Any) -> Any:
        time.sleep(seconds)
        raise error

    return resolve


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (socket.EAI_NONAME, "Name or service not known"),
        (socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ],
)
def test_a_name_that_does_not_resolve_is_told(
    monkeypatch: pytest.MonkeyPatch, code: int, told: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(socket.gaierror(code, told)))
    with pytest.raises(ServiceUnavailable) as caught:
        Http("Example", f"https://{NAME}", {}, clock=quick()).post("/x")
    said = f"the name {NAME} does not resolve ({told})"
    assert said in caught.value.said
    with pytest.raises(DatabaseError) as refused:
        connect(f"libsql://{NAME}", Secret("token-of-a-test", "TOKEN")).execute("DELETE FROM t")
    assert said in refused.value.why
    assert not caught.value.in_doubt
    assert not refused.value.in_doubt


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own would hold the program for half a minute a try, deaf for Ctrl-C."""
    monkeypatch.setattr(socket, "getaddrinfo", failing(socket.gaierror(1, "never"), 5.0))
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="no answer from DNS in time"):
        Http("Example", f"https://{NAME}", {}, budget=0.5, retries=0).get("/x")
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("host", ["a..example", "x" * 64 + ".example", "\u200b.example"])
def test_what_is_no_name_is_told(host: str) -> None:
    with pytest.raises(OSError, match="no name"):
        dialing.resolved(host, 443)
