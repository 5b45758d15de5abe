"""A request to the monitor itself, and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """Hold what an endpoint needs to know of a request.

    Args:
        env: the Worker's; None outside of one.
        headers: by their names in small letters.
        query: without the question mark.
        body: gives the body, up to a number of bytes; None where it is larger.
    """

    env: Any = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    query: bytes = b""
    body: Callable[[int], Awaitable[bytes | None]] | None = None


@dataclass(frozen=True)
class Answer:
    """Answer a request.

    Args:
        status: the HTTP status.
        media_type: of the body.
        body: as it is sent.
        headers: beside those that every answer has.
    """

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


Endpoint = Callable[[Request], Awaitable[Answer]]
