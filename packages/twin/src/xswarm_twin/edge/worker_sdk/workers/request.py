"""A request, to a Worker or from it."""

from __future__ import annotations

import builtins
import json
from http import HTTPMethod
from typing import Any, Unpack

from .headers import HTTPMessageMapping, message, pairs
from .types import FetchKwargs


class Request:
    """An HTTP request, as the SDK shows it.

    Args:
        input: a URL, or a request to take over.
        other_options: method, headers, body, redirect.
    """

    def __init__(self, input: Request | str, **other_options: Unpack[FetchKwargs]) -> None:
        given = input if isinstance(input, Request) else None
        method = other_options.get("method") or (given._verb if given else "GET")
        headers = other_options.get("headers")
        body = other_options.get("body")
        self.url: str = given.url if given else str(input)
        self._verb: str = str(getattr(method, "value", method)).upper()
        self._pairs: list[tuple[str, str]] = (
            given._pairs if given and headers is None else pairs(headers)
        )
        self._body: builtins.bytes = (
            _bytes(body) if body is not None else (given._body if given else b"")
        )
        self.redirect: str = other_options.get("redirect") or (
            given.redirect if given else "follow"
        )
        self.body_used = False
        self.cf = None  # what the edge knows of the caller: nothing here

    def __repr__(self) -> str:
        return f"Request(method={self._verb!r}, url={self.url!r})"

    @property
    def method(self) -> HTTPMethod:
        """Return the method; as the SDK, raise KeyError where Python has no name: PROPFIND."""
        return HTTPMethod[self._verb]

    @property
    def headers(self) -> HTTPMessageMapping:
        """Return the headers."""
        return message(self._pairs)

    @property
    def js_object(self) -> Request:
        """Return what ``asgi.fetch`` takes, too: JavaScript's request, here one that is like it."""
        return _OfJavaScript(self)

    async def bytes(self) -> bytes:
        """Read the body, once."""
        self._raise_if_failed()
        self.body_used = True
        return self._body

    async def text(self) -> str:
        """Read the body as text, once."""
        return (await self.bytes()).decode("utf-8", "replace")

    async def json(self, **kwargs: Any) -> Any:
        """Read the body as JSON, once."""
        return json.loads(await self.text(), **kwargs)

    def clone(self) -> Request:
        """Return a second request of the same content."""
        self._raise_if_failed()
        return Request(self)

    def _raise_if_failed(self) -> None:
        if self.body_used:
            raise OSError("Body already used")


class _OfJavaScript(Request):
    """A request as JavaScript has it: its method is a text, whatever that is."""

    @property
    def method(self) -> str:  # type: ignore[override]
        """Return the method."""
        return self._verb


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
