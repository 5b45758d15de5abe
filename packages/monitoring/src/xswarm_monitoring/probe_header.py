"""The header by which a deployment's own requests are recognised: signed, and good for minutes.

``X-Deployment-Probe: v1;t=<seconds>;k=<kind>;v=<version or ->;s=<signature>`` with one ``s`` for
each admin token that may be the Worker's (two while it is rotated). A signature is the
HMAC-SHA256, in hexadecimal digits, of seven lines: ``v1``, the time, the kind, the version, the
host, the method and the decoded path. Its key is the HMAC-SHA256 of
``xswarm deployment probe v1`` by the admin token, so that only who holds the token makes one, and
a captured header repeats one request to one host for two minutes at most.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import unquote, urlsplit

HEADER: Final = "X-Deployment-Probe"
VERSION: Final = "X-Deployment-Version"
"""The header by which the answer to a genuine probe names the version that gave it."""
EXEMPT: Final = "exempt"
"""A probe that no rate limit may count."""
LIMITED: Final = "limited"
"""A probe that asks whether the rate limit counts it."""
ANY_VERSION: Final = "-"
VALID_SECONDS: Final = 120
"""How far a signature's time may be from the Worker's clock."""

_SCHEME: Final = "v1"
_CONTEXT: Final = b"xswarm deployment probe v1"
_LONGEST: Final = 600  # characters of a header that is looked at
_MOST_SIGNATURES: Final = 3


@dataclass(frozen=True)
class ProbedRequest:
    """Name the one request that a header is good for.

    Args:
        host: as in its ``Host`` header.
        method: the HTTP method.
        path: decoded, and without its query, as ASGI gives it.
    """

    host: str
    method: str
    path: str

    @classmethod
    def of(cls, method: str, url: str, host: str = "") -> ProbedRequest:
        """Return it as a client knows it.

        Args:
            method: the HTTP method.
            url: the whole address, percent-encoded.
            host: the ``Host`` header, where it is not the address's.
        """
        parts = urlsplit(url)
        return cls(host or parts.netloc, method, unquote(parts.path) or "/")


def sign(
    tokens: Iterable[str],
    request: ProbedRequest,
    now: float,
    *,
    kind: str = EXEMPT,
    version: str = "",
) -> str:
    """Return the header's value; empty where there is no token to sign with.

    Args:
        tokens: the admin tokens that the Worker may have.
        request: the request that it goes with.
        now: seconds since 1970.
        kind: :data:`EXEMPT` or :data:`LIMITED`.
        version: the only version that may believe it; empty: any.
    """
    head = (_SCHEME, str(int(now)), kind, version or ANY_VERSION)
    signatures = [_signature(token, head, request) for token in dict.fromkeys(tokens) if token]
    if not signatures:
        return ""
    parts = [_SCHEME, f"t={head[1]}", f"k={head[2]}", f"v={head[3]}"]
    return ";".join([*parts, *(f"s={one}" for one in signatures[:_MOST_SIGNATURES])])


def recognise(value: str, token: str, request: ProbedRequest, now: float, version: str = "") -> str:
    """Return the kind of a probe whose header is genuine; empty: it is not.

    Args:
        value: the header's value.
        token: the admin token; empty: no header is believed.
        request: the request that it came with.
        now: seconds since 1970.
        version: the version that answers; empty: unknown, and not compared.
    """
    read = _read(value)
    if not token or read is None:
        return ""
    (_, time, kind, claimed), signatures = read
    expected = _signature(token, read[0], request)
    if not any(hmac.compare_digest(expected, given) for given in signatures):
        return ""
    in_time = abs(now - int(time)) <= VALID_SECONDS
    for_us = not version or claimed in (ANY_VERSION, version)
    return kind if in_time and for_us and kind in (EXEMPT, LIMITED) else ""


def _read(value: str) -> tuple[tuple[str, str, str, str], list[str]] | None:
    """Return a header's signed fields and its signatures; None: it has another form."""
    if len(value) > _LONGEST or not value.isascii():
        return None
    parts = [part.partition("=") for part in value.split(";")]
    names = [name for name, _, _ in parts]
    if names[:4] != [_SCHEME, "t", "k", "v"] or set(names[4:]) != {"s"}:
        return None
    _, time, kind, version, *signatures = (text for _, _, text in parts)
    if not time.isdecimal() or len(signatures) > _MOST_SIGNATURES:
        return None
    return (_SCHEME, time, kind, version), signatures


def _signature(token: str, head: tuple[str, str, str, str], request: ProbedRequest) -> str:
    key = hmac.digest(token.encode(), _CONTEXT, "sha256")
    text = "\n".join((*head, request.host.lower(), request.method, request.path))
    return hmac.new(key, text.encode(), sha256).hexdigest()
