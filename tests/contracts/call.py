"""An outbound call as it is documented, and a request held against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import requests

Shape = Any
"""The type of a JSON value.

``str``, ``int``, ``float`` (any number), ``bool``, ``None``, ``object`` (anything), a set of
allowed texts, a list of one shape, a tuple of alternatives, or a mapping from names to shapes,
where a name that ends in ``?`` may be absent and ``*`` stands for any name.
"""

Kind = Literal["none", "json", "text", "form", "multipart", "bytes"]


@dataclass(frozen=True)
class Call:
    """One call of a provider's API.

    Args:
        method: of HTTP.
        path: behind the address; ``{name}`` stands for one segment, ``{name+}`` for several.
        source: where it is documented.
        query: the parameters, by name; of these none is needed.
        kind: how the content is sent.
        body: the shape of JSON, or the names of a form's fields.
        reads: the fields of the answer that are read, a dot between object and field.
        headers: that the call must carry.
    """

    method: str
    path: str
    source: str
    query: Mapping[str, Shape] = field(default_factory=dict)
    kind: Kind = "none"
    body: Shape = None
    reads: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"(\{\w+\+?\})", self.path)
        return re.compile("".join(_pattern(part) for part in parts))


def _pattern(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return ".+" if part.endswith("+}") else "[^/]+"


def find(calls: Iterable[Call], method: str, path: str) -> Call | None:
    """Return the documented call of a method and path; the one with most words in its path."""
    found = [one for one in calls if one.method == method and one.pattern.fullmatch(path)]
    return min(found, key=lambda one: one.path.count("{"), default=None)


def violations(
    calls: Iterable[Call], request: requests.PreparedRequest, base_path: str
) -> list[str]:
    """Return how a request differs from what is documented; empty: not at all.

    Args:
        calls: of the provider.
        request: as it is sent.
        base_path: the path of the provider's address, which the table leaves out.
    """
    url = urlsplit(str(request.url))
    path = url.path.removeprefix(base_path)
    call = find(calls, str(request.method), path)
    if call is None:
        return [f"{request.method} {path} is not documented"]
    said = [*_query(call, url.query), *_headers(call, request), *_content(call, request)]
    return [f"{call.method} {call.path}: {one}" for one in said]


def _query(call: Call, query: str) -> Iterator[str]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in call.query:
            yield f"?{name}= is not documented"
        elif not _text_fits(value, call.query[name]):
            yield f"?{name}={value!r} is no {call.query[name]}"


def _text_fits(value: str, shape: Shape) -> bool:
    if shape is int:
        return value.isdecimal()
    return value in shape if isinstance(shape, set) else shape is str


def _headers(call: Call, request: requests.PreparedRequest) -> Iterator[str]:
    sent = {name.lower() for name in request.headers}
    for name in ("User-Agent", *call.headers):
        if name.lower() not in sent:
            yield f"the header {name} is missing"


def _content(call: Call, request: requests.PreparedRequest) -> Iterator[str]:
    said = str(request.headers.get("Content-Type", "")).partition(";")[0]
    wanted = {
        "json": ("application/json", "application/merge-patch+json"),
        "form": ("application/x-www-form-urlencoded",),
        "multipart": ("multipart/form-data",),
    }.get(call.kind)
    if wanted and said not in wanted:
        yield f"the content is {said or 'nothing'}, not {call.kind}"
    elif call.kind == "json":
        yield from misfits(json.loads(request.body or b"null"), call.body, "$")
    elif call.kind == "form":
        pairs = parse_qsl(str(request.body or ""), keep_blank_values=True)
        yield from (
            f"the field {name} is not documented"
            for name, _ in pairs
            if not _is_field(name, call.body)
        )
    elif call.kind == "none" and request.body:
        yield "it has content"


def _is_field(name: str, known: Iterable[str]) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".+"), name) for one in known)


def misfits(value: Any, shape: Shape, where: str) -> Iterator[str]:
    """Yield where a value is not of a shape."""
    if shape is object:
        return
    if isinstance(shape, tuple):
        if all(any(misfits(value, one, where)) for one in shape):
            yield f"{where} is none of the alternatives"
    elif isinstance(shape, Mapping):
        yield from _object_misfits(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list"
        else:
            for place, one in enumerate(value):
                yield from misfits(one, shape[0], f"{where}[{place}]")
    elif isinstance(shape, set):
        if value not in shape:
            yield f"{where} is {value!r}, none of {sorted(shape)}"
    elif not _is_plain(value, shape):
        yield f"{where} is a {type(value).__name__}, not {shape}"


def _is_plain(value: Any, shape: Shape) -> bool:
    if shape is None:
        return value is None
    if isinstance(value, bool):
        return shape is bool
    return isinstance(value, (int, float) if shape is float else shape)


def _object_misfits(value: Any, shape: Mapping[str, Shape], where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{where} is no object"
        return
    known = {name.removesuffix("?"): one for name, one in shape.items()}
    for name, below in value.items():
        if name in known:
            yield from misfits(below, known[name], f"{where}.{name}")
        elif "*" in known:
            yield from misfits(below, known["*"], f"{where}.{name}")
        else:
            yield f"{where}.{name} is not documented"
    for name in shape:
        if name not in value and not name.endswith("?") and name != "*":
            yield f"{where}.{name} is missing"
