"""The provider stand-ins of one twin, shared by the room, and somebody to deliver to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.support.providers import Receiver, Twin
from xswarm_twin import files, folder, processes, supervisor


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """Start the stand-ins once; leave no process."""
    root = tmp_path_factory.mktemp("providers")
    try:
        state = supervisor.up(root, ["boss-ai"], ["xswarm-boss"], only=("emulate", "providers"))
        keys = files.read_object(folder.of(root).credentials)
        yield Twin(root, state.endpoints, keys, state.ports)
    finally:
        supervisor.down(root)
        assert not processes.marked(folder.of(root))


@pytest.fixture(autouse=True)
def no_faults(twin: Twin) -> Iterator[None]:
    """Switch off what a test left on."""
    yield
    for name in ("stripe", "twilio", "slack", "sendgrid", "anthropic", "openai"):
        requests.delete(twin.url(name) + "/__sandbox/faults", headers=twin.control, timeout=60)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen on a free port of this machine."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.requests.append((self.path, dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            kept.arrived.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
