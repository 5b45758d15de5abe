"""Ports: kept, replaced when taken, pinned."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from xswarm_twin import ports
from xswarm_twin.errors import Refused

WANTED = ports.names(["boss-ai"], ["xswarm-boss"])


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_each_name_has_a_free_port_of_its_own() -> None:
    chosen = ports.choose(WANTED, {}, {}, "here")
    assert set(chosen) == set(WANTED)
    assert len(set(chosen.values())) == len(WANTED)
    assert all(ports.free(port) for port in chosen.values())


def test_the_last_ports_are_kept() -> None:
    first = ports.choose(WANTED, {}, {}, "here")
    assert ports.choose(WANTED, first, {}, "elsewhere") == first


def test_a_port_that_was_taken_meanwhile_is_replaced(taken: int) -> None:
    first = ports.choose(WANTED, {}, {}, "here")
    second = ports.choose(WANTED, first | {"stripe": taken}, {}, "here")
    assert second["stripe"] != taken
    assert len(set(second.values())) == len(WANTED)
    assert {**second, "stripe": 0} == {**first, "stripe": 0}


def test_a_pinned_port_is_used_even_where_it_was_another_ones() -> None:
    first = ports.choose(WANTED, {}, {}, "here")
    pinned = {"stripe": first["twilio"]}
    second = ports.choose(WANTED, first, pinned, "here")
    assert second["stripe"] == first["twilio"]
    assert len(set(second.values())) == len(WANTED)


def test_a_pinned_port_that_is_taken_is_an_error_that_names_it(taken: int) -> None:
    with pytest.raises(Refused, match=f"port {taken} .stripe. is taken"):
        ports.choose(WANTED, {}, {"stripe": taken}, "here")


def test_settings_may_mean_the_first_worker_and_any_port() -> None:
    pinned = ports.pin({"worker": 8787, "pages:xswarm-boss": 8788, "stripe": 0}, WANTED)
    assert pinned == {"worker:boss-ai": 8787, "pages:xswarm-boss": 8788}


def test_a_name_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="unknown sandbox port 'strip'"):
        ports.pin({"strip": 1}, WANTED)


def test_a_port_that_has_just_been_used_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server, _ = listener.accept()
            server.close()  # the side that closes first is left in TIME_WAIT
            assert client.recv(1) == b""
    assert ports.free(port)
