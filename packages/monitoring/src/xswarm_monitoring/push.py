"""Where measures are pushed: the key ``monitor.push`` of invoke.yaml, a target a block."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from xswarm_monitoring.http_request import Send
from xswarm_monitoring.lengths import seconds
from xswarm_monitoring.otlp import JSON, LOGS, METRICS, PROTOBUF, TRACES

OTLP, REMOTE_WRITE, REMOTE_WRITE_2, DATADOG = "otlp", "remote_write", "remote_write_2", "datadog"
KINDS = (OTLP, REMOTE_WRITE, REMOTE_WRITE_2, DATADOG)
SIGNALS = (METRICS, LOGS, TRACES)
DELTA, CUMULATIVE = "delta", "cumulative"
TEMPORALITIES = (DELTA, CUMULATIVE)
ENCODINGS = (JSON, PROTOBUF)

_HERE = ("localhost", "127.0.0.1", "::1")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TEXTS = ("secret", "header", "user")
_SHORTEST = 10.0  # seconds


@dataclass(frozen=True)
class Target:
    """Describe who receives what is measured.

    Args:
        kind: ``otlp`` (New Relic, Grafana Cloud, Honeycomb, any collector), ``remote_write`` or
            ``remote_write_2`` (Prometheus, Mimir, VictoriaMetrics), or ``datadog``.
        endpoint: where to; for ``otlp`` what stands before ``/v1/metrics``, for Datadog the
            address of its API, else all of it.
        secret: the name of the Worker's secret with the key; empty: it asks for none.
        header: the header that carries the key; empty: ``Authorization: Bearer``.
        user: whose password the key is, for ``Authorization: Basic``.
        headers: further headers, none of them a secret.
        signals: what an ``otlp`` target gets: metrics, logs, traces.
        temporality: of an ``otlp`` target's counts: ``delta``, or ``cumulative``.
        encoding: of what an ``otlp`` target gets: ``json``, or ``protobuf`` for those who take no
            JSON.
        sample: the part of requests traced that no caller decided on, from 0 to 1.
        every: seconds between two pushes, a number with s, m, h or d.
    """

    kind: str
    endpoint: str
    secret: str = ""
    header: str = ""
    user: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    signals: tuple[str, ...] = SIGNALS
    temporality: str = DELTA
    encoding: str = JSON
    sample: float = 1.0
    every: float = 60.0

    @property
    def name(self) -> str:
        """What it is called by in the store and in messages."""
        return f"{self.kind} {self.endpoint}"

    def authorisation(self, secret: Callable[[str], str]) -> dict[str, str]:
        """Return the headers that the receiver asks for.

        Args:
            secret: gives a secret by its name.
        """
        key = secret(self.secret) if self.secret else ""
        if not key:
            return dict(self.headers)
        if self.header:
            return {**self.headers, self.header: key}
        coded = b64encode(f"{self.user}:{key}".encode()).decode()
        return {**self.headers, "Authorization": f"Basic {coded}" if self.user else f"Bearer {key}"}

    @classmethod
    def read(cls, values: Any) -> Target:
        """Make one of plain values.

        Raises:
            ValueError: an unknown key, or a value that does not fit; the message names it.
        """
        known = {each.name for each in fields(cls)}
        if not isinstance(values, Mapping):
            raise ValueError(f"monitor.push must list blocks of `key: value` lines, not {values!r}")  # noqa: TRY004 - a file's value
        if unknown := sorted(set(map(str, values)) - known):
            raise ValueError(
                f"unknown monitor.push.{unknown[0]}; it has: {', '.join(sorted(known))}"
            )
        kind = _choice("kind", values.get("kind", ""), KINDS)
        signals = values.get("signals", SIGNALS)
        listed = [signals] if isinstance(signals, str) else list(signals or ())
        return cls(
            kind=kind,
            endpoint=_endpoint(values.get("endpoint", "")),
            **{name: _text(name, values[name]) for name in _TEXTS if name in values},
            headers=_headers(values.get("headers") or {}),
            signals=tuple(_choice("signals", each, SIGNALS) for each in listed),
            temporality=_choice("temporality", values.get("temporality", DELTA), TEMPORALITIES),
            encoding=_choice("encoding", values.get("encoding", JSON), ENCODINGS),
            sample=_part(values.get("sample", 1.0)),
            every=_every(values.get("every", "60s")),
        )._sound(set(values))

    def _sound(self, given: set[str]) -> Target:
        """Return it; a key that its kind would not heed is refused."""
        needless = (
            given & {"signals", "temporality", "encoding", "sample"} if self.kind != OTLP else set()
        )
        if self.kind == DATADOG:
            needless |= given & {"header", "user", "headers"}
            if not self.secret:
                raise ValueError("monitor.push: datadog needs `secret`, the name of its API key")
        if needless:
            raise ValueError(f"monitor.push.{min(needless)} is nothing that {self.kind} has")
        if (self.header or self.user) and not self.secret:
            raise ValueError("monitor.push: `header` and `user` need `secret`, the key's name")
        return self


@dataclass(frozen=True)
class Push:
    """What a service pushes, and as whose.

    Args:
        targets: who receives it.
        send: sends one request.
        secret: gives a secret by its name; empty: there is none.
        environment: where the service is deployed, e.g. ``production``.
        address: the service's own, as ``https://shop.example``: its host is the ``instance`` of
            what all isolates measured together.
        database: the conventions' name of the service's database.
    """

    targets: tuple[Target, ...]
    send: Send
    secret: Callable[[str], str]
    environment: str = ""
    address: str = ""
    database: str = "sqlite"

    @property
    def scheme(self) -> str:
        """By which the service is asked."""
        return urlsplit(self.address).scheme or "https"

    @property
    def instance(self) -> str:
        """The service's host, with its port as a scrape has it; empty: it has no address."""
        parts = urlsplit(self.address)
        port = parts.port or (443 if self.scheme == "https" else 80)
        return f"{parts.hostname}:{port}" if parts.hostname else ""


def read(values: Any) -> tuple[Target, ...]:
    """Make the targets of plain values.

    Raises:
        ValueError: what they are not; the message names it.
    """
    if values in (None, "", []):
        return ()
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError("monitor.push must be a list of blocks, each with `- kind:` first")  # noqa: TRY004 - a file's value
    targets = tuple(Target.read(each) for each in values)
    names = [each.name for each in targets]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"monitor.push has {twice} twice")
    return targets


def _choice(name: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"monitor.push.{name} is one of {', '.join(known)}, not {value!r}")
    return str(value)


def _text(name: str, value: Any) -> str:
    text = str(value)
    bad = name != "user" and text and not _TOKEN.fullmatch(text)
    if bad or not text.isprintable():
        raise ValueError(f"monitor.push.{name} is a name, of letters, digits, - and _")
    return text


def _headers(values: Any) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise ValueError(f"monitor.push.headers must be `Name: value` lines, not {values!r}")  # noqa: TRY004 - a file's value
    made = {str(name): str(value) for name, value in values.items()}
    for name, value in made.items():
        if not _TOKEN.fullmatch(name) or not value.isprintable():
            raise ValueError(f"monitor.push.headers: {name!r} is no header")
        if name.lower() in ("authorization", "api-key", "dd-api-key", "x-api-key"):
            raise ValueError(f"monitor.push.headers: {name} is a secret: use `header` and `secret`")
    return made


def _endpoint(value: Any) -> str:
    text = str(value or "")
    try:
        parts = urlsplit(text)
        host, user = parts.hostname or "", parts.username or parts.password
        _ = parts.port
    except ValueError:
        host, user = "", None
    if user:
        raise ValueError("monitor.push.endpoint holds a password: use `user` and `secret`")
    if not host or not text.isprintable() or not text.startswith(("https://", "http://")):
        raise ValueError(f"monitor.push.endpoint must begin with https://: {text!r}")
    if text.startswith("http://") and host not in _HERE:
        raise ValueError("monitor.push.endpoint: http is for addresses of this machine alone")
    return text


def _part(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"monitor.push.sample is a part from 0 to 1, not {value!r}")
    return float(value)


def _every(value: Any) -> float:
    try:
        read = seconds(str(value))
    except ValueError as error:
        raise ValueError(f"monitor.push.every: {error}") from None
    if read < _SHORTEST:
        raise ValueError(f"monitor.push.every is at least {_SHORTEST:g}s, not {value!r}")
    return read
