"""What the tests of the clients share: a clock that does not wait, and a raw server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from xswarm_deploy.services.clock import Clock

if TYPE_CHECKING:
    from tests.services.twin import Twin


@dataclass
class FakeTime:
    """Time that passes by sleeping only."""

    seconds: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.now, self.sleep)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


Handler = Callable[[socket.socket, bytes], None]


class RawServer:
    """Answer each connection by the next handler, byte for byte as told."""

    def __init__(self, handlers: list[Handler]) -> None:
        self.requests: list[bytes] = []
        self._handlers = handlers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for handler in self._handlers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                received = self._received(connection)
                self.requests.append(received)
                handler(connection, received)

    def _received(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                return received
            received += part
        return received

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    servers: list[RawServer] = []

    def start(*handlers: Handler) -> RawServer:
        servers.append(RawServer(list(handlers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def api(fake_time: FakeTime) -> Iterator[Any]:
    """Stand in for any service's HTTP; calls to what was not declared fail."""
    import responses

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(scope="session")
def running_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """Return the local twin, started once for all tests that ask for it."""
    from tests.services.twin import Twin

    twin = Twin(tmp_path_factory.mktemp("twin"))
    yield twin
    twin.down()


@pytest.fixture
def twin(running_twin: Twin) -> Iterator[Twin]:
    """Return the twin without faults, and leave it so."""
    yield running_twin
    running_twin.clear()
