"""R2 over the API: buckets, and objects as raw bytes.

Reference: Cloudflare API, "R2 Bucket" and "R2 Objects"; R2, "Error codes".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import BucketEvents, BucketPlace
from xswarm_twin.cloudflare.twin import Twin, twin_of
from xswarm_twin.objects import metadata
from xswarm_twin.objects.errors import BucketExists, BucketMissing, BucketNotEmpty, KeyInvalid
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.records import Bucket, StoredObject
from xswarm_twin.objects.store import MAXIMUM_LISTED

MAXIMUM_OBJECT_BYTES = 5 * 1024**3
"""R2's limit of an object that is uploaded in one call."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])")
_CHUNK = 1 << 20
_STORAGE = ("Standard", "InfrequentAccess")
_LOCATIONS = ("enam", "wnam", "weur", "eeur", "apac", "oc")
_ANYWHERE = "default"
_JURISDICTIONS = (_ANYWHERE, "eu", "us", "fedramp", "fedramp-high")

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/r2/buckets"
_ONE = _ALL + "/{bucket}"
_OBJECTS = _ONE + "/objects"
_OBJECT = _OBJECTS + "/{key:.+}"


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the buckets whose names contain a text."""
    twin, wanted = twin_of(request), request.query.get("name_contains", "")
    asked = _jurisdiction(request)
    found = [
        _told(bucket, asked)
        for bucket in twin.objects.buckets()
        if wanted in bucket.name and jurisdiction_of(twin, bucket.name) == asked
    ]
    return success({"buckets": found})


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a bucket."""
    body = await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if not _NAME.fullmatch(name):
        raise refusals.bucket_name_invalid()
    storage = bodies.optional(body, "storageClass", _STORAGE[0])
    if storage not in _STORAGE:
        raise refusals.body_invalid(f"storageClass is one of {', '.join(_STORAGE)}")
    location = bodies.optional(body, "locationHint", _LOCATIONS[0])
    if location.lower() not in _LOCATIONS:
        raise refusals.body_invalid(f"locationHint is one of {', '.join(_LOCATIONS)}")
    twin, jurisdiction = twin_of(request), _jurisdiction(request)
    async with _refusing():
        made = twin.objects.create_bucket(name, location.upper(), storage)
    if jurisdiction != _ANYWHERE:
        twin.store.save(BucketPlace(name, jurisdiction))
    return success(_told(made, jurisdiction))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a bucket."""
    async with _refusing():
        bucket = twin_of(request).objects.bucket(bucket_of(request))
    return success(_told(bucket, _jurisdiction(request)))


@routes.patch(_ONE)
async def change(request: web.Request) -> web.Response:
    """Change the storage class of a bucket to the one that a header names."""
    storage = request.headers.get("cf-r2-storage-class", "")
    if storage not in _STORAGE:
        raise refusals.body_invalid(f"cf-r2-storage-class is one of {', '.join(_STORAGE)}")
    async with _refusing():
        bucket = twin_of(request).objects.reclassify(bucket_of(request), storage)
    return success(_told(bucket, _jurisdiction(request)))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Delete an empty bucket."""
    twin, name = twin_of(request), bucket_of(request)
    async with _refusing():
        twin.objects.delete_bucket(name)
    place = twin.store.find(BucketPlace, name)
    events = twin.store.all(BucketEvents, name)
    twin.store.remove(*events, *([place] if place else []))
    return success({})


@routes.get(_OBJECTS)
async def listing(request: web.Request) -> web.Response:
    """List the objects of a bucket by pages, in the order of their keys."""
    size = bodies.number(request, "per_page", 20, MAXIMUM_LISTED)
    async with _refusing():
        found = twin_of(request).objects.list(
            bucket_of(request),
            prefix=request.query.get("prefix", ""),
            delimiter=request.query.get("delimiter", ""),
            cursor=request.query.get("cursor"),
            start_after=request.query.get("start_after", ""),
            limit=size,
        )
    information: dict[str, Any] = {"per_page": size, "is_truncated": found.truncated}
    if found.truncated:
        information["cursor"] = found.cursor
    if found.prefixes:
        information["delimited"] = list(found.prefixes)
    return success([_object(stored) for stored in found.objects], information)


@routes.put(_OBJECT)
async def put(request: web.Request) -> web.Response:
    """Store an object; the body is its bytes, streamed to disk."""
    objects, bucket = twin_of(request).objects, bucket_of(request)
    async with _refusing():
        objects.bucket(bucket)
        with objects.incoming() as incoming:
            await _receive(request, incoming)
            told = metadata.http_fields({k.lower(): v for k, v in request.headers.items()})
            stored = await asyncio.to_thread(
                objects.put, bucket, request.match_info["key"], incoming, http_metadata=told
            )
    return success(_object(stored))


@routes.get(_OBJECT)
async def get(request: web.Request) -> web.StreamResponse:
    """Return an object's bytes."""
    objects = twin_of(request).objects
    async with _refusing():
        opened = objects.open(bucket_of(request), request.match_info["key"])
    if opened is None:
        raise refusals.object_not_found()
    stored, body = opened
    with body:
        headers = metadata.http_headers(stored) | {"ETag": f'"{stored.etag}"'}
        response = web.StreamResponse(headers=headers)
        response.content_length = stored.size
        await response.prepare(request)
        while request.method != "HEAD" and (chunk := await asyncio.to_thread(body.read, _CHUNK)):
            await response.write(chunk)
    await response.write_eof()
    return response


@routes.delete(_OBJECT)
async def delete_object(request: web.Request) -> web.Response:
    """Delete an object; a missing one is no error."""
    async with _refusing():
        twin_of(request).objects.delete(bucket_of(request), request.match_info["key"])
    return success({"key": request.match_info["key"]})


def jurisdiction_of(twin: Twin, bucket: str) -> str:
    """Return where a bucket's data has to stay."""
    place = twin.store.find(BucketPlace, bucket)
    return place.jurisdiction if place else _ANYWHERE


def _jurisdiction(request: web.Request) -> str:
    """Return the jurisdiction that a call is about; a bucket is seen from its own alone."""
    given = request.headers.get("cf-r2-jurisdiction", _ANYWHERE)
    if given not in _JURISDICTIONS:
        raise refusals.body_invalid(f"cf-r2-jurisdiction is one of {', '.join(_JURISDICTIONS)}")
    return given


def bucket_of(request: web.Request) -> str:
    """Return the bucket that the path names; refuse one of another jurisdiction, or none."""
    name = request.match_info["bucket"]
    if jurisdiction_of(twin_of(request), name) != _jurisdiction(request):
        raise refusals.bucket_not_found()
    return name


@asynccontextmanager
async def _refusing() -> AsyncIterator[None]:
    """Answer the store's errors by the API's codes."""
    try:
        yield
    except BucketMissing:
        raise refusals.bucket_not_found() from None
    except BucketExists:
        raise refusals.bucket_exists() from None
    except BucketNotEmpty:
        raise refusals.bucket_not_empty() from None
    except KeyInvalid as error:
        raise refusals.object_key_invalid(str(error)) from error


async def _receive(request: web.Request, incoming: Incoming) -> None:
    async for chunk in request.content.iter_chunked(_CHUNK):
        if incoming.size + len(chunk) > MAXIMUM_OBJECT_BYTES:
            raise refusals.body_too_large("an object", MAXIMUM_OBJECT_BYTES)
        incoming.write(chunk)


def _told(bucket: Bucket, jurisdiction: str) -> dict[str, str]:
    return {
        "name": bucket.name,
        "creation_date": bucket.creation_date,
        "location": bucket.location,
        "storage_class": bucket.storage_class,
        "jurisdiction": jurisdiction,
    }


def _object(stored: StoredObject) -> dict[str, Any]:
    return {
        "key": stored.key,
        "size": stored.size,
        "etag": stored.etag,
        "version": stored.version,
        "last_modified": stored.uploaded.isoformat().replace("+00:00", "Z"),
        "http_metadata": dict(stored.http_metadata),
        "custom_metadata": dict(stored.custom_metadata),
        "storage_class": "Standard",
    }
