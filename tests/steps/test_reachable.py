"""An address that was just opened: which one is asked next, and waiting until it is there."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy import transport
from xswarm_deploy.errors import StepFailed
from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps.unversioned import reachable

HOST = "shop.example.com"
Opened = Callable[..., Site]


@dataclass
class Ways:
    """The way to Cloudflare, of which only the clock is used."""

    clock: Clock


@dataclass
class Slow:
    """A host that answers after so many tries, on a clock that does not wait."""

    fails: int
    asked: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def connect(self, host: str, port: int) -> None:
        self.asked.append((host, port))
        if len(self.asked) <= self.fails:
            raise OSError("no such name")

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.now, self.sleep)


@pytest.fixture
def at(settings: Callable[..., Settings]) -> Opened:
    """Return what makes a site whose Worker is asked at an address."""

    def made(url: str, clock: Clock = SYSTEM_CLOCK) -> Site:
        site = Site(settings(WORKER_URL=url))
        fake = FakeCloudflare()
        fake.http = Ways(clock)  # type: ignore[attr-defined]
        site.__dict__["cloudflare"] = fake
        return site

    return made


def test_a_new_domain_is_waited_for(at: Opened) -> None:
    slow = Slow(fails=3)
    reachable.wait(at(f"https://{HOST}", slow.clock), [HOST, "b.example"], slow.connect)
    assert (slow.asked, slow.seconds) == ([(HOST, 443)] * 4, 15.0)


def test_it_is_not_waited_for_without_end(at: Opened) -> None:
    slow = Slow(fails=1000)
    with pytest.raises(StepFailed, match="does not answer: for 10 minutes: no such name"):
        reachable.wait(at(f"https://{HOST}", slow.clock), [HOST], slow.connect)


def test_only_the_host_that_is_verified_is_waited_for(at: Opened) -> None:
    slow = Slow(fails=3)
    reachable.wait(at(f"https://{HOST}", slow.clock), ["b.example"], slow.connect)
    assert slow.asked == []


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [
        (HOST, True),
        (f"{HOST}/*", True),
        ("*.example.com/*", True),
        ("*example.com/*", True),
        ("https://shop.example.com/*", True),
        ("example.com/*", False),
        ("shop.example.com/api/*", False),
        ("other.example.com/*", False),
        ("shopXexample.com/*", False),
    ],
)
def test_a_route_covers_what_lies_below_it(at: Opened, pattern: str, covers: bool) -> None:
    assert reachable.among(at(f"https://{HOST}"), [pattern]) is covers
    assert reachable.among(at("http://127.0.0.1:1"), [pattern])
    assert not reachable.among(at("http://127.0.0.1:1"), [])


def test_a_url_with_a_path_is_below_a_route_of_that_path(at: Opened) -> None:
    assert reachable.among(at(f"https://{HOST}/api"), ["shop.example.com/api/*"])


def _trusted(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a server's TLS settings for a name, whose certificate is trusted here."""
    file = folder / f"{name}.pem"
    file.write_bytes(_certificate(datetime.now(UTC), name))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return _trusted("localhost", tmp_path, monkeypatch)


def test_nobody_there_then_no_certificate_then_it_answers(
    at: Opened, certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wait for a host of real sockets: refused first, then without TLS, then as it should be."""
    monkeypatch.setattr(reachable, "PAUSE", 0.05)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        served = threading.Thread(target=_serve, args=(listener, certified))
        served.start()
        reachable.wait(at(f"https://localhost:{port}"), ["localhost"])
        served.join(timeout=60)
    assert not served.is_alive()


def _serve(listener: socket.socket, settings: ssl.SSLContext) -> None:
    time.sleep(0.2)
    listener.listen()
    plain, _ = listener.accept()
    plain.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
    plain.close()
    accepted, _ = listener.accept()
    with settings.wrap_socket(accepted, server_side=True):
        return


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Run a company's proxy, the only way to everywhere, and return what it was asked."""
    asked: list[bytes] = []
    settings = _trusted(HOST, tmp_path, monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = threading.Thread(target=_pass_on, args=(listener, settings, asked), daemon=True)
        served.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield asked
        listener.shutdown(socket.SHUT_RDWR)
        served.join(60)


def _pass_on(listener: socket.socket, settings: ssl.SSLContext, asked: list[bytes]) -> None:
    """Refuse once, then answer for every example; threads of earlier tests ask for others."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                line = connection.recv(4096).split(b"\r\n")[0]
                if b"example" not in line:
                    continue
                asked.append(line)
                if len(asked) == 1:
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                    continue
                connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                settings.wrap_socket(connection, server_side=True).close()


def test_the_way_through_a_proxy_is_waited_for(
    at: Opened, proxy: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy knows the name, and this machine does not; its authority is the company's."""
    monkeypatch.setattr(reachable, "PAUSE", 0.01)
    reachable.wait(at(f"https://{HOST}"), [HOST])
    assert [line.rpartition(b" ")[0] for line in proxy] == [f"CONNECT {HOST}:443".encode()] * 2


def test_what_the_proxy_says_is_told(proxy: list[bytes]) -> None:
    with pytest.raises(OSError, match="502 Bad Gateway"), transport.secured(HOST, 443, 5.0):
        pass
    with transport.secured(HOST, 443, 5.0) as connection:
        assert connection.version() == "TLSv1.3"
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="mismatch"),
        transport.secured("another.example", 443, 5.0),
    ):
        pass
    assert len(proxy) == 3


@pytest.mark.usefixtures("proxy")
def test_a_proxy_is_the_way_where_nothing_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.proxied(f"https://{HOST}")
    assert not transport.proxied("https://localhost:1")
    monkeypatch.setenv("NO_PROXY", ".example.com")
    assert not transport.proxied(f"https://{HOST}")


def test_what_does_not_resolve_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(socket.gaierror, match="not known"), transport.secured(HOST, 443, 5.0):
        pass


def _certificate(now: datetime, host: str) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + made.public_bytes(serialization.Encoding.PEM)
