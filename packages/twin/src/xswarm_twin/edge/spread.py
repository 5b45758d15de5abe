"""How long a deployment takes to reach the edge: at once here, unless a fault says otherwise."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

SECONDS: Final[ContextVar[float]] = ContextVar("spread", default=0.0)
"""Seconds after which the deployment that is being made is served; the API answers before."""
