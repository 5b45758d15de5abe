"""A response, of a Worker or to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Never, cast

from .headers import Headers, HTTPMessageMapping, message, pairs
from .types import Body

NULL_BODY_STATUSES = frozenset({101, 103, 204, 205, 304})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchResponse:
    """What every response has; ``body_used`` says whether its body was read."""

    def __init__(
        self,
        body: bytes | AsyncIterator[bytes],
        status: int,
        status_text: str,
        headers: list[tuple[str, str]],
        url: str = "",
        redirected: bool = False,
    ) -> None:
        self._content = body
        self.status, self.status_text = status, status_text
        self.url, self.redirected = url, redirected
        self.body_used = False
        self._pairs = headers
        self._encode_body = "automatic"

    @property
    def ok(self) -> bool:
        """Return whether the status is one of success."""
        return 200 <= self.status <= 299

    @property
    def headers(self) -> HTTPMessageMapping:
        """Return the headers."""
        return message(self._pairs)

    async def bytes(self) -> bytes:
        """Read the body, once."""
        if self.body_used:
            raise OSError("Body already used")
        self.body_used = True
        if isinstance(self._content, bytes):
            return self._content
        return b"".join([chunk async for chunk in self._content])

    async def text(self) -> str:
        """Read the body as text, once."""
        return (await self.bytes()).decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        """Raise OSError for a status of 400 and above."""
        if 400 <= self.status < 600:
            kind = "Client" if self.status < 500 else "Server"
            text = f"{self.status} {kind} Error: {self.status_text} for url: {self.url}"
            raise OSError(text)

    def replace_body(self, body: Body) -> Response:
        """Return a response that differs in its body."""
        made = Response(body, self.status, self.status_text)
        made._pairs = list(self._pairs)
        return made

    @staticmethod
    def redirect(url: str, status: HTTPStatus | int = HTTPStatus.FOUND) -> Response:
        """Send the caller to another URL; raises ValueError for another kind of status."""
        if int(status) not in _REDIRECTS:
            raise ValueError("Invalid redirect status code.")
        return Response(None, int(status), headers={"location": url})

    @staticmethod
    def from_json(
        data: str | dict[str, Any] | list[Any],
        status: HTTPStatus | int = HTTPStatus.OK,
        status_text: str = "",
        headers: Headers | None = None,
    ) -> Response:
        """Return a response of JSON."""
        made = Response(json.dumps(data), status, status_text, headers)
        if "content-type" not in message(pairs(headers)):
            made._set_type("application/json")
        return made

    def json(self, *args: Never, **kwargs: Never) -> Any:
        """Read the body as JSON, once; called on the class with data, make a response of it."""
        if isinstance(self, FetchResponse):
            return self._read_json()
        return Response.from_json(cast(Any, self), *args, **kwargs)

    async def _read_json(self) -> Any:
        return json.loads(await self.text())

    def _set_type(self, media_type: str) -> None:
        kept = [pair for pair in self._pairs if pair[0].lower() != "content-type"]
        self._pairs = [*kept, ("content-type", media_type)]


class Response(FetchResponse):
    """A response that a Worker makes.

    Args:
        body: text, bytes, or a response to take over.
        status: the status; 200 by default.
        status_text: its text.
        headers: a mapping, or pairs.
        web_socket: not offered by the quick host.
    """

    def __init__(
        self,
        body: Body | FetchResponse | None = None,
        status: HTTPStatus | int | None = None,
        status_text: str = "",
        headers: Headers | None = None,
        web_socket: Any = None,
    ) -> None:
        if web_socket is not None:
            raise NotImplementedError(
                "the quick host of Python Workers does not support WebSockets; Pyodide does:"
                " XSWARM_TWIN_PYTHON=pyodide in the environment of the twin's start"
            )
        if isinstance(body, FetchResponse):
            self._take_over(body, status, status_text, headers)
            return
        if not isinstance(body, str | bytes) and body is not None:
            raise TypeError(f"Unsupported type in Response: {type(body).__name__}")
        content = body.encode() if isinstance(body, str) else (body or b"")
        super().__init__(content, _checked(status, body), status_text, pairs(headers))
        if isinstance(body, str) and "content-type" not in self.headers:
            self._set_type("text/plain;charset=UTF-8")

    def __repr__(self) -> str:
        return f"Response(status={self.status})"

    def _take_over(
        self,
        other: FetchResponse,
        status: HTTPStatus | int | None,
        status_text: str,
        headers: Headers | None,
    ) -> None:
        if status is not None or status_text or headers is not None:
            raise ValueError("Expected no options when constructing Response from a js.Response")
        self.__dict__.update(other.__dict__)


def _checked(status: HTTPStatus | int | None, body: Body | None) -> int:
    code = 200 if status is None else int(status)
    if not (code == 101 or 200 <= code <= 599):
        raise ValueError("The status is one of 101 and 200 to 599.")
    if code in NULL_BODY_STATUSES and body is not None:
        raise TypeError("Response with null body status cannot have body")
    return code
