"""Ask the deployed service as anybody would: one request, its answer, one retry policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from xswarm_deploy import transport
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import NO_ANSWER, Limited
from xswarm_deploy.requesting import requests, urllib3
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import access, pace, probe_header
from xswarm_deploy.site import Site
from xswarm_deploy.verification.target import Target
from xswarm_monitoring.probe_header import EXEMPT, LIMITED, VERSION, ProbedRequest

TRANSIENT: Final = frozenset({0, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530})
"""Statuses after which asking again may help; 0: there was no answer."""
PAUSE: Final = 0.2  # seconds before a transient error is asked again
LONGEST_PAUSE: Final = 5.0  # seconds; an outage's longer Retry-After is not waited for
LIMIT_PATIENCE: Final = 130.0  # seconds for the Worker's own rate limit: two windows of a minute
LARGEST_ANSWER: Final = 64 * 1024 * 1024  # bytes
FORM: Final = "application/x-www-form-urlencoded"


class Ask(NamedTuple):
    """One request.

    Args:
        path: on the Worker, or on the static site.
        method: the HTTP method.
        body: what is sent, JSON or a form's text.
        headers: beside those of the target.
        site: whether the static site is asked.
        limited: whether the Worker's rate limit is to count it, although it is a probe.
    """

    path: str
    method: str = "GET"
    body: str = ""
    headers: Mapping[str, str | Secret] = MappingProxyType({})
    site: bool = False
    limited: bool = False


@dataclass(frozen=True)
class Answer:
    """What was answered; status 0: nothing, and ``text`` says why.

    Args:
        status: the HTTP status.
        text: the body.
        milliseconds: from sending to the body's end.
        headers: by name, in any case.
        cookies: each ``Set-Cookie`` as it came.
    """

    status: int
    text: str
    milliseconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()

    @cached_property
    def content(self) -> Any:
        """Return the body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return the body's JSON object; empty where it is none."""
        return self.content if isinstance(self.content, dict) else {}

    @cached_property
    def wall(self) -> str:
        """Return what of Cloudflare's own answered in the Worker's place; empty: nothing."""
        return access.wall(self.status, self.headers)

    @property
    def version(self) -> str:
        """Return the version that it names, in a header or in its JSON; empty: it names none."""
        return self.headers.get(VERSION) or str(self.fields.get("version", ""))

    @property
    def excerpt(self) -> str:
        """Return the body's beginning, on one line, as evidence."""
        return " ".join(self.text.split())[:120]


@dataclass(frozen=True)
class Asker:
    """Ask one target.

    Args:
        site: the environment.
        target: where to ask.
        session: keeps the connections; shared by threads.
        times: milliseconds that each answer so far took, whichever target's.
        named: the versions that the answers so far name; None: nobody wants to know.
    """

    site: Site
    target: Target
    session: requests.Session
    times: list[float] = field(default_factory=list, repr=False)
    named: set[str] | None = None

    def at(self, target: Target) -> Asker:
        """Return one who asks another target over the same connections."""
        return Asker(self.site, target, self.session, self.times, self.named)

    def once(self, ask: Ask) -> Answer:
        """Ask once; no answer is an answer, too."""
        began = time.monotonic()
        try:
            with transport.exchange(self._seconds), self._send(ask) as reply:
                body = transport.read(reply, LARGEST_ANSWER, lambda: False)
        except transport.TooLarge:
            return Answer(0, f"it is larger than {LARGEST_ANSWER >> 20} MiB", _since(began))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return Answer(0, type(error).__name__, _since(began))
        cookies = tuple(reply.raw.headers.getlist("Set-Cookie"))
        text, took = _text(reply.headers, body), _since(began)
        self.times.append(took)
        answer = Answer(reply.status_code, text, took, reply.headers, cookies)
        if self.named is not None:
            self.named.add(answer.version)
        return answer

    def judged(
        self, ask: Ask, wrong: Callable[[Answer], str], retry: int = 1
    ) -> tuple[Answer, str]:
        """Ask, and ask again after a transient error; return the answer and what is wrong with it.

        Args:
            ask: the request.
            wrong: says what is wrong with an answer; empty: nothing.
            retry: how often a transient error is asked again.

        Raises:
            Limited: the Worker's rate limit sends this client away, for longer than is waited; or
                something of Cloudflare's own answers in its place.
        """
        for attempt in range(retry + 1):
            answer = self._in_pace(ask, wrong)
            said = wrong(answer)
            if not said or answer.status not in TRANSIENT or attempt == retry:
                break
            time.sleep(_pause(answer))
        return answer, said

    def _in_pace(self, ask: Ask, wrong: Callable[[Answer], str]) -> Answer:
        """Ask, and wait as the Worker's rate limit asks to, where 429 is not what is wanted."""
        patient_until = time.monotonic() + LIMIT_PATIENCE
        while True:
            answer = self.once(ask)
            if answer.wall and wrong(answer):
                raise Limited(f"{answer.wall} answers {ask.path}", access.REMEDY)
            if answer.status != pace.TOO_MANY or not wrong(answer):
                return answer
            seconds = pace.pause(answer.status, answer.headers, time.time())
            if time.monotonic() + seconds > patient_until:
                raise Limited(
                    f"429: the Worker limits its callers, and asks to wait {seconds:.0f} s"
                )
            time.sleep(seconds)

    @property
    def _seconds(self) -> float:
        return self.site.settings.project.verify.timeout_seconds

    def _send(self, ask: Ask) -> requests.Response:
        base = self.target.site_url if ask.site else self.target.url
        if not (is_loopback(base) or base.startswith("https://")):
            raise requests.exceptions.InvalidURL("http is asked on this machine alone")
        return self.session.request(
            ask.method,
            base.rstrip("/") + ask.path,
            data=ask.body.encode() or None,
            headers=self._headers(ask, base.rstrip("/") + ask.path),
            timeout=self._seconds,
            stream=True,
            allow_redirects=False,
            proxies={"http": "", "https": ""} if is_loopback(base) else {},
            auth=_as_it_is,
        )

    def _headers(self, ask: Ask, url: str) -> dict[str, str]:
        headers = {} if ask.site else {**self.target.sent, **self._mark(ask, url)}
        headers |= access.headers(self.site.settings)
        if ask.body:
            is_json = ask.body.lstrip().startswith(("{", "["))
            headers["Content-Type"] = "application/json" if is_json else FORM
        given = {k: v.reveal() if isinstance(v, Secret) else v for k, v in ask.headers.items()}
        return headers | given

    def _mark(self, ask: Ask, url: str) -> dict[str, str]:
        """Return what tells the Worker that this is no customer's request."""
        return probe_header.headers(
            self.site.settings,
            ProbedRequest.of(ask.method, url, self.target.headers.get("Host", "")),
            time.time(),
            staged=self.site.staged.get(probe_header.TOKEN),
            kind=LIMITED if ask.limited else EXEMPT,
            version=self.target.version if self.target.unseen else "",
        )


def unlike(expected: tuple[int, ...]) -> Callable[[Answer], str]:
    """Return a judge that wants one of these statuses."""
    return lambda answer: wrong_status(answer, expected)


def wrong_status(answer: Answer, expected: tuple[int, ...]) -> str:
    """Return what is wrong with an answer's status; empty: nothing."""
    if answer.status == 0:
        return f"{NO_ANSWER} ({answer.text})"
    few = len(expected) < 10
    if answer.wall == access.CHALLENGE or (answer.wall and not few):
        return f"{answer.wall} answers in the Worker's place"
    if answer.status in expected:
        return ""
    wanted = " or ".join(map(str, expected)) if few else f"{expected[0]} to {expected[-1]}"
    return f"{answer.status} instead of {wanted}: {answer.excerpt}".rstrip(": ")


def _text(headers: requests.structures.CaseInsensitiveDict[str], body: bytes) -> str:
    """Decode a body as its charset says; where it names none it is UTF-8: guessing errs."""
    named = "charset=" in headers.get("Content-Type", "").lower()
    charset = (requests.utils.get_encoding_from_headers(headers) if named else None) or "utf-8-sig"
    try:
        return body.decode(charset, "replace")
    except LookupError:  # no charset that anybody knows
        return body.decode("utf-8-sig", "replace")


def _pause(answer: Answer) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else PAUSE


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in as the authentication: else a ~/.netrc entry would replace our header."""
    return request
