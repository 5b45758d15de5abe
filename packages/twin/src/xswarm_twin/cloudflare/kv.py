"""KV namespaces, and their keys and values.

Reference: Cloudflare API, "Workers KV"; the values themselves are with the simulators.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, uploads
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import KvNamespace
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.simulators import Answer, Question

MAXIMUM_VALUE_BYTES: Final = 25 * 1024 * 1024
MAXIMUM_KEY_BYTES: Final = 512
LISTED: Final = range(10, 1001)
"""How many keys a page may have."""
MAXIMUM_BULK: Final = 10_000
MAXIMUM_BULK_GET: Final = 100
_AT_ONCE: Final = 16
_EXPIRING: Final = ("expiration", "expiration_ttl")

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/storage/kv/namespaces"
_ONE = _ALL + "/{namespace}"
_VALUE = _ONE + "/values/{key:.+}"


def _told(namespace: KvNamespace) -> dict[str, Any]:
    return {"id": namespace.id, "title": namespace.title, "supports_url_encoding": True}


_namespaces = Collection(
    *(KvNamespace, _ALL, "namespace", refusals.kv_namespace_not_found, _told),
)
_namespaces.offer(routes)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a namespace."""
    title = _title(request, await bodies.json_object(request))
    made = KvNamespace(uuid.uuid4().hex, title)
    twin_of(request).store.save(made)
    return success(_told(made))


@routes.put(_ONE)
async def rename(request: web.Request) -> web.Response:
    """Rename a namespace."""
    found = _namespaces.find(request)
    changed = replace(found, title=_title(request, await bodies.json_object(request)))
    twin_of(request).store.save(changed)
    return success(_told(changed))


@routes.get(_ONE + "/keys")
async def keys(request: web.Request) -> web.Response:
    """List the keys of a namespace."""
    limit = bodies.number(request, "limit", LISTED[-1], LISTED[-1], LISTED[0])
    query = {"key_count_limit": str(limit)}
    query |= {name: request.query[name] for name in ("prefix", "cursor") if name in request.query}
    told = json.loads((await _ask(request, "GET", f"/?{urlencode(query)}")).body)
    listed = [
        {
            **{name: value for name, value in key.items() if name != "metadata"},
            **({"metadata": json.loads(key["metadata"])} if key.get("metadata") else {}),
        }
        for key in told["keys"]
    ]
    return success(listed, {"count": len(listed), "cursor": told.get("cursor", "")})


@routes.get(_VALUE)
async def read(request: web.Request) -> web.Response:
    """Return a value."""
    found = await _ask(request, "GET", _path(request.match_info["key"]))
    kept = {"Expiration": found.headers.get("CF-Expiration")}
    headers = {name: text for name, text in kept.items() if text}
    return web.Response(body=found.body, headers=headers, content_type="application/octet-stream")


@routes.get(_ONE + "/metadata/{key:.+}")
async def metadata(request: web.Request) -> web.Response:
    """Return a key's metadata."""
    found = await _ask(request, "GET", _path(request.match_info["key"]))
    return success(json.loads(found.headers.get("CF-KV-Metadata", "null")))


@routes.put(_VALUE)
async def write(request: web.Request) -> web.Response:
    """Write a value, as the body or as a form of ``value`` and ``metadata``."""
    value, told = await _value(request)
    query = {name: request.query[name] for name in _EXPIRING if name in request.query}
    await _put(request, request.match_info["key"], value, told, query)
    return success(None)


@routes.delete(_VALUE)
async def remove(request: web.Request) -> web.Response:
    """Delete a key; one that is not there is no failure."""
    await _ask(request, "DELETE", _path(request.match_info["key"]))
    return success(None)


@routes.put(_ONE + "/bulk")
async def write_all(request: web.Request) -> web.Response:
    """Write many values."""
    _namespaces.find(request)
    listed = [bodies.checked(one, dict, "a pair") for one in await bodies.json_list(request)]
    _require_few(listed, MAXIMUM_BULK)
    await _each([_put_pair(request, pair) for pair in listed])
    return success({"successful_key_count": len(listed), "unsuccessful_keys": []})


@routes.delete(_ONE + "/bulk")
@routes.post(_ONE + "/bulk/delete")
async def remove_all(request: web.Request) -> web.Response:
    """Delete many keys."""
    _namespaces.find(request)
    listed = await bodies.json_list(request)
    _require_few(listed, MAXIMUM_BULK)
    names = [one["name"] if isinstance(one, dict) else one for one in listed]
    paths = [_path(bodies.checked(name, str, "a key")) for name in names]
    await _each([_ask(request, "DELETE", path) for path in paths])
    return success({"successful_key_count": len(paths), "unsuccessful_keys": []})


@routes.post(_ONE + "/bulk/get")
async def read_all(request: web.Request) -> web.Response:
    """Return many values at once."""
    body = await bodies.json_object(request)
    _require_few(bodies.required(body, "keys", list), MAXIMUM_BULK_GET)
    asked = {name: body[name] for name in ("keys", "type", "withMetadata") if name in body}
    found = await _ask(request, "POST", "/bulk/get", json.dumps(asked).encode())
    return success({"values": json.loads(found.body)})


async def _put_pair(request: web.Request, pair: dict[str, Any]) -> None:
    value = bodies.required(pair, "value", str).encode()
    if bodies.optional(pair, "base64", default=False):
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise refusals.kv_invalid("a value is not base64") from None
    told = json.dumps(pair["metadata"]) if pair.get("metadata") is not None else None
    query = {name: str(pair[name]) for name in _EXPIRING if pair.get(name) is not None}
    await _put(request, bodies.required(pair, "key", str), value, told, query)


async def _put(
    request: web.Request, key: str, value: bytes, told: str | None, query: Mapping[str, str]
) -> None:
    headers = {} if told is None else {"CF-KV-Metadata": told}
    asked = f"{_path(key)}?{urlencode(query)}" if query else _path(key)
    await _ask(request, "PUT", asked, value, headers)


async def _each(work: list[Any]) -> None:
    """Do all, a few at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def gated(one: Any) -> None:
        async with gate:
            await one

    await asyncio.gather(*map(gated, work))


async def _value(request: web.Request) -> tuple[bytes, str | None]:
    if not request.content_type.startswith("multipart/"):
        return await request.read(), None
    value, told = b"", None
    async for part in uploads.parts_of(request):
        raw = await uploads.whole(part, MAXIMUM_VALUE_BYTES)
        if part.name == "value":
            value = raw
        elif part.name == "metadata":
            told = json.dumps(bodies.parsed(raw))
    return value, told


async def _ask(
    request: web.Request,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask the simulator; what it refuses is refused."""
    namespace = {"namespace": _namespaces.find(request).id}
    question = Question("kv", namespace, method, path, body, headers or {})
    answer = await twin_of(request).edge.ask(question)
    if answer.status == 404:
        raise refusals.kv_key_not_found()
    if answer.status >= 400:
        raise refusals.kv_invalid(answer.reason, status=answer.status)
    return answer


def _path(key: str) -> str:
    """Return where the simulator has a key; refuse a key that KV does not take."""
    size = len(key.encode())
    if size > MAXIMUM_KEY_BYTES:
        why = f"UTF-8 encoded length of {size} exceeds key length limit of {MAXIMUM_KEY_BYTES}."
        raise refusals.kv_invalid(why, status=414)
    if key in ("", ".", ".."):
        raise refusals.kv_invalid(f"{key!r} is not allowed as a key name")
    return f"/{quote(key, safe='')}"


def _require_few(listed: list[Any], most: int) -> None:
    if not 1 <= len(listed) <= most:
        raise refusals.kv_invalid(f"there are 1 to {most} keys in a request")


def _title(request: web.Request, body: dict[str, Any]) -> str:
    title = bodies.required(body, "title", str)
    if not 1 <= len(title.encode()) <= 512:
        raise refusals.kv_invalid("a namespace's title has 1 to 512 bytes")
    if any(one.title == title for one in twin_of(request).store.all(KvNamespace)):
        raise refusals.kv_title_taken()
    return title
