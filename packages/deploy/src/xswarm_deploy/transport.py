"""How requests travel: bodies piece by piece, answers before a deadline, with a name of our own.

urllib3 sends a whole body under the timeout for connecting, so that a large one fails on a slow
uplink however steadily it moves; and it limits each single read of an answer, so that a byte a
second never ends. Here a body may take as long as it moves, and an answer may not.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlsplit

from xswarm_deploy import dialing, texts, trust
from xswarm_deploy.errors import VERSION
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.requesting import requests, urllib3

USER_AGENT: Final = f"xswarm-boss/{VERSION} (+https://xswarm.ai)"

PIECE: Final = 64 * 1024  # bytes; each is given STALLED seconds, and then the next
STALLED: Final = 30.0  # seconds in which one piece must leave: some 17 kbit/s
_UNSENT: Final = 2 * PIECE  # bytes the system may hold back, so that what is counted has left
_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_OPENING: Final = 10.0  # seconds to open a connection ahead
_READ: Final = 64 * 1024  # bytes of a buffer for reading
_LARGEST_REFUSAL: Final = 1024 * 1024  # bytes; of a text requests guesses how it is encoded
_ANNOUNCED: Final = range(102, 200)
"""Statuses that only announce an answer (RFC 9110, 15.2), beside 100, which http.client passes."""

Sent = Callable[[int], None]
"""Called with the bytes of a body that have left so far; less than before: it begins again."""

Guard = Callable[[], None]


class TooLarge(requests.RequestException):
    """An answer holds more than was allowed for."""


class TooSlow(requests.RequestException):
    """An answer was not complete at its deadline."""


@dataclass
class Exchange:
    """Measure one request and its answer.

    Args:
        seconds: what connecting, waiting and reading may take; sending is not counted, nor what
            is done between two reads.
        sent: called after each piece of the body.
        guard: called before each piece of the request leaves; what it raises keeps it here.
        pace: bytes of an answer that put the end off by a second; 0: none do.
        largest: bytes that the answer's body may hold, unpacked; None: as many as come.
        sending: seconds that sending took so far.
    """

    seconds: float | None = None
    sent: Sent | None = None
    guard: Guard | None = None
    pace: float = 0.0
    largest: int | None = None
    sending: float = 0.0
    _bytes: int = 0
    _received: int = 0
    _away: float = 0.0  # seconds between two reads
    _began: float = field(default_factory=time.monotonic)
    _last_read: float | None = None

    def left(self) -> float | None:
        """Return the seconds that remain for the answer; None where there is no limit."""
        if self.seconds is None:
            return None
        earned = self._received / self.pace if self.pace else 0.0
        return self.seconds + earned - (self._passed() - self.sending - self._away)

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def reading(self) -> None:
        """Note that a part of the answer is read now."""
        if self._last_read is not None:
            self._away += time.monotonic() - self._last_read

    def received(self, count: int) -> None:
        """Note that so many bytes of the answer have come."""
        self._received += count
        self._last_read = time.monotonic()

    def passed(self, count: int, seconds: float) -> None:
        """Note that so many bytes have left in so many seconds."""
        self.sending += seconds
        self._bytes += count
        if self.sent is not None:
            self.sent(self._bytes)


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchange(
    seconds: float | None = None,
    sent: Sent | None = None,
    guard: Guard | None = None,
    *,
    pace: float = 0.0,
    largest: int | None = None,
) -> Iterator[Exchange]:
    """Limit and measure the request that is sent inside, by this thread.

    Args:
        seconds: what connecting, waiting and reading may take in all; None: no limit.
        sent: called after each piece of the body.
        guard: called before each piece of the request leaves.
        pace: bytes of an answer that put the end off by a second; 0: none do.
        largest: bytes that the answer's body may hold, unpacked; None: as many as come.
    """
    made = Exchange(seconds, sent, guard, pace, largest)
    token = _exchange.set(made)
    try:
        yield made
    finally:
        _exchange.reset(token)


class _Timed(io.RawIOBase):
    """Read a socket's file; the time for each read is at most what is left of the whole."""

    def __init__(self, file: io.RawIOBase, sock: socket.socket, limits: Exchange) -> None:
        super().__init__()
        self._file, self._sock, self._limits = file, sock, limits
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._limits.reading()
        left = self._limits.left()
        if left is not None:
            if left <= 0:
                raise TimeoutError("the answer is not complete at its deadline")
            self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        count = self._file.readinto(buffer)
        self._limits.received(count or 0)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Read status line, headers and body before the deadline of the exchange."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        limits = _exchange.get()
        if limits is not None and limits.seconds is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Timed(raw, sock, limits), _READ)

    def _read_status(self) -> Any:
        """Return the status line of the answer itself: http.client takes 102 and 103 for one."""
        found = super()._read_status()  # type: ignore[misc]  # of http.client, without types
        while found[1] in _ANNOUNCED:
            http.client.parse_headers(self.fp)
            found = super()._read_status()  # type: ignore[misc]
        return found


class _Limited:
    """The body of an answer, which ends with an error where it is larger than was allowed for."""

    def __init__(self, raw: Any, largest: int) -> None:
        self._raw, self._largest = raw, largest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *given: Any, **named: Any) -> Iterator[bytes]:
        """Yield the body as it comes."""
        size = 0
        for part in self._raw.stream(*given, **named):
            size += len(part)
            if size > self._largest:
                self._raw.close()
                raise TooLarge
            yield part


class _Pieces:
    """Connect by the quickest way, and send piece by piece; before one of urllib3's connections."""

    host: str
    port: int
    timeout: Any
    socket_options: Any
    _dns_host: str
    sock: socket.socket | None
    connect: Callable[[], None]
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        named = self.timeout
        seconds = named if isinstance(named, int | float) else socket.getdefaulttimeout()
        options, made = self.socket_options or (), cast("Any", self)
        try:
            return dialing.connect(self._dns_host, self.port, seconds, options, _for_resolving())
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(self.host, made, error) from error
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(made, "no connection in time") from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(made, str(error)) from error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        sock = cast("socket.socket", self.sock)
        before = sock.gettimeout()
        sock.settimeout(STALLED)
        try:
            _send_all(sock, memoryview(data).cast("B"))
        finally:
            sock.settimeout(before)


def _for_resolving() -> float:
    """Return the seconds that the exchange under way leaves for finding a host's addresses."""
    limits = _exchange.get()
    left = limits.left() if limits is not None else None
    return dialing.RESOLVING if left is None else max(0.0, min(dialing.RESOLVING, left))


def _send_all(sock: socket.socket, data: memoryview) -> None:
    limits = _exchange.get()
    for start in range(0, len(data), PIECE):
        began = time.monotonic()
        piece = data[start : start + PIECE]
        if limits is not None and limits.guard is not None:
            _ask(limits.guard)
        sock.sendall(piece)
        if limits is not None:
            limits.passed(len(piece), time.monotonic() - began)


def _ask(guard: Guard) -> None:
    """Ask a guard, whose own requests are none of this exchange.

    One that renews a lease would otherwise be asked again for that very request, and so wait for
    itself: for ever.
    """
    token = _exchange.set(None)
    try:
        guard()
    finally:
        _exchange.reset(token)


class _Connection(_Pieces, urllib3.connection.HTTPConnection):  # type: ignore[misc]  # send takes fewer kinds
    """Plain HTTP."""


class _SecureConnection(_Pieces, urllib3.connection.HTTPSConnection):  # type: ignore[misc]
    """HTTP over TLS."""


class _Ahead:
    """Open connections before they are needed; goes before one of urllib3's pools."""

    _get_conn: Any  # of the pool: urllib3 has no types for it
    _put_conn: Any

    def open_ahead(self, count: int) -> None:
        """Begin to open so many connections that wait for requests, each in a thread of its own.

        One that cannot be opened is told by the request that opens it anew.
        """
        all_ = [self._get_conn() for _ in range(count)]
        for taken in [one for one in all_ if one.sock is not None]:
            self._put_conn(taken)  # at once: others may be waiting for it
        for taken in [one for one in all_ if one.sock is None]:
            threading.Thread(target=self._opened, args=(taken,), daemon=True).start()

    def _opened(self, taken: Any) -> None:
        try:
            taken.timeout = _OPENING
            taken.connect()
        except (urllib3.exceptions.HTTPError, OSError):
            taken.close()
        with suppress(urllib3.exceptions.HTTPError):  # the pool was closed meanwhile
            self._put_conn(taken)


class _Pool(_Ahead, urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(_Ahead, urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class NoCertificates(requests.RequestException):
    """The file or folder of certificates that the environment names is not there."""


class Adapter(requests.adapters.HTTPAdapter):
    """Carry the requests of a session; to be mounted in place of the one of requests."""

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool for a request, and for the certificates that are trusted."""
        return super().get_connection_with_tls_context(request, _trusted(verify), proxies, cert)

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return the answer; its body is limited as the exchange says."""
        made = super().build_response(req, resp)
        limits = _exchange.get()
        if limits is not None and limits.largest is not None:
            most = limits.largest if made.ok else min(limits.largest, _LARGEST_REFUSAL)
            made.raw = _Limited(resp, most)
        return made

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Let a connection trust the certificates that the environment names."""
        try:
            super().cert_verify(conn, url, _trusted(verify), cert)  # type: ignore[no-untyped-call]
        except OSError:
            raise NoCertificates from None

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options, socket_options=_socket_options())
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy."""
        options.setdefault("socket_options", _socket_options())
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


def _trusted(verify: bool | str | None) -> bool | str | None:
    """Return the certificates to trust; of those that the environment names, requests knows two."""
    return (trust.named() or True) if verify is True else verify


def proxied(url: str) -> bool:
    """Return whether the environment leads to an address through a proxy."""
    found = {} if is_loopback(url) else requests.utils.get_environ_proxies(url)
    return bool(requests.utils.select_proxy(url, found))


@contextmanager
def secured(host: str, port: int, seconds: float) -> Iterator[ssl.SSLSocket]:
    """Open a connection by TLS as every request does: through the same proxy, trusting the same.

    Args:
        host: its name; the certificate must be for it.
        port: 443 as a rule.
        seconds: for connecting, and for each step of agreeing on keys.

    Raises:
        ssl.SSLCertVerificationError: the chain, the name or the time is not right.
        socket.gaierror: the name does not resolve.
        OSError: no connection; see :func:`unsecured`.
    """
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}/"
    with requests.Session() as session, closing(Adapter()) as adapter, exchange(2 * seconds):
        found = session.merge_environment_settings(url, {}, None, None, None)
        ways = found["proxies"] if proxied(url) else {}
        asked = session.prepare_request(requests.Request("GET", url))
        try:
            pool = adapter.get_connection_with_tls_context(
                asked, found["verify"], ways, found["cert"]
            )
        except urllib3.exceptions.LocationValueError:  # its text may hold the proxy's password
            raise requests.exceptions.InvalidProxyURL from None
        adapter.cert_verify(pool, url, found["verify"], found["cert"])
        made = pool._new_conn()
        made.timeout = seconds
        try:
            _connected(pool, made)
            yield made.sock
        finally:
            made.close()


def unsecured(error: OSError) -> tuple[str, str]:
    """Return why :func:`secured` opened nothing, and what to do; empty: the host decides it."""
    if isinstance(error, requests.RequestException):
        return reason(error), remedy(error)
    return error.strerror or str(error), ""


def _connected(pool: Any, made: Any) -> None:
    """Let one of a pool's connections connect; what urllib3 raises is told by its cause."""
    try:
        if pool.proxy:
            pool._prepare_proxy(made)
        else:
            made.connect()
    except urllib3.exceptions.HTTPError as error:
        raise (
            error.__cause__ if isinstance(error.__cause__, OSError) else OSError("no connection")
        ) from None
    except http.client.HTTPException:
        raise OSError("the proxy does not speak HTTP") from None


def open_ahead(
    session: requests.Session, url: str, count: int, surroundings: Mapping[str, Any] | None = None
) -> None:
    """Begin to open connections to a server, so that later requests need not wait for them.

    Args:
        session: has an :class:`Adapter`, and sends these requests.
        url: of the server; where a proxy lies before it, nothing is opened.
        count: how many connections.
        surroundings: proxies and certificates that the requests will be sent with, for only
            those find these connections; None: as the session takes them from the environment.
    """
    settings = surroundings or session.merge_environment_settings(url, {}, None, None, None)
    if not is_loopback(url) and requests.utils.select_proxy(url, settings["proxies"]):
        return
    adapter = session.get_adapter(url)
    request = session.prepare_request(requests.Request("GET", url))
    pool = cast("requests.adapters.HTTPAdapter", adapter).get_connection_with_tls_context(
        request, settings["verify"], {}, settings["cert"]
    )
    if isinstance(pool, _Ahead):
        pool.open_ahead(count)


def _socket_options() -> list[tuple[int, int, int | bytes]]:
    """Return urllib3's options, and one by which what was sent is not merely buffered."""
    lowat = [(socket.IPPROTO_TCP, _LOWAT, _UNSENT)] if _LOWAT is not None else []
    return [*urllib3.connection.HTTPConnection.default_socket_options, *lowat]


def reason(error: Exception) -> str:
    """Return why a request failed, in words of our own: the error's own may leak."""
    if found := _certificate_error(error):
        return f"the TLS certificate is not trusted: {found.verify_message}"
    if _is_no_address(error):
        return "this is no address that can be asked"
    for kinds, told in _REASONS:
        if isinstance(error, kinds):
            return told
    if isinstance(error, requests.exceptions.ProxyError):
        said = (
            f"the proxy answers {status} and" if (status := _proxy_status(error)) else "the proxy"
        )
        return f"{said} gave no connection (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)"
    if not was_sent(error):
        return _unconnected(error)
    return _broken(error)


def _is_no_address(error: Exception) -> bool:
    """Return whether what was to be asked is no address; requests says the same of a proxy's."""
    of_proxy = isinstance(error, requests.exceptions.InvalidProxyURL) or isinstance(
        next(iter(error.args), None), urllib3.exceptions.LocationValueError
    )
    return isinstance(error, requests.exceptions.InvalidURL) and not of_proxy


def _unconnected(error: Exception) -> str:
    why = getattr(_cause(error), "__cause__", None)
    said = why.strerror if isinstance(why, OSError) else None
    if isinstance(why, socket.gaierror):
        asked = getattr(getattr(error, "request", None), "url", None) or ""
        return f"no connection: the name {urlsplit(asked).hostname} does not resolve ({said})"
    return f"no connection: {said[0].lower()}{said[1:]}" if said else "no connection"


def _broken(error: Exception) -> str:
    """Return what was wrong with an answer that began, or never came."""
    cause = _cause(error)
    within = {type(each) for each in (error, cause, *getattr(cause, "args", ()))}
    return next(
        (told for kind, told in _BREAKS if kind in within),
        "the connection broke before the reply was complete",
    )


def remedy(error: Exception) -> str:
    """Return what to do about a request that failed; empty: that depends on the service."""
    if _proxy_status(error) == str(_PROXY_LOGIN.value):
        return "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, then again"
    if isinstance(error, _UNUSABLE):
        return "" if _is_no_address(error) else texts.WRITE_PROXY
    if isinstance(error, requests.exceptions.ProxyError):
        return "correct HTTPS_PROXY, or name the address in NO_PROXY, then run it again"
    untrusted = isinstance(error, NoCertificates) or _certificate_error(error)
    return trust.remedy() if untrusted else ""


_PROXY_LOGIN: Final = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")


def _proxy_status(error: Exception) -> str:
    """Return the status by which a proxy refused to connect; empty: it is no such error."""
    if not isinstance(error, requests.exceptions.ProxyError):
        return ""
    found = _TUNNEL.search(str(getattr(_cause(error), "original_error", "")))
    return found[1] if found else ""


_UNUSABLE: Final = (
    requests.exceptions.InvalidSchema,  # requests' word for a SOCKS proxy without its package
    requests.exceptions.InvalidURL,
    urllib3.exceptions.LocationParseError,
    urllib3.exceptions.URLSchemeUnknown,
)
_REASONS: Final[tuple[tuple[Any, str], ...]] = (
    (NoCertificates, "the certificates that this machine's environment names are not there"),
    (_UNUSABLE, texts.NO_PROXY_THERE),
    (TooLarge, "the answer is larger than any that belongs here"),
    (TooSlow, "no complete answer in time"),
    (requests.exceptions.SSLError, "the TLS handshake failed"),
    (requests.exceptions.ConnectTimeout, "no connection in time"),
    ((requests.Timeout, urllib3.exceptions.TimeoutError), "no answer in time"),
)
_BREAKS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (urllib3.exceptions.ReadTimeoutError, "no complete answer in time"),
    (urllib3.exceptions.DecodeError, "the answer cannot be unpacked"),
    (http.client.BadStatusLine, "what answers there does not speak HTTP"),
    (http.client.LineTooLong, "the head of the answer has no end"),
    (http.client.HTTPException, "the head of the answer has no end"),
)
"""By the very type: a connection that was closed is a kind of BadStatusLine, too."""


_NEVER_SENT: Final = (
    NoCertificates,
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
)


def was_sent(error: Exception) -> bool:
    """Return whether the service may have got the request; only a sure no is False."""
    if isinstance(error, _NEVER_SENT + _UNUSABLE):
        return False
    if isinstance(_cause(error), urllib3.exceptions.NewConnectionError):
        return False
    return _certificate_error(error) is None


def broke(error: Exception) -> bool:
    """Return whether the connection itself broke, so that another one may do better."""
    slow = (requests.Timeout, urllib3.exceptions.TimeoutError, TooSlow, TooLarge)
    cause = _cause(error)
    if isinstance(error, slow) or isinstance(cause, slow) or not was_sent(error):
        return False
    kinds = (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError, OSError)
    return isinstance(error, kinds) and isinstance(cause, kinds)


def _cause(error: Exception) -> object:
    wrapped = error.args[0] if error.args else None
    return getattr(wrapped, "reason", wrapped)


def _certificate_error(error: Exception) -> ssl.SSLCertVerificationError | None:
    cause = _cause(error)
    found = cause.args[0] if isinstance(cause, urllib3.exceptions.SSLError) else None
    return found if isinstance(found, ssl.SSLCertVerificationError) else None


def read(response: requests.Response, largest: int, late: Callable[[], bool]) -> bytes:
    """Return the whole body of a response that was asked for as a stream.

    Args:
        response: its headers have come.
        largest: the most bytes it may hold, unpacked.
        late: tells after each part that there is no more time.

    Raises:
        TooLarge: it holds more.
        TooSlow: it was late before its end.
        urllib3.exceptions.HTTPError: it is broken or cut short.
    """
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(_READ, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > largest:
            raise TooLarge
        if late():
            raise TooSlow
    return b"".join(parts)
