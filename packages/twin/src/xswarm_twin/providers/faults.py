"""Faults that can be switched on at a stand-in, to see what a release makes of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

_KINDS: Final = (
    "status:NNN (that answer)",
    "reset (the connection breaks before anything is done)",
    "reset_after (done, but the reply never arrives)",
    "slow:SECONDS (done late)",
    "revoked (the key is no longer good)",
    "bad_json (an answer that is cut off)",
)
_SLOWEST: Final = 300.0  # seconds
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST


class Failing(Protocol):
    """A stand-in that knows the errors its service documents."""

    def failure(self, status: int) -> web.Response:
        """Return the documented answer of a status."""

    def revoked(self) -> web.Response:
        """Return the documented answer to a key that was revoked."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        kind: status, reset, reset_after, slow, revoked or bad_json.
        amount: the status, or seconds.
        left: how many requests it still meets.
    """

    kind: str
    amount: float
    left: int

    def describe(self) -> dict[str, object]:
        """Return it as it was asked for."""
        value = f"{self.kind}:{self.amount:g}" if self.amount else self.kind
        return {"kind": value, "times": self.left}


def parse(kind: str, times: int) -> Fault:
    """Read a fault as people write it.

    Args:
        kind: as ``status:429``, ``slow:2.5`` or ``reset``.
        times: how many requests it meets, at least 1.

    Raises:
        ValueError: the words that say what is allowed.
    """
    name, _, amount = kind.partition(":")
    if times < 1:
        raise ValueError("times must be at least 1")
    if name in ("reset", "reset_after", "revoked", "bad_json") and not amount:
        return Fault(name, 0, times)
    if name == "status" and amount.isdigit() and 400 <= int(amount) <= 599:
        return Fault(name, int(amount), times)
    if name == "slow" and _seconds(amount):
        return Fault(name, _seconds(amount), times)
    raise ValueError(f"unknown fault {kind!r}; there are: {'; '.join(_KINDS)}")


class Faults:
    """Keep the faults that are on, one a provider."""

    def __init__(self) -> None:
        self._on: dict[str, Fault] = {}

    def put(self, provider: str, fault: Fault) -> None:
        """Switch a fault on, in place of the one before."""
        self._on[provider] = fault

    def clear(self, provider: str) -> None:
        """Switch a provider's fault off."""
        self._on.pop(provider, None)

    def describe(self) -> dict[str, dict[str, object]]:
        """Return what is on, by provider."""
        return {name: fault.describe() for name, fault in self._on.items()}

    def take(self, provider: str) -> Fault | None:
        """Return the fault that the next request meets, and count it."""
        fault = self._on.get(provider)
        if fault and fault.left <= 1:
            del self._on[provider]
        elif fault:
            self._on[provider] = replace(fault, left=fault.left - 1)
        return fault


async def meet(
    fault: Fault, provider: Failing, request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer a request the way a fault says."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.amount)
        return await handler(request)
    if fault.kind == "reset_after":
        response = await handler(request)
        _break(request)
        return response
    return _instead(fault, provider, request)


def _instead(fault: Fault, provider: Failing, request: web.Request) -> web.Response:
    if fault.kind == "status":
        return provider.failure(int(fault.amount))
    if fault.kind == "revoked":
        return provider.revoked()
    if fault.kind == "bad_json":
        return web.Response(text='{"data": [{"id": "', content_type="application/json")
    _break(request)
    return web.Response(status=408)  # nobody receives it


def _break(request: web.Request) -> None:
    """Break the connection as a failing network does."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    request.transport.abort()


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 < value <= _SLOWEST else 0.0
