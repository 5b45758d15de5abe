"""What leaves: requests as data, for whoever sends them (``fetch`` in a Worker)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outgoing:
    """Hold a request for whoever sends it.

    Args:
        method: the HTTP method.
        url: where to; may hold a secret, so it is not shown.
        headers: may hold secrets, so they are not shown.
        body: as it is sent.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Response:
    """Hold what a service answered.

    Args:
        status: the HTTP status.
        headers: by their names in small letters.
        body: as text, where it was read.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


Send = Callable[[Outgoing], Awaitable[Response]]
"""Sends one request; raises where there was no answer."""


def json_request(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Outgoing:
    """Make a POST of JSON."""
    given = {"Content-Type": "application/json; charset=utf-8", **headers}
    return Outgoing("POST", url, given, json.dumps(body, ensure_ascii=False).encode())
