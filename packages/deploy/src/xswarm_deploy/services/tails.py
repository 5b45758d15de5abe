"""A Worker's invocations as they happen: Cloudflare's tail, which names the version of each.

A proof asks the tail for the requests that carry :data:`HEADER`; its value is a tag of ours that
nobody can guess, so that no other caller's request is taken for a probe. The events are those of
wrangler's ``trace-v1`` tail: ``scriptVersion.id``, and the request with its headers.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from xswarm_deploy import texts, trust
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import ServiceError, ServiceUnavailable
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from xswarm_deploy.services.http import Http

HEADER: Final = "X-Deployment-Run"
"""Marks our requests. Tails redact headers whose names sound like credentials; this one's not."""
_OURS: Final = frozenset({HEADER.lower(), "x-deployment-probe"})
"""Headers of requests that are no user's."""
_PROTOCOL: Final = "trace-v1"
_AGENT: Final = "xswarm-deploy"
_LIMIT: Final = 10.0  # seconds to connect
_LARGEST: Final = 1 << 20  # bytes of one event


_NO_EVENT: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading a message raises that is no event."""


class _Begun(Wire):
    id: str
    url: str


class Dropped(Exception):
    """A tail's connection ended, though nobody here closed it."""


class Listener:
    """One open connection to a tail: its events as they come.

    Args:
        connection: the WebSocket.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            message = self.next(None)
            if message is not None:
                yield message

    def next(self, seconds: float | None) -> str | bytes | None:
        """Return the next event; None where none came in time.

        Args:
            seconds: how long to wait; None: until one comes.

        Raises:
            Dropped: the connection ended.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            return self._connection.recv(timeout=seconds)
        except TimeoutError:
            return None
        except ConnectionClosed as end:
            raise Dropped(f"code {end.rcvd.code}" if end.rcvd else "no farewell") from None

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Tail:
    """What was heard of our requests so far: how many each version answered, by tag."""

    def __init__(self) -> None:
        self._heard: dict[str, Counter[str]] = {}
        self._news = threading.Condition()

    def versions(self, tag: str) -> Counter[str]:
        """Return how many requests with a tag each version answered."""
        with self._news:
            return Counter(self._heard.get(tag, Counter()))

    def more(self, tag: str, known: int, seconds: float) -> Counter[str]:
        """Wait for news of a tag, and return what is known then.

        Args:
            tag: of the requests.
            known: how many events are known already.
            seconds: how long to wait at most.
        """
        deadline = time.monotonic() + seconds
        with self._news:
            while self._heard.get(tag, Counter()).total() <= known:
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    break
            return Counter(self._heard.get(tag, Counter()))

    def read(self, messages: Iterable[str | bytes]) -> None:
        """Take in events until the connection ends."""
        for message in messages:
            told = told_by(message)
            if told is None:
                continue
            tag, version = told
            with self._news:
                self._heard.setdefault(tag, Counter())[version] += 1
                self._news.notify_all()


@dataclass
class Heard:
    """What was heard of one version.

    Args:
        answers: how many it gave.
        errors: of these, exceptions, exceeded limits and 5xx.
        seconds: how long the good ones took, as far as the events tell.
    """

    answers: int = 0
    errors: int = 0
    seconds: list[float] = field(default_factory=list)


class Overheard:
    """What users met of each version, while it was listened; our own requests left out."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}
        self._lock = threading.Lock()

    def version(self, version: str) -> Heard:
        """Return what was heard of a version so far."""
        with self._lock:
            found = self._heard.get(version, Heard())
            return Heard(found.answers, found.errors, list(found.seconds))

    def read(self, messages: Iterable[str | bytes]) -> None:
        """Take in events until the connection ends."""
        for message in messages:
            met = met_by(message)
            if met is None:
                continue
            version, failed, seconds = met
            with self._lock:
                heard = self._heard.setdefault(version, Heard())
                heard.answers += 1
                heard.errors += failed
                if seconds is not None and not failed:
                    heard.seconds.append(seconds)


def met_by(message: str | bytes) -> tuple[str, bool, float | None] | None:
    """Return of a user's request the version, whether it failed, and its seconds; None: none.

    Args:
        message: the event, as JSON.
    """
    try:
        event: Any = json.loads(message)
        asked = event["event"]["request"]["headers"]
        version, outcome = event["scriptVersion"]["id"], event["outcome"]
        status = int((event["event"].get("response") or {}).get("status") or 0)
        ours = any(name.lower() in _OURS for name in asked)
        took = event.get("wallTime")
        seconds = float(took) / 1000 if took is not None else None
    except _NO_EVENT:
        return None
    if ours or not version or outcome == "canceled":  # the caller went away
        return None
    return str(version), outcome != "ok" or status >= 500, seconds


def told_by(message: str | bytes) -> tuple[str, str] | None:
    """Return the tag and the version of an event; None where it names none.

    Args:
        message: the event, as JSON.
    """
    try:
        event: Any = json.loads(message)
        headers: Mapping[str, str] = event["event"]["request"]["headers"]
        version = event["scriptVersion"]["id"]
        tags = [text for name, text in headers.items() if name.lower() == HEADER.lower()]
    except _NO_EVENT:
        return None
    return (str(tags[0]), str(version)) if tags and version else None


@contextmanager
def listening(http: Http, path: str, filters: Sequence[Mapping[str, object]]) -> Iterator[Listener]:
    """Begin a tail and read it; it is deleted at the end.

    Args:
        http: the way to Cloudflare's API, with the token.
        path: of the Worker's tails there.
        filters: as of wrangler's src/tail/filters.ts; an event passes all of them.

    Raises:
        ServiceError: the token may not, or Cloudflare does not answer.
    """
    begun = unwrap(http.post(path, json={"filters": list(filters)}, safe=True), _Begun)
    try:
        with _connected(http.service, begun.url) as connection:
            yield Listener(connection)
    finally:
        with suppress(ServiceError):  # it expires by itself
            http.delete(f"{path}/{quote(begun.id, safe='')}")


@contextmanager
def tail(http: Http, path: str) -> Iterator[Tail]:
    """Listen to those requests of a Worker that are ours, for a while.

    Args:
        http: the way to Cloudflare's API, with the token.
        path: of the Worker's tails there.

    Raises:
        ServiceError: the token may not, or Cloudflare does not answer.
    """
    heard = Tail()
    with _heard(http, path, [{"header": {"key": HEADER}}], heard):
        yield heard


@contextmanager
def overheard(http: Http, path: str) -> Iterator[Overheard]:
    """Listen to all requests of a Worker for a while; of very many Cloudflare sends a sample.

    It takes and raises what :func:`tail` does.
    """
    heard = Overheard()
    with _heard(http, path, [], heard):
        yield heard


@contextmanager
def _heard(
    http: Http, path: str, filters: Sequence[Mapping[str, object]], heard: Tail | Overheard
) -> Iterator[None]:
    """Let a thread read a tail as long as the block runs."""
    with listening(http, path, filters) as listener:
        thread = threading.Thread(target=_listen, args=(heard, listener), name="tail", daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.close()
            thread.join(_LIMIT)


def _listen(heard: Tail | Overheard, listener: Listener) -> None:
    with suppress(Dropped):  # what was heard counts; what is missing proves nothing
        heard.read(listener)


@contextmanager
def _connected(service: str, url: str) -> Iterator[ClientConnection]:
    from websockets.exceptions import InvalidProxy, WebSocketException
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    if urlsplit(url).scheme != "wss" and not is_loopback(url):
        raise ServiceUnavailable(service, "tail", message="the tail's address is not encrypted")
    with ExitStack() as stack:
        try:
            connection = connect(
                url,
                subprotocols=[Subprotocol(_PROTOCOL)],
                user_agent_header=_AGENT,
                open_timeout=_LIMIT,
                close_timeout=1.0,
                max_size=_LARGEST,
                proxy=None if is_loopback(url) else True,
                ssl=trust.context() if urlsplit(url).scheme == "wss" else None,
            )
            socket = stack.enter_context(connection)
            socket.send(json.dumps({"debug": False}))
        except (ImportError, InvalidProxy):  # for a SOCKS proxy websockets has a package of its own
            raise ServiceUnavailable(
                service, "tail", message=texts.NO_PROXY_THERE, remedy=texts.WRITE_PROXY
            ) from None
        except (OSError, TimeoutError, WebSocketException) as error:
            what = type(error).__name__  # its text may hold the address, which is the permission
            remedy = trust.remedy() if isinstance(error, ssl.SSLCertVerificationError) else ""
            raise ServiceUnavailable(
                service, "tail", message=f"no connection: {what}", remedy=remedy
            ) from None
        yield socket
