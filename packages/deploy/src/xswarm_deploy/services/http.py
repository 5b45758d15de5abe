"""The one way out: one session, one retry policy, one clock, nothing secret in any text.

Every client of this room calls its service through :class:`Http`. Exceptions of
`requests` carry URLs and header values, so none leaves this module, not even as the
context of another one.
"""

from __future__ import annotations

import base64
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from xswarm_deploy import fence, transport
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_address, is_loopback
from xswarm_deploy.requesting import requests, urllib3
from xswarm_deploy.secret import Secret, redact
from xswarm_deploy.services import calls, doubt, patience, quota
from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock
from xswarm_deploy.services.errors import (
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    error_kind,
    of_another,
    read_error,
)
from xswarm_deploy.services.patience import LONGEST_WAIT
from xswarm_deploy.services.reply import READING, Reply, json_or_none

Headers = Mapping[str, "str | Secret | None"]
Files = Sequence[tuple[str, tuple[str | None, bytes | str, str | None]]]
Judge = Callable[[str, int, Sequence[str], str], "tuple[type[ServiceError], str]"]
"""Returns the kind of a refusal by call, status, codes and message, and what to do about it."""

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
TRANSIENT = frozenset({429, 500, 502, 503, 504, *range(520, 528), 529, 530})
"""520 to 527 and 530: Cloudflare's edge has no answer of what is behind it."""
TOO_MANY = 429
LARGEST_REPLY = 256 * 1024 * 1024  # bytes
CONNECTIONS = 16

_JITTER = random.SystemRandom().random  # no seed makes two deployers wait alike


class _Lost(NamedTuple):
    """An attempt without a usable reply; ``sent`` says whether the service may have got it."""

    reason: str
    sent: bool
    remedy: str = ""


@dataclass
class _Call:
    """One call with all its attempts; ``deadline`` is put off by what is not the service's time."""

    request: requests.PreparedRequest
    name: str
    safe: bool
    deadline: float
    read_timeout: float
    sent: transport.Sent | None = None
    doubts: list[bool] = field(default_factory=list)
    limited: float = 0.0  # seconds waited for limits of the rate

    @property
    def changing(self) -> bool:
        return self.request.method not in READING


class Http:
    """Call one service.

    Args:
        service: its name, as people write it; stands in errors.
        base_url: https, or http on loopback only; no user, query or fragment.
        headers: sent with every call; ``Secret`` values are revealed on sending only.
        timeout: seconds to connect, seconds between two reads.
        retries: tries after the first one, of calls that are safe to repeat.
        budget: seconds a call may take with all its tries and waits; sending is not counted.
        clock: time and sleep.
        session: a `requests` session to share; a new one otherwise.
        fenced: whether calls that change something need the lock of the release under way.
        judge: what a refusal means; by default its status says so.
        refuses: whether a reply is a refusal although its status says success; by default none.

    Raises:
        Refused: the base URL or a header cannot be used.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        headers: Headers | None = None,
        *,
        timeout: tuple[float, float] = (5.0, 30.0),
        retries: int = 3,
        budget: float = 60.0,
        clock: Clock = SYSTEM_CLOCK,
        session: requests.Session | None = None,
        jitter: Callable[[], float] = _JITTER,
        fenced: bool = True,
        judge: Judge | None = None,
        refuses: Callable[[Reply], bool] = lambda _: False,
    ) -> None:
        self.service = service
        self.base_url = _checked_base_url(service, base_url)
        self.clock = clock
        self._headers = dict(headers or {})
        self._timeout, self._retries, self._budget = timeout, retries, budget
        self._session = session or new_session()
        self._jitter = jitter
        self._fenced = fenced
        self._judge = judge or _by_status
        self._refuses = refuses
        self._quota: tuple[quota.Quota, float] | None = None  # and the clock when it was read

    def open_ahead(self, count: int) -> None:
        """Begin to open connections, where several calls are about to be made at once."""
        transport.open_ahead(self._session, self.base_url, count, self._surroundings())

    def get(self, path: str, **options: Any) -> Reply:
        """Read; see :meth:`call`."""
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Reply:
        """Create or do; see :meth:`call`."""
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> Reply:
        """Replace; see :meth:`call`."""
        return self.call("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Reply:
        """Change in part; see :meth:`call`."""
        return self.call("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        """Remove; see :meth:`call`."""
        return self.call("DELETE", path, **options)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Headers | None = None,
        json: Any = None,
        form: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        files: Files | None = None,
        body: bytes | None = None,
        safe: bool | None = None,
        idempotency_key: str = "",
        budget: float | None = None,
        read_timeout: float | None = None,
        expect: Sequence[int] = (),
        sent: transport.Sent | None = None,
    ) -> Reply:
        """Send one request and return the reply, wholly read.

        Args:
            method: the HTTP method.
            path: what follows the base URL, already quoted; "" for the base URL itself.
            query: parameters of the URL; they stand in no error.
            headers: beside or in place of the client's own; None removes one.
            json: the content as JSON.
            form: the content as a URL-encoded form.
            files: the content as a multipart form.
            body: the content as it is; its type goes into ``headers``.
            safe: repeating it is harmless; default: GET, HEAD, PUT, DELETE, or a key is given.
            idempotency_key: sent as ``Idempotency-Key``.
            budget: seconds, in place of the client's.
            read_timeout: seconds between two reads, in place of the client's.
            expect: statuses from 300 on to return instead of raising.
            sent: told how many bytes have left, again from the start in each try.

        Raises:
            ServiceError: one of its kinds; ``in_doubt`` where the call may have been applied.
        """
        own = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        request = requests.Request(
            method,
            self.base_url + path,
            headers=self._sent_headers({**(headers or {}), **own}),
            params=query,
            json=json,
            data=body if body is not None else form,
            files=files,
            auth=_no_netrc,
        )
        call = _Call(
            request=self._session.prepare_request(request),
            name=f"{method} {urlsplit(self.base_url + path).path or '/'}",
            safe=safe if safe is not None else method in REPEATABLE or bool(idempotency_key),
            deadline=self.clock.monotonic() + (budget or self._budget),
            read_timeout=read_timeout or self._timeout[1],
            sent=sent,
        )
        return self._judged(call, self._tried(call), expect)

    def _tried(self, call: _Call) -> Reply | _Lost:
        """Try until there is an answer worth giving, or trying again is not allowed."""
        attempt = 0
        while True:
            self._respect_quota(call)
            outcome = self._attempt(call)
            call.doubts.append(_doubtful(call, outcome))
            pause = self._pause(call, outcome, attempt)
            if pause is None:
                return outcome
            self._wait(call, pause, limited=_is_limit(outcome))
            attempt += 1

    def _respect_quota(self, call: _Call) -> None:
        """Wait where the service said that it takes no more calls now: one more blocks them all.

        Raises:
            RateLimited: it would be too long.
        """
        found, read_at = self._quota or (None, 0.0)
        left = found.seconds - (self.clock.monotonic() - read_at) if found else 0.0
        patient = patience.current()
        kept = found.reserve if found and patient and patient.reserve else 0
        if not found or left <= 0 or found.remaining > kept:
            return
        if left > (patient.seconds if patient else LONGEST_WAIT) - call.limited:
            said = f"{found.remaining} calls remain for {left:.0f} s"
            raise RateLimited(
                self.service,
                call.name,
                message=said,
                in_doubt=any(call.doubts),
                retry_after=left,
            )
        self._wait(call, left, limited=True)

    def _pause(self, call: _Call, outcome: Reply | _Lost, attempt: int) -> float | None:
        """Return the seconds to wait before the next try; None: there is none."""
        if not _repeatable(call, outcome):
            return None
        pause = min(LONGEST_WAIT, 0.25 * 2 ** min(attempt, 10)) * (0.5 + self._jitter() / 2)
        if isinstance(outcome, Reply):
            pause = max(pause, retry_after(outcome.headers, self.clock) or 0.0)
        patient = patience.current()
        if patient and _is_limit(outcome):
            return pause if call.limited + pause <= patient.seconds else None
        left = call.deadline - self.clock.monotonic()
        allowed = attempt < self._retries and pause <= LONGEST_WAIT and pause < left
        return pause if allowed else None

    def _wait(self, call: _Call, seconds: float, *, limited: bool) -> None:
        """Wait; a limit of the rate takes nothing from the call's own time."""
        patient = patience.current()
        if not limited:
            self.clock.sleep(seconds)
            return
        call.limited += seconds
        call.deadline += seconds
        if patient:
            what = f"{self.service} limits the rate of calls"
            patience.wait(what, seconds, self.clock, patient.told)
        else:
            self.clock.sleep(seconds)

    def _attempt(self, call: _Call) -> Reply | _Lost:
        calls.count(self.service)
        left = max(call.deadline - self.clock.monotonic(), 0.001)
        try:
            with transport.exchange(left, call.sent, self._guard(call)) as exchange:
                outcome = self._exchanged(call, left, exchange)
        except transport.TooLarge:
            return _Lost("the reply is too large", sent=True)
        except transport.TooSlow:
            return _Lost("no complete answer in time", sent=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return _Lost(
                transport.reason(error), transport.was_sent(error), transport.remedy(error)
            )
        return outcome

    def _guard(self, call: _Call) -> transport.Guard | None:
        return fence.require_held if self._fenced and call.changing else None

    def _exchanged(self, call: _Call, left: float, exchange: transport.Exchange) -> Reply | _Lost:
        try:
            response = self._send(call, left)
        finally:
            call.deadline += exchange.sending
        with response:
            body = transport.read(response, LARGEST_REPLY, lambda: self._late(call))
        if response.ok and _is_broken_json(response.headers, body):
            return _Lost("the reply is cut short", sent=True)
        found = quota.read(response.headers)
        if found:
            self._quota = (found, self.clock.monotonic())
        return Reply(self.service, call.name, response.status_code, response.headers, body)

    def _late(self, call: _Call) -> bool:
        return self.clock.monotonic() > call.deadline

    def _send(self, call: _Call, left: float) -> requests.Response:
        options = self._surroundings()
        # Redirects are answers: following one would carry tokens to another place.
        return self._session.send(
            call.request,
            timeout=(min(self._timeout[0], left), min(call.read_timeout, left)),
            allow_redirects=False,
            **options,
        )

    def _surroundings(self) -> dict[str, Any]:
        """Return proxies and certificates as the environment says; this machine needs none."""
        if is_loopback(self.base_url):
            return {"proxies": {}, "stream": True, "verify": True, "cert": None}
        settings = self._session.merge_environment_settings
        return dict(settings(self.base_url, {}, True, None, None))

    def _judged(self, call: _Call, outcome: Reply | _Lost, expect: Sequence[int]) -> Reply:
        in_doubt = any(call.doubts)
        if in_doubt:
            doubt.note(self.clock)
        if isinstance(outcome, _Lost):
            raise ServiceUnavailable(
                self.service,
                call.name,
                message=outcome.reason,
                in_doubt=in_doubt,
                remedy=outcome.remedy,
            )
        taken = outcome.status < 300 and not self._refuses(outcome)
        if taken or outcome.status in expect:
            return outcome
        raise self._error(call, outcome, in_doubt)

    def _error(self, call: _Call, reply: Reply, in_doubt: bool) -> ServiceError:
        codes, message = read_error(json_or_none(reply.body), reply.text)
        kind, remedy = of_another(reply.status, reply.text) or self._judge(
            call.name, reply.status, codes, message
        )
        return kind(
            self.service,
            call.name,
            status=reply.status,
            codes=codes,
            message=message,
            in_doubt=in_doubt,
            retry_after=retry_after(reply.headers, self.clock),
            remedy=remedy,
        )

    def _sent_headers(self, more: Headers) -> dict[str, str]:
        merged = {**self._headers, **more}
        return {name: _header(name, value) for name, value in merged.items() if value is not None}


def new_session(connections: int = CONNECTIONS) -> requests.Session:
    """Return a session that keeps connections, and neither cookies nor hidden retries.

    Args:
        connections: how many are kept of each host.
    """
    session = requests.Session()
    session.headers["User-Agent"] = transport.USER_AGENT
    adapter = transport.Adapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(_NO_COOKIES)
    return session


def bearer(token: Secret) -> Secret:
    """Return the value of an ``Authorization`` header for a token."""
    return Secret(f"Bearer {token.reveal()}", token.name)


def basic(user: str, password: Secret) -> Secret:
    """Return the value of an ``Authorization`` header for a name and a password (RFC 7617)."""
    pair = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
    return Secret(f"Basic {pair}", password.name)


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Read ``Retry-After`` (seconds or a date, RFC 9110 §10.2.3) as seconds from now."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - clock.now())
    except (ValueError, OverflowError):
        return None


def _by_status(
    _call: str, status: int, _codes: Sequence[str], _message: str
) -> tuple[type[ServiceError], str]:
    return error_kind(status), ""


class _RedactedLog(logging.Filter):
    """Keep secrets out of urllib3's log of paths, should anyone turn it on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; let every one pass."""
        record.msg, record.args = redact(record.getMessage()), ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_RedactedLog())

_NO_COOKIES = requests.cookies.cookielib.DefaultCookiePolicy(  # type: ignore[attr-defined]
    allowed_domains=[]
)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in as the authentication: else a ~/.netrc entry would replace our header."""
    return request


def _checked_base_url(service: str, base_url: str) -> str:
    what = f"The address of {service} cannot be used"
    remedy = f"give an https URL as the {service} address (http only on this machine)"
    if not is_address(base_url):
        raise Refused(what, "it has no host and port that can be asked, or a user", remedy)
    url = urlsplit(base_url)
    if url.query or url.fragment:
        raise Refused(what, "query or #", remedy)
    if not (url.scheme == "https" or (url.scheme == "http" and is_loopback(base_url))):
        raise Refused(what, f"scheme {url.scheme!r}", remedy)
    return base_url.rstrip("/")


def _header(name: str, value: str | Secret | None) -> str:
    """Return a header's value; one that cannot be sent is refused by name, never shown."""
    text = value.reveal() if isinstance(value, Secret) else str(value)
    if not (text.isascii() and text.isprintable()):
        source = value.name if isinstance(value, Secret) else name
        raise Refused(
            f"{source} holds characters that cannot be sent",
            "a line break, a control character or a letter beyond ASCII",
            f"copy {source} again, without spaces and line breaks",
        )
    return text.strip()


def _repeatable(call: _Call, outcome: Reply | _Lost) -> bool:
    if isinstance(outcome, _Lost):
        return call.safe or not outcome.sent
    if _is_limit(outcome):
        return True  # refused before it was processed
    return call.safe and outcome.status in TRANSIENT


def _doubtful(call: _Call, outcome: Reply | _Lost) -> bool:
    if isinstance(outcome, _Lost):
        return call.changing and outcome.sent
    return call.changing and outcome.status >= 500


def _is_limit(outcome: Reply | _Lost) -> bool:
    return isinstance(outcome, Reply) and outcome.status == TOO_MANY


def _is_broken_json(headers: Mapping[str, str], body: bytes) -> bool:
    said = headers.get("Content-Type", "").partition(";")[0].strip()
    whole = body.strip() in (b"", b"null") or json_or_none(body) is not None
    return said == "application/json" and not whole
