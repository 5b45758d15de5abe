"""The types of the SDK's parameters."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPMethod
from typing import Any, Protocol, TypeAlias, TypedDict

from .headers import Headers

Body: TypeAlias = str | bytes


class Context(Protocol):
    """What a request may do with its own life."""

    def waitUntil(self, other: Awaitable[Any]) -> None:  # noqa: N802 (the SDK's name)
        """Let something go on after the response."""
        ...


class FetchKwargs(TypedDict, total=False):
    """The options of a request."""

    headers: Headers | None
    body: Body | None
    method: HTTPMethod | str | None
    redirect: str | None
    cf: Any
    fetcher: Any
