"""Ports: free ones on 127.0.0.1, the same ones again and again."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from xswarm_twin.address import HOST
from xswarm_twin.errors import Refused

SERVICES: Final = (
    "api",
    "objects",
    "database",
    "stripe",
    "twilio",
    "slack",
    "sendgrid",
    "anthropic",
    "openai",
)
INNER: Final = ("twilio-inner", "slack-inner")  # emulate's, behind the stand-ins' front
_FIRST, _LAST = 20_000, 32_000  # below the ranges systems take ports of outgoing calls from


def names(workers: Sequence[str], pages: Sequence[str]) -> tuple[str, ...]:
    """Name every port the twin needs: the services', a Worker's, a Pages project's."""
    return (
        *(f"worker:{name}" for name in workers),
        *(f"pages:{name}" for name in pages),
        *SERVICES,
        *INNER,
    )


def pin(pinned: Mapping[str, int], wanted: Sequence[str]) -> dict[str, int]:
    """Translate settings to names of ports; ``worker`` and ``pages`` mean the first of each.

    Args:
        pinned: from the settings, name to port; 0 means any.
        wanted: what :func:`names` gave.

    Raises:
        Refused: an unknown name.
    """
    known = {name.partition(":")[0]: name for name in reversed(wanted)} | {n: n for n in wanted}
    unknown = sorted(set(pinned) - set(known))
    if unknown:
        raise Refused(
            f"unknown sandbox port {unknown[0]!r}",
            f"there are {', '.join(sorted(known))}",
            "correct deploy.sandbox.ports in invoke.yaml",
        )
    return {known[name]: port for name, port in pinned.items() if port}


def choose(
    wanted: Sequence[str], kept: Mapping[str, int], pinned: Mapping[str, int], seed: str
) -> dict[str, int]:
    """Return each name a port that is free now: the pinned one, the last one, a new one.

    Args:
        wanted: names of ports.
        kept: the ports of the last time.
        pinned: ports that must be these.
        seed: spreads the twins of different folders over the range.

    Raises:
        Refused: a pinned port is taken; it is named.
    """
    for name, port in pinned.items():
        _require_free(name, port)
    reserved = set(pinned.values())
    chosen = dict(pinned)
    for name in wanted:
        if name not in chosen:
            before = kept.get(name, 0)
            fits = before and before not in reserved and free(before)
            chosen[name] = before if fits else _next_free(seed, reserved | set(kept.values()))
            reserved.add(chosen[name])
    return chosen


def free(port: int) -> bool:
    """Return whether nobody listens on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Else connections that have just ended would make our own last port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """Return a port that is free now, for something short."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _require_free(name: str, port: int) -> None:
    if not free(port):
        raise Refused(
            f"the sandbox's port {port} ({name.partition(':')[0]}) is taken",
            f"another program listens on {HOST}:{port}, and deploy.sandbox.ports pins it",
            f"end that program (lsof -i :{port}), or change deploy.sandbox.ports",
        )


def _next_free(seed: str, reserved: set[int]) -> int:
    start, span = zlib.crc32(seed.encode()), _LAST - _FIRST
    for step in range(span):
        port = _FIRST + (start + step) % span
        if port not in reserved and free(port):
            return port
    raise Refused(f"no port from {_FIRST} to {_LAST} is free", "", "end programs that listen")
