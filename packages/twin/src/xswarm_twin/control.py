"""Who may use the twin's own routes: whoever has its token, at a name of this machine.

A page in a browser can send requests to loopback, also by a name of its own that leads there; it
has no token, and its Host is another.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from xswarm_twin.address import HOST

_NAMES: Final = (HOST, "localhost", "[::1]")


def bearer(token: str) -> dict[str, str]:
    """Return the headers of one who has the token."""
    return {"Authorization": f"Bearer {token}"}


def token_of(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request; empty when there is none."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def allows(headers: Mapping[str, str], token: str) -> bool:
    """Return whether a request may use the twin's own routes.

    Args:
        headers: the request's, by any case of their names.
        token: the twin's; an empty one opens nothing.
    """
    same = hmac.compare_digest(token_of(headers).encode(), token.encode())
    return bool(token) and same and is_local(headers.get("Host", ""))


def is_local(host: str) -> bool:
    """Return whether a Host header names this machine, as browsers resolve it."""
    name = host.rpartition(":")[0] if host[-1:].isdigit() and ":" in host else host
    return name in _NAMES or name.endswith(".localhost")
