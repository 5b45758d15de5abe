"""R2 as workerd's bindings speak it: JSON metadata, then bytes, over HTTP.

A read is a GET with the request as JSON in ``CF-R2-Request``; a change is a PUT whose body
begins with that JSON, ``CF-R2-Metadata-Size`` bytes of it. Replies begin with JSON likewise;
refusals are in ``CF-R2-Error``. The numbers of the refusals are R2's (its Workers API).
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from aiohttp import web

from xswarm_twin.objects.errors import DigestMismatch, ObjectsError, UploadMissing
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.ranges import ByteRange, RangeInvalid, parse_range, resolve_range
from xswarm_twin.objects.records import UNCONDITIONAL, Conditions, StoredObject
from xswarm_twin.objects.store import Objects

REQUEST_HEADER = "CF-R2-Request"
METADATA_HEADER = "CF-R2-Metadata-Size"
ERROR_HEADER = "CF-R2-Error"

_CHUNK = 1 << 16
_LONGEST_METADATA = 1 << 20
_CHECKSUMS = ("md5", "sha1", "sha256", "sha384", "sha512")
_RANGE_INVALID = (416, 10039, "The range has no bytes.")
_NO_SUCH_KEY = (404, 10007)


async def serve_bucket(request: web.Request, objects: Objects, bucket: str) -> web.StreamResponse:
    """Answer one request of an R2 binding."""
    try:
        if request.method == "GET":
            return await _read(request, objects, bucket)
        return await _change(request, objects, bucket)
    except RangeInvalid:
        return _refused(*_RANGE_INVALID)
    except UploadMissing as refusal:  # 404 by S3's API
        return _refused(400, refusal.number, str(refusal))
    except ObjectsError as refusal:
        return _refused(refusal.status, refusal.number, str(refusal))


async def _read(request: web.Request, objects: Objects, bucket: str) -> web.StreamResponse:
    asked: dict[str, Any] = json.loads(request.headers[REQUEST_HEADER])
    if asked["method"] == "list":
        return _listing(objects, bucket, asked)
    if asked["method"] == "head":
        found = objects.head(bucket, asked["object"])
        return _no_such_key() if found is None else _told(_properties(found))
    opened = objects.open(bucket, asked["object"])
    if opened is None:
        return _no_such_key()
    found, body = opened
    with body:
        if _conditions(asked).unmet(found):
            return _refused(412, 10031, "A condition does not hold.", _properties(found))
        part = _part_of(asked, found.size)
        return await _send(request, found, body, part)


async def _send(
    request: web.Request, found: StoredObject, body: BinaryIO, part: ByteRange
) -> web.StreamResponse:
    head = json.dumps(_properties(found, part)).encode()
    response = web.StreamResponse(
        headers={METADATA_HEADER: str(len(head)), "Content-Type": "application/json"}
    )
    response.content_length = len(head) + part.length
    await response.prepare(request)
    await response.write(head)
    body.seek(part.offset)
    left = part.length
    while left and (chunk := body.read(min(_CHUNK, left))):
        await response.write(chunk)
        left -= len(chunk)
    await response.write_eof()
    return response


async def _change(request: web.Request, objects: Objects, bucket: str) -> web.StreamResponse:
    length = int(request.headers.get(METADATA_HEADER, "0"))
    if not 0 < length <= _LONGEST_METADATA:
        return _refused(400, 10029, "The metadata is missing or too long.")
    asked: dict[str, Any] = json.loads(await request.content.readexactly(length))
    change = _CHANGES.get(asked["method"])
    if change is None:
        return _refused(501, 10001, f"{asked['method']} is not offered.")
    with objects.incoming() as body:
        async for chunk in _rest(request):
            body.write(chunk)
        return change(objects, bucket, asked, body)


async def _rest(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(_CHUNK):
        yield chunk


def _put(
    objects: Objects, bucket: str, asked: Mapping[str, Any], body: Incoming
) -> web.StreamResponse:
    checksums = _verified(asked, body)
    stored = objects.put(
        bucket,
        asked["object"],
        body,
        http_metadata=_http_fields(asked),
        custom_metadata=_custom_fields(asked),
        checksums=checksums,
        conditions=_conditions(asked),
    )
    return _told(_properties(stored))


def _delete(
    objects: Objects, bucket: str, asked: Mapping[str, Any], _: Incoming
) -> web.StreamResponse:
    objects.delete(bucket, asked.get("objects", asked.get("object", ())))
    return web.Response()


def _create_upload(
    objects: Objects, bucket: str, asked: Mapping[str, Any], _: Incoming
) -> web.StreamResponse:
    upload = objects.create_upload(
        bucket,
        asked["object"],
        http_metadata=_http_fields(asked),
        custom_metadata=_custom_fields(asked),
    )
    return _told({"uploadId": upload.id})


def _put_part(
    objects: Objects, bucket: str, asked: Mapping[str, Any], body: Incoming
) -> web.StreamResponse:
    part = objects.put_part(bucket, asked["object"], asked["uploadId"], asked["partNumber"], body)
    return _told({"etag": part.etag})


def _complete_upload(
    objects: Objects, bucket: str, asked: Mapping[str, Any], _: Incoming
) -> web.StreamResponse:
    parts = sorted((part["part"], part["etag"]) for part in asked["parts"])
    stored = objects.complete_upload(bucket, asked["object"], asked["uploadId"], parts)
    return _told(_properties(stored))


def _abort_upload(
    objects: Objects, bucket: str, asked: Mapping[str, Any], _: Incoming
) -> web.StreamResponse:
    objects.abort_upload(bucket, asked["object"], asked["uploadId"])
    return web.Response()


_CHANGES = {
    "put": _put,
    "delete": _delete,
    "createMultipartUpload": _create_upload,
    "uploadPart": _put_part,
    "completeMultipartUpload": _complete_upload,
    "abortMultipartUpload": _abort_upload,
}


def _listing(objects: Objects, bucket: str, asked: Mapping[str, Any]) -> web.StreamResponse:
    page = objects.list(
        bucket,
        prefix=asked.get("prefix") or "",
        delimiter=asked.get("delimiter") or "",
        cursor=_decoded(asked.get("cursor")),
        start_after=asked.get("startAfter") or "",
        limit=asked.get("limit") or 1000,
    )
    included = asked.get("include", ())
    told = {
        "objects": [_listed(_properties(found), included) for found in page.objects],
        "truncated": page.truncated,
        "delimitedPrefixes": list(page.prefixes),
    }
    if page.cursor is not None:
        told["cursor"] = base64.urlsafe_b64encode(page.cursor.encode()).decode()
    return _told(told)


def _listed(properties: dict[str, Any], included: Any) -> dict[str, Any]:
    """Leave out the metadata that was not asked for (0 = HTTP, 1 = custom)."""
    if 0 not in included:
        properties["httpFields"] = {}
    if 1 not in included:
        properties["customFields"] = []
    return properties


def _decoded(cursor: str | None) -> str | None:
    return base64.urlsafe_b64decode(cursor).decode() if cursor else None


def _properties(found: StoredObject, part: ByteRange | None = None) -> dict[str, Any]:
    """Return what workerd reads of an object."""
    told: dict[str, Any] = {
        "name": found.key,
        "version": found.version,
        "size": found.size,
        "etag": found.etag,
        "uploaded": int(found.uploaded.timestamp() * 1000),
        "httpFields": dict(found.http_metadata),
        "customFields": [{"k": name, "v": text} for name, text in found.custom_metadata.items()],
        "checksums": {
            str(number): found.checksums[name]
            for number, name in enumerate(_CHECKSUMS)
            if name in found.checksums
        },
    }
    if part is not None:
        told["range"] = {"offset": part.offset, "length": part.length}
    return told


def _part_of(asked: Mapping[str, Any], size: int) -> ByteRange:
    """Return the bytes that are asked for; without a range, all of them (an empty object too)."""
    if header := asked.get("rangeHeader"):
        found = parse_range(header, size)
    elif wanted := asked.get("range"):
        found = resolve_range(size, **{name: int(number) for name, number in wanted.items()})
    else:
        found = None
    return found or ByteRange(0, size)


def _conditions(asked: Mapping[str, Any]) -> Conditions:
    only_if = asked.get("onlyIf")
    if not only_if:
        return UNCONDITIONAL
    return Conditions(
        matches=_etags(only_if.get("etagMatches", ())),
        differs=_etags(only_if.get("etagDoesNotMatch", ())),
        unmodified_since=_moment(only_if.get("uploadedBefore")),
        modified_since=_moment(only_if.get("uploadedAfter")),
    )


def _etags(wanted: Any) -> tuple[str, ...]:
    return tuple("*" if etag["type"] == "wildcard" else etag["value"] for etag in wanted)


def _moment(milliseconds: Any) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _http_fields(asked: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(text) for name, text in (asked.get("httpFields") or {}).items()}


def _custom_fields(asked: Mapping[str, Any]) -> dict[str, str]:
    return {entry["k"]: entry["v"] for entry in asked.get("customFields") or ()}


def _verified(asked: Mapping[str, Any], body: Incoming) -> dict[str, str]:
    """Compare the announced digests with those of the bytes; return them in hexadecimal."""
    announced = {name: asked[name] for name in _CHECKSUMS if asked.get(name)}
    if "md5" in announced:
        announced["md5"] = base64.b64decode(announced["md5"]).hex()
    for name, expected in announced.items():
        if body.digest(name) != expected.lower():
            raise DigestMismatch(f"The {name} checksum does not match what was received.")
    return announced


def _told(properties: Mapping[str, Any]) -> web.Response:
    body = json.dumps(properties).encode()
    return web.Response(
        body=body,
        headers={METADATA_HEADER: str(len(body)), "Content-Type": "application/json"},
    )


def _no_such_key() -> web.Response:
    return _refused(*_NO_SUCH_KEY, "The specified key does not exist.")


def _refused(
    status: int, code: int, message: str, properties: Mapping[str, Any] | None = None
) -> web.Response:
    error = json.dumps({"version": 1, "v4code": code, "message": message})
    response = web.Response(status=status) if properties is None else _told(properties)
    response.set_status(status)
    response.headers[ERROR_HEADER] = error
    return response
