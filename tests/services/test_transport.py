"""Bodies take as long as they move; answers end; every request says who sends it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.project import PROJECT
from tests.support.uplink import Uplink
from xswarm_deploy import errors, transport, trust
from xswarm_deploy.database import turso
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import tails
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.http import Http, new_session

RATE = 4_000_000  # bytes a second
BODY = b"x" * 8_000_000  # two seconds; more than the system keeps on its way
IMPATIENT = 0.3  # seconds to connect: what a whole body had to be sent in


@dataclass
class Sink:
    """A server that takes everything and says how much that was."""

    server: ThreadingHTTPServer
    agents: list[str] = field(default_factory=list)
    answer: bytes = b'{"ok": true}'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def sink() -> Iterator[Sink]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            found.agents.append(self.headers["User-Agent"])
            left = int(self.headers["Content-Length"])
            while left and (part := self.rfile.read(min(left, 65536))):
                left -= len(part)
            self.send_response(200)
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *given: Any) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Sink(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(5)


def http(url: str, **options: Any) -> Http:
    return Http("Example", url, {}, timeout=(IMPATIENT, 5.0), **options)


@pytest.mark.slow
def test_a_body_may_take_longer_than_connecting_and_than_the_budget(sink: Sink) -> None:
    told: list[int] = []
    with Uplink(sink.url, RATE) as uplink:
        began = time.monotonic()
        reply = http(uplink.url, budget=0.8).post("/x", body=BODY, sent=told.append)
        assert time.monotonic() - began > 3 * IMPATIENT
    assert reply.json() == {"ok": True}
    assert uplink.connections == 1
    assert told == sorted(told)
    assert told[-1] >= len(BODY)
    assert len(told) > len(BODY) / transport.PIECE


def test_what_a_guard_sends_is_not_held_back_by_it(sink: Sink) -> None:
    asked: list[str] = []

    def guard() -> None:
        asked.append("guard")
        assert len(asked) == 1, "it waits for itself"
        session.post(sink.url)

    with new_session() as session, transport.exchange(5.0, guard=guard):
        assert session.post(sink.url).status_code == 200
    assert (asked, len(sink.agents)) == (["guard"], 2)


@pytest.mark.slow
def test_so_does_one_on_a_connection_that_is_kept(sink: Sink) -> None:
    with Uplink(sink.url, RATE) as uplink:
        client = http(uplink.url)
        for _ in range(2):
            client.post("/x", body=BODY)
    assert uplink.connections == 1


@pytest.mark.slow
def test_so_does_one_under_tls(sink: Sink, tmp_path: Path) -> None:
    certificate = _certificate(tmp_path / "localhost.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sink.server.socket = context.wrap_socket(sink.server.socket, server_side=True)
    with Uplink(sink.url.replace("http:", "https:"), RATE) as uplink, new_session() as session:
        session.trust_env = False
        timeout = (IMPATIENT, 5.0)
        reply = session.post(uplink.url, data=BODY, timeout=timeout, verify=str(certificate))
    assert reply.status_code == 200


@pytest.fixture
def secure(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the server speak TLS, by a certificate that nobody knows; return that."""
    for name in trust.NAMES:
        monkeypatch.delenv(name, raising=False)
    certificate = _certificate(tmp_path / "company.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sink.server.socket = context.wrap_socket(sink.server.socket, server_side=True)
    return certificate


def asked(sink: Sink) -> str:
    """Ask by each way there is, and return what the database's client says."""
    url = sink.url.replace("http:", "https:")
    Http("Example", url).post("/x")
    with pytest.raises(DatabaseError) as caught:
        connect(url, Secret("a-token-of-the-database", "TOKEN")).query("SELECT 1")
    address = ("127.0.0.1", sink.server.server_port)
    with (
        socket.create_connection(address) as plain,
        trust.context().wrap_socket(plain, server_hostname="127.0.0.1"),
    ):
        return caught.value.why


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_trusted_whichever_variable_names_them(
    sink: Sink, secure: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(secure))
    assert asked(sink) == "the answer is not Hrana's"


@pytest.mark.usefixtures("secure")
def test_one_that_is_not_trusted_is_told_with_what_to_do(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sink.url.replace("http:", "https:")
    with pytest.raises(ServiceUnavailable, match="not trusted: self-signed certificate") as caught:
        Http("Example", url, retries=0).post("/x")
    assert "REQUESTS_CA_BUNDLE=FILE" in caught.value.remedy
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(DatabaseError) as refused:
        connect(url, Secret("a-token-of-the-database", "TOKEN")).query("SELECT 1")
    assert (
        refused.value.remedy
        == "SSL_CERT_FILE names /nowhere/ca.pem, which is not there: correct that"
    )


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_named_and_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """requests takes these two by itself, and raises an OSError without a number."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(name, "/nowhere/ca.pem")
    url = "https://provider.invalid"
    with pytest.raises(ServiceUnavailable, match=r"certificates .* are not there") as caught:
        Http("Example", url, retries=0).post("/x")
    with pytest.raises(DatabaseError) as refused:
        connect(url, Secret("a-token-of-the-database", "TOKEN")).query("SELECT 1")
    told = f"{name} names /nowhere/ca.pem, which is not there: correct that"
    assert (caught.value.remedy, refused.value.remedy) == (told, told)
    assert (caught.value.in_doubt, refused.value.in_doubt) == (False, False)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "http://", "127.0.0.1:99999", "ftp://x:1", "garbage://"]
)
def test_a_proxy_that_cannot_be_used_is_told_and_nothing_is_in_doubt(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ServiceUnavailable) as caught:
        http("https://api.example", retries=0).post("/x")
    with pytest.raises(DatabaseError) as refused:
        connect("libsql://db.example", Secret("a-token-of-it", "TOKEN")).execute("DELETE FROM t")
    with pytest.raises(ServiceUnavailable) as unheard, tails._connected("X", "wss://x.example/"):
        pass
    assert (caught.value.in_doubt, refused.value.in_doubt) == (False, False)
    for told in (caught.value, refused.value, unheard.value):
        assert "ALL_PROXY names no proxy" in told.why
        assert "HTTPS_PROXY=http://HOST:PORT" in told.remedy


def test_statements_are_not_sent_to_where_a_network_that_wants_a_login_leads(
    sink: Sink, raw_server: Callable[..., Any]
) -> None:
    moved = f"HTTP/1.1 307 Moved\r\nLocation: {sink.url}/login\r\nContent-Length: 0\r\n\r\n"
    server = raw_server(lambda connection, _: connection.sendall(moved.encode()))
    with pytest.raises(DatabaseError, match="a network that wants a login") as caught:
        connect(server.url).query("SELECT 'private'")
    assert (caught.value.in_doubt, sink.agents) == (False, [])


EMPTY = {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}
RESULTS = [{"type": "execute", "result": EMPTY}, {"type": "close"}]
ANSWER = {"results": [{"type": "ok", "response": response} for response in RESULTS]}


def after(seconds: float) -> Callable[[socket.socket, bytes], None]:
    """Return what answers as libSQL's server does, after a while."""
    body = json.dumps(ANSWER)
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"

    def answer(connection: socket.socket, _received: bytes) -> None:
        time.sleep(seconds)
        connection.sendall((head + body).encode())

    return answer


def test_a_database_that_never_answers_is_soon_told_and_one_that_did_may_take_longer(
    raw_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turso, "_FIRST_SECONDS", 0.2)
    with pytest.raises(DatabaseError, match="no answer in time"):
        connect(raw_server(after(1.0)).url).query("SELECT 1")
    with connect(raw_server(after(0.0), after(0.5)).url) as database:
        assert [database.query("SELECT 1"), database.query("a long one")] == [[], []]


@pytest.mark.slow
def test_without_pieces_it_would_fail(sink: Sink) -> None:
    """The proxy is slow enough to show what the adapter of requests does."""
    with Uplink(sink.url, RATE) as uplink, requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.ConnectionError):
            session.post(uplink.url, data=BODY, timeout=(IMPATIENT, 5.0))


def test_a_body_that_does_not_move_fails(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "STALLED", 0.2)
    with Uplink(sink.url, stalls_after=100_000) as uplink:
        with pytest.raises(ServiceUnavailable, match="may have been applied") as caught:
            http(uplink.url).post("/x", body=BODY)
        assert uplink.forwarded <= 100_000
    assert caught.value.in_doubt


@pytest.mark.slow
def test_so_does_a_migration(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large requests to the database pass like everything else."""
    monkeypatch.setattr(turso, "_CONNECT_SECONDS", IMPATIENT)
    result = {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}
    ok = {"type": "ok", "response": {"type": "execute", "result": result}}
    sink.answer = json.dumps({"results": [ok, ok]}).encode()
    with Uplink(sink.url, RATE) as uplink:
        turso.TursoDatabase(uplink.url, None).execute(f"SELECT '{BODY.decode()}'")
    assert uplink.connections == 1


def _dripping(head: bytes, stop: threading.Event) -> Callable[[socket.socket, bytes], None]:
    """Answer, and then send a byte every twentieth of a second, without an end."""

    def drip(connection: socket.socket, received: bytes) -> None:
        connection.sendall(head)
        while not stop.wait(0.05):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    return drip


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["status line", "headers", "body"],
)
def test_an_answer_that_drips_ends_at_the_deadline(
    raw_server: Callable[..., Any], head: bytes
) -> None:
    stop = threading.Event()
    server = raw_server(_dripping(head, stop))
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="in time"):
        http(server.url, budget=0.5, retries=0).get("/x")
    assert time.monotonic() - began < 5
    stop.set()


def test_every_request_says_who_sends_it(sink: Sink) -> None:
    http(sink.url).post("/x", body=b"")
    with new_session() as session:  # what verification asks with
        session.post(sink.url, timeout=5)
    turso_session = turso._open(sink.url, None).session
    assert turso_session.headers["User-Agent"] == transport.USER_AGENT
    assert sink.agents == [transport.USER_AGENT] * 2


def test_the_version_it_says_is_the_projects() -> None:
    text = (PROJECT / "packages/deploy/pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    assert project["project"]["version"] == errors.VERSION


def _certificate(path: Path) -> Path:
    """Write a certificate of this machine, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path
