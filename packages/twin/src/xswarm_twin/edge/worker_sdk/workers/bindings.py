"""The bindings of a Python Worker that are more than values: R2 buckets, static files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Unpack
from urllib.parse import urlsplit

from .fetch import Call, Reply, send
from .objects import JsDict, to_python
from .request import Request
from .response import FetchResponse, Response
from .types import FetchKwargs

_NO_SUCH_KEY, _PRECONDITION_FAILED = 10007, 10031


@dataclass(frozen=True)
class Service:
    """A service of the local host, and the headers that open it."""

    address: str
    headers: tuple[tuple[str, str], ...]

    async def send(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes = b""
    ) -> Reply:
        """Send one request."""
        url = f"http://{self.address}{target}"
        return await send(Call(method, url, (*headers, *self.headers), body))


class Fetcher:
    """A binding that answers requests, such as the static files."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def fetch(
        self, resource: str | Request, **other_options: Unpack[FetchKwargs]
    ) -> Response:
        """Send a request to what is bound; the URL's host is told, but not asked."""
        request = Request(resource, **other_options)
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        kept = [pair for pair in request._pairs if pair[0].lower() != "host"]
        headers = (*kept, ("Host", parts.netloc))
        reply = await self._service.send(request._verb, target, headers, await request.bytes())
        made = FetchResponse(reply.body, reply.status, reply.reason, list(reply.headers))
        return Response(made)


class R2Object:
    """What is known of an object (the Workers API's names)."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.key: str = told["name"]
        self.version: str = told["version"]
        self.size: int = told["size"]
        self.etag: str = told["etag"]
        self.httpEtag = f'"{self.etag}"'
        self.uploaded = datetime.fromtimestamp(told["uploaded"] / 1000, UTC)
        self.httpMetadata = JsDict(told["httpFields"])
        self.customMetadata = JsDict({entry["k"]: entry["v"] for entry in told["customFields"]})
        self.storageClass = "Standard"
        self.range = to_python(told.get("range"))


class R2ObjectBody(R2Object):
    """An object with its bytes."""

    def __init__(self, told: Mapping[str, Any], content: bytes) -> None:
        super().__init__(told)
        self._content = content

    async def text(self) -> str:
        """Return the bytes as text."""
        return self._content.decode("utf-8", "replace")

    async def json(self) -> Any:
        """Return the bytes as JSON."""
        return to_python(json.loads(self._content))

    async def bytes(self) -> memoryview:
        """Return the bytes."""
        return memoryview(self._content)

    async def arrayBuffer(self) -> memoryview:  # noqa: N802 (the Workers API's name)
        """Return the bytes."""
        return memoryview(self._content)


class R2Bucket:
    """An R2 bucket; options are keywords, or a dictionary as the last argument."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def head(self, key: str) -> R2Object | None:
        """Return what is known of an object, or None."""
        told, _ = await self._read({"method": "head", "object": key})
        return None if told is None else R2Object(told)

    async def get(
        self, key: str, options: Mapping[str, Any] | None = None, **keywords: Any
    ) -> R2Object | None:
        """Return an object with its bytes, or None; without them where ``onlyIf`` does not hold."""
        asked = {"method": "get", "object": key, **_get_options({**(options or {}), **keywords})}
        told, content = await self._read(asked)
        if told is None:
            return None
        return R2Object(told) if content is None else R2ObjectBody(told, content)

    async def put(
        self,
        key: str,
        value: str | bytes | bytearray | memoryview | None,
        options: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> R2Object | None:
        """Store an object; None where ``onlyIf`` does not hold."""
        body = value.encode() if isinstance(value, str) else bytes(value or b"")
        asked = {"method": "put", "object": key, **_put_options({**(options or {}), **keywords})}
        told, _ = await self._change(asked, body)
        return None if told is None else R2Object(told)

    async def delete(self, keys: str | list[str]) -> None:
        """Remove objects."""
        named = {"object": keys} if isinstance(keys, str) else {"objects": list(keys)}
        await self._change({"method": "delete", **named})

    async def list(self, options: Mapping[str, Any] | None = None, **keywords: Any) -> JsDict:
        """Return a page: objects, truncated, cursor, delimitedPrefixes."""
        given = {**(options or {}), **keywords}
        included = given.pop("include", ["httpMetadata", "customMetadata"])
        numbers = [["httpMetadata", "customMetadata"].index(name) for name in included]
        told, _ = await self._read({"method": "list", "include": numbers, **given})
        page = JsDict(told or {})
        page["objects"] = [R2Object(entry) for entry in page["objects"]]
        return page

    async def _read(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bytes | None]:
        header = ("CF-R2-Request", json.dumps(asked))
        return _understood(await self._service.send("GET", "/", (header,)))

    async def _change(
        self, asked: Mapping[str, Any], body: bytes = b""
    ) -> tuple[dict[str, Any] | None, bytes | None]:
        head = json.dumps(asked).encode()
        size = ("CF-R2-Metadata-Size", str(len(head)))
        return _understood(await self._service.send("PUT", "/", (size,), head + body))


def _understood(reply: Reply) -> tuple[dict[str, Any] | None, bytes | None]:
    """Read a reply of the R2 protocol: what is told, and the bytes behind it."""
    headers = {name.lower(): value for name, value in reply.headers}
    length = int(headers.get("cf-r2-metadata-size", "0"))
    told = json.loads(reply.body[:length]) if length else None
    if "cf-r2-error" not in headers:
        return told, reply.body[length:]
    error = json.loads(headers["cf-r2-error"])
    if error["v4code"] in (_NO_SUCH_KEY, _PRECONDITION_FAILED):
        return told, None
    raise OSError(f"{error['message']} ({error['v4code']})")


def _get_options(given: Mapping[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if "onlyIf" in given:
        asked["onlyIf"] = _only_if(given["onlyIf"])
    if "range" in given:
        asked["range"] = dict(given["range"])
    return asked


def _put_options(given: Mapping[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {"httpFields": dict(given.get("httpMetadata") or {})}
    custom = given.get("customMetadata") or {}
    asked["customFields"] = [{"k": name, "v": str(text)} for name, text in custom.items()]
    if "onlyIf" in given:
        asked["onlyIf"] = _only_if(given["onlyIf"])
    return asked


def _only_if(given: Mapping[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name in ("etagMatches", "etagDoesNotMatch"):
        if name in given:
            asked[name] = [_etag(given[name])]
    for name in ("uploadedBefore", "uploadedAfter"):
        if name in given:
            asked[name] = int(given[name].timestamp() * 1000)
    return asked


def _etag(value: str) -> dict[str, str]:
    return {"type": "wildcard"} if value == "*" else {"type": "strong", "value": value.strip('"')}
