"""One request to the S3 face, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from xswarm_twin.objects.signature import Proof


class Refused(Exception):
    """A request that S3 refuses, with S3's status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)


@dataclass(frozen=True)
class Call:
    """One verified request: what it is about, and what it says."""

    request: web.Request
    proof: Proof
    bucket: str
    key: str
    headers: Mapping[str, str]
    query: Mapping[str, str]


def number(text: str) -> int:
    """Return a number of a request; refuse what is none."""
    if not text.isdigit():
        raise Refused(400, "InvalidArgument", f"{text!r} is no number")
    return int(text)


def iso(moment: datetime) -> str:
    """Return a moment as S3 writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
