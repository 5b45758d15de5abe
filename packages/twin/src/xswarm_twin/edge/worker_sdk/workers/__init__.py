"""The Workers SDK's names, for Python Workers that run on the local host.

Offers what a Worker made of an ASGI application needs; names, parameters and results are those
of the package workers-runtime-sdk. What is not offered here is not importable either.
"""

from __future__ import annotations

from typing import Any

from .entrypoints import WorkerEntrypoint, handler
from .fetch import fetch
from .headers import Headers
from .request import Request
from .response import FetchResponse, Response
from .types import Body, Context, FetchKwargs
from .utils import import_from_javascript, runtime

__all__ = [
    "Body",
    "Context",
    "FetchKwargs",
    "FetchResponse",
    "Headers",
    "Request",
    "Response",
    "WorkerEntrypoint",
    "env",
    "fetch",
    "handler",
    "import_from_javascript",
    "waitUntil",
    "wait_until",
]


def __getattr__(name: str) -> Any:
    if name == "env":
        return runtime.env
    if name in ("wait_until", "waitUntil"):
        return runtime.wait_until
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
