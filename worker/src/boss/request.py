"""A request: what ASGI says of it, and its body, read once and within a limit."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from boss.problem import Problem

LARGEST_JSON = 256 * 1024
"""Bytes: what a caller who has shown nothing yet may make us parse."""
LARGEST_FORM = 128 * 1024
MOST_FIELDS = 500
_LONGEST_LENGTH = 15  # digits of a Content-Length

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Request:
    """Read a request.

    Args:
        scope: the ASGI scope.
        receive: gives the body's parts.
        largest_body: the limit of the body, bytes.
    """

    def __init__(self, scope: Mapping[str, Any], receive: Receive, largest_body: int) -> None:
        self._scope = scope
        self._receive = receive
        self._largest_body = largest_body
        self._body: bytes | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]

    @cached_property
    def headers(self) -> dict[str, str]:
        """Return the headers by lower-case name; repeated ones are joined by a comma."""
        found: dict[str, str] = {}
        for name, value in self._scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; of repeated ones the last counts."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def query_string(self) -> str:
        """Return the query as it was sent."""
        return str(self._scope.get("query_string", b"").decode("latin-1"))

    @cached_property
    def target(self) -> str:
        """Return the path as it was sent, still percent-encoded, with its query."""
        raw = self._scope.get("raw_path") or self.path.encode()
        path = raw.decode("latin-1").partition("?")[0]
        return f"{path}?{self.query_string}" if self.query_string else path

    @cached_property
    def url(self) -> str:
        """Return the URL as this host was asked for it."""
        host = self.headers.get("host", "localhost")
        return f"{self._scope.get('scheme', 'http')}://{host}{self.target}"

    @cached_property
    def media_type(self) -> str:
        """Return the body's media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Return the cookies by name."""
        parts = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, mark, value in parts if mark}

    @cached_property
    def client(self) -> str:
        """Return whose request it is: the address Cloudflare names where it stands before us.

        One caller has all addresses of an IPv6 network of 64 bits: they count as one.
        """
        told = self.headers.get("cf-connecting-ip", "")
        address = self._scope.get("client") or ("",)
        return _caller(told or str(address[0]))

    async def body(self, largest: int = sys.maxsize) -> bytes:
        """Return the whole body.

        Args:
            largest: a limit below the service's own, bytes.

        Raises:
            Problem: it is larger than allowed (413), or the caller went away (400).
        """
        largest = min(largest, self._largest_body)
        if self._body is None:
            _refuse_long(self._declared_length(), largest)
            self._body = await self._read(largest)
        return self._body

    async def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            Problem: it is no JSON object, or says it is something else (400), or it is larger
                than any object of ours (413).
        """
        if self.media_type not in ("application/json", ""):
            raise Problem(400, "invalid_json", "Send JSON, as Content-Type: application/json.")
        try:
            value = json.loads(await self.body(LARGEST_JSON))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Problem(400, "invalid_json", "The body is not a JSON object.")
        return value

    async def form(self) -> list[tuple[str, str]]:
        """Return the body's form fields in their order.

        Raises:
            Problem: it is not a form's text (400), or larger than a form may be (413).
        """
        try:
            text = (await self.body(LARGEST_FORM)).decode()
            return parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        except ValueError as error:
            raise Problem(400, "invalid_form", "The body is not a form.") from error

    def _declared_length(self) -> int:
        declared = self.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdecimal() and len(declared) <= _LONGEST_LENGTH):
            raise Problem(400, "invalid_length", "Content-Length is not a number.")
        return int(declared)

    async def _read(self, largest: int) -> bytes:
        parts, length, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "incomplete_body", "The body ended early.")
            parts.append(message.get("body", b""))
            length += len(parts[-1])
            _refuse_long(length, largest)
            more = message.get("more_body", False)
        return b"".join(parts)


def _refuse_long(length: int, largest: int) -> None:
    if length > largest:
        size = f"{largest // 1024} KB" if largest < 1024 * 1024 else f"{largest // 1024**2} MB"
        raise Problem(413, "body_too_large", f"The body is larger than {size}.")


def _caller(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped:
        return str(found.ipv4_mapped if found.version == 6 else found)
    return str(ipaddress.ip_network((int(found), 64), strict=False))
