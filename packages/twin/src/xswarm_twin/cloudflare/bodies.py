"""Read what came in a body or a query, and refuse what is of a wrong shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web

from xswarm_twin.cloudflare import refusals

Wanted = TypeVar("Wanted")

_NAMES: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    int: "a whole number",
}


async def json_body(request: web.Request) -> Any:
    """Read a body of JSON, whatever its media type says (wrangler sends text/plain)."""
    return parsed(await request.read())


async def json_object(request: web.Request) -> dict[str, Any]:
    """Read a body that is a JSON object."""
    return checked(await json_body(request), dict, "the body")


async def json_list(request: web.Request) -> list[Any]:
    """Read a body that is a JSON list."""
    return checked(await json_body(request), list, "the body")


def parsed(raw: bytes) -> Any:
    """Parse JSON as RFC 8259 has it: no NaN, and no half of a surrogate pair."""
    try:
        value = json.loads(raw, parse_constant=_refuse)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # the error would quote the body: it may hold secrets
        raise refusals.body_invalid("it is not JSON") from None
    return value


def checked(value: Any, kind: type[Wanted], what: str) -> Wanted:
    """Return a value that is of a type, or refuse it by the name of its field."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise refusals.body_invalid(f"{what} is not {_NAMES[kind]}")
    return value


def required(body: Mapping[str, Any], name: str, kind: type[Wanted]) -> Wanted:
    """Return a field of a type."""
    if name not in body:
        raise refusals.body_invalid(f"{name} is missing")
    return checked(body[name], kind, name)


def optional(body: Mapping[str, Any], name: str, default: Wanted) -> Wanted:
    """Return a field of its default's type, or the default when it is absent or null."""
    value = body.get(name)
    return default if value is None else checked(value, type(default), name)


def texts(body: Mapping[str, Any], name: str) -> list[str]:
    """Return a field that is a list of texts; empty when absent."""
    return [
        checked(value, str, f"an entry of {name}") for value in optional(body, name, list[Any]())
    ]


def annotations_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of a version or a deployment; entries of null are left out."""
    given = optional(body, "annotations", dict[str, Any]())
    return {name: checked(value, str, name) for name, value in given.items() if value is not None}


def number(request: web.Request, name: str, default: int, largest: int, least: int = 1) -> int:
    """Return a whole number of the query, from the least to the largest."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or not least <= int(text[:9]) <= largest:
        raise refusals.body_invalid(f"{name} is not a number from {least} to {largest}")
    return int(text)


def require_within(body: Mapping[str, Any], name: str, allowed: range) -> None:
    """Refuse a field that is no whole number of a range; it may be absent or null."""
    value = body.get(name)
    if value is None:
        return
    if checked(value, int, name) not in allowed:
        raise refusals.body_invalid(f"{name} is not from {allowed[0]} to {allowed[-1]}")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
