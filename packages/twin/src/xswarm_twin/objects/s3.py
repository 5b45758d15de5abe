"""The S3 face of the object store: what R2's S3 API offers, path-style, signed requests only."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from aiohttp import web

from xswarm_twin.objects.errors import (
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    DigestMismatch,
    KeyInvalid,
    ObjectsError,
    PartInvalid,
    PreconditionFailed,
    UploadMissing,
)
from xswarm_twin.objects.payload import receive
from xswarm_twin.objects.ranges import ByteRange, RangeInvalid, parse_range
from xswarm_twin.objects.records import Conditions, Listing, StoredObject
from xswarm_twin.objects.signature import Keys, Proof, SignatureRefused, SignedRequest, verify
from xswarm_twin.objects.store import MAXIMUM_LISTED, Objects
from xswarm_twin.objects.xml import Element, render

_CHUNK = 1 << 16
_MOST_DELETED = 1000
_OWNER = ("Owner", [("ID", "local"), ("DisplayName", "local")])
_STATUSES: dict[type[ObjectsError], int] = {
    BucketMissing: 404,
    BucketExists: 409,
    BucketNotEmpty: 409,
    KeyInvalid: 400,
    PreconditionFailed: 412,
    DigestMismatch: 400,
    UploadMissing: 404,
    PartInvalid: 400,
}
_HTTP_FIELDS = {
    "content-type": "contentType",
    "content-language": "contentLanguage",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "cache-control": "cacheControl",
    "expires": "cacheExpiry",
}
_CUSTOM = "x-amz-meta-"


class Refused(Exception):
    """A request that S3 refuses, with S3's status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)


@dataclass(frozen=True)
class Call:
    """One verified request: what it is about, and what it says."""

    request: web.Request
    proof: Proof
    bucket: str
    key: str
    headers: Mapping[str, str]
    query: Mapping[str, str]


Answer = Callable[[Call], Awaitable[web.StreamResponse]]


class S3:
    """Serve an object store by S3's API.

    Args:
        objects: the store.
        keys: the keys that requests are signed with.
    """

    def __init__(self, objects: Objects, keys: Keys) -> None:
        self._objects = objects
        self._keys = keys
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def listen(self, port: int) -> int:
        """Open a port of 127.0.0.1 (0: a free one) and give it; raises OSError when taken."""
        runner = web.AppRunner(
            self.application(),
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            call = self._verified(request)
            return await self._answer(call)(call)
        except SignatureRefused as refusal:
            status = 400 if refusal.code.startswith("Authorization") else 403
            return _error(request, status, refusal.code, str(refusal))
        except ObjectsError as refusal:
            return _error(request, _STATUSES[type(refusal)], refusal.code, str(refusal))
        except RangeInvalid:
            return _error(request, 416, "InvalidRange", "The requested range is not satisfiable.")
        except Refused as refusal:
            return _error(request, refusal.status, refusal.code, str(refusal))

    def _verified(self, request: web.Request) -> Call:
        path, _, query = request.raw_path.partition("?")
        headers = _joined(request)
        signed = SignedRequest(request.method, path, query, headers)
        proof = verify(signed, self._keys, datetime.now(UTC))
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        return Call(request, proof, bucket, key, headers, dict(request.query))

    def _answer(self, call: Call) -> Answer:
        """Find what answers a call: by its method, and by what of a bucket or object it names."""
        level = "object" if call.key else "bucket" if call.bucket else "service"
        marks = [mark for mark in _MARKS if mark in call.query]
        copying = "x-amz-copy-source" in call.headers
        name = (level, call.request.method, marks[0] if marks else "copy" if copying else "")
        answers: dict[tuple[str, str, str], Answer] = {
            ("service", "GET", ""): self._list_buckets,
            ("bucket", "HEAD", ""): self._head_bucket,
            ("bucket", "PUT", ""): self._create_bucket,
            ("bucket", "DELETE", ""): self._delete_bucket,
            ("bucket", "GET", ""): self._list_first,
            ("bucket", "GET", "list-type"): self._list_second,
            ("bucket", "GET", "location"): self._location,
            ("bucket", "GET", "uploads"): self._list_uploads,
            ("bucket", "POST", "delete"): self._delete_objects,
            ("object", "GET", ""): self._get,
            ("object", "HEAD", ""): self._get,
            ("object", "PUT", ""): self._put,
            ("object", "PUT", "copy"): self._copy,
            ("object", "DELETE", ""): self._delete,
            ("object", "POST", "uploads"): self._create_upload,
            ("object", "PUT", "uploadId"): self._put_part,
            ("object", "GET", "uploadId"): self._list_parts,
            ("object", "POST", "uploadId"): self._complete_upload,
            ("object", "DELETE", "uploadId"): self._abort_upload,
        }
        found = answers.get(name)
        if found is None:
            raise Refused(501, "NotImplemented", f"{call.request.method} of this is not offered")
        return found

    # Buckets

    async def _list_buckets(self, _: Call) -> web.StreamResponse:
        buckets = [
            ("Bucket", [("Name", bucket.name), ("CreationDate", bucket.creation_date)])
            for bucket in self._objects.buckets()
        ]
        return _told("ListAllMyBucketsResult", [_OWNER, ("Buckets", buckets)])

    async def _head_bucket(self, call: Call) -> web.StreamResponse:
        self._objects.bucket(call.bucket)
        return web.Response()

    async def _create_bucket(self, call: Call) -> web.StreamResponse:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", call.bucket):
            raise Refused(400, "InvalidBucketName", "The specified bucket is not valid.")
        self._objects.create_bucket(call.bucket)
        return web.Response(headers={"Location": f"/{call.bucket}"})

    async def _delete_bucket(self, call: Call) -> web.StreamResponse:
        self._objects.delete_bucket(call.bucket)
        return web.Response(status=204)

    async def _location(self, call: Call) -> web.StreamResponse:
        return _told("LocationConstraint", self._objects.bucket(call.bucket).location)

    async def _list_second(self, call: Call) -> web.StreamResponse:
        token = call.query.get("continuation-token")
        page = self._page(call, _cursor(token), call.query.get("start-after", ""))
        told = [
            *_list_head(call, page),
            ("KeyCount", len(page.objects) + len(page.prefixes)),
        ]
        if token is not None:
            told.append(("ContinuationToken", token))
        if page.cursor is not None:
            told.append(("NextContinuationToken", _token(page.cursor)))
        return _told("ListBucketResult", [*told, *_list_body(call, page)])

    async def _list_first(self, call: Call) -> web.StreamResponse:
        page = self._page(call, call.query.get("marker") or None, "")
        told = [*_list_head(call, page), ("Marker", call.query.get("marker", ""))]
        if page.cursor is not None:
            told.append(("NextMarker", page.cursor))
        return _told("ListBucketResult", [*told, *_list_body(call, page)])

    def _page(self, call: Call, cursor: str | None, start_after: str) -> Listing:
        limit = _number(call.query.get("max-keys", str(MAXIMUM_LISTED)))
        if limit == 0:
            self._objects.bucket(call.bucket)
            return Listing((), (), None)
        return self._objects.list(
            call.bucket,
            prefix=call.query.get("prefix", ""),
            delimiter=call.query.get("delimiter", ""),
            cursor=cursor,
            start_after=start_after,
            limit=limit,
        )

    async def _delete_objects(self, call: Call) -> web.StreamResponse:
        wanted = await self._xml(call)
        keys = [entry.text or "" for entry in wanted.iterfind("{*}Object/{*}Key")]
        if not 1 <= len(keys) <= _MOST_DELETED:
            raise Refused(400, "MalformedXML", "one to a thousand keys are deleted at once")
        self._objects.delete(call.bucket, keys)
        quiet = (wanted.findtext("{*}Quiet") or "").lower() == "true"
        deleted: list[Element] = [] if quiet else [("Deleted", [("Key", key)]) for key in keys]
        return _told("DeleteResult", deleted)

    # Objects

    async def _get(self, call: Call) -> web.StreamResponse:
        opened = self._objects.open(call.bucket, call.key)
        if opened is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        found, body = opened
        with body:
            unmet = _conditions(call.headers).unmet(found)
            if unmet in ("If-Match", "If-Unmodified-Since"):
                raise PreconditionFailed(f"{unmet} does not hold")
            headers = _object_headers(found, call.query)
            if unmet is not None:
                return web.Response(status=304, headers=headers)
            part = parse_range(call.headers.get("range", ""), found.size)
            return await _send(call.request, found, headers, body, part)

    async def _put(self, call: Call) -> web.StreamResponse:
        self._objects.bucket(call.bucket)
        with self._objects.incoming() as body:
            await receive(call.request.content, call.headers, call.proof, body)
            stored = self._objects.put(
                call.bucket,
                call.key,
                body,
                http_metadata=_http_fields(call.headers),
                custom_metadata=_custom_fields(call.headers),
                conditions=_conditions(call.headers),
            )
        return web.Response(headers={"ETag": f'"{stored.etag}"', **_checksums(call.headers)})

    async def _copy(self, call: Call) -> web.StreamResponse:
        source = unquote(call.headers["x-amz-copy-source"]).removeprefix("/")
        bucket, _, key = source.partition("?")[0].partition("/")
        opened = self._objects.open(bucket, key)
        if opened is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        found, content = opened
        replacing = call.headers.get("x-amz-metadata-directive") == "REPLACE"
        with content, self._objects.incoming() as body:
            while chunk := content.read(_CHUNK):
                body.write(chunk)
            stored = self._objects.put(
                call.bucket,
                call.key,
                body,
                http_metadata=_http_fields(call.headers) if replacing else found.http_metadata,
                custom_metadata=(
                    _custom_fields(call.headers) if replacing else found.custom_metadata
                ),
            )
        told = [("LastModified", _iso(stored.uploaded)), ("ETag", f'"{stored.etag}"')]
        return _told("CopyObjectResult", told)

    async def _delete(self, call: Call) -> web.StreamResponse:
        self._objects.delete(call.bucket, call.key)
        return web.Response(status=204)

    # Multipart uploads

    async def _create_upload(self, call: Call) -> web.StreamResponse:
        upload = self._objects.create_upload(
            call.bucket,
            call.key,
            http_metadata=_http_fields(call.headers),
            custom_metadata=_custom_fields(call.headers),
        )
        told = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)]
        return _told("InitiateMultipartUploadResult", told)

    async def _put_part(self, call: Call) -> web.StreamResponse:
        with self._objects.incoming() as body:
            await receive(call.request.content, call.headers, call.proof, body)
            part = self._objects.put_part(
                call.bucket,
                call.key,
                call.query["uploadId"],
                _number(call.query.get("partNumber", "")),
                body,
            )
        return web.Response(headers={"ETag": f'"{part.etag}"', **_checksums(call.headers)})

    async def _list_parts(self, call: Call) -> web.StreamResponse:
        upload = call.query["uploadId"]
        parts: list[Element] = [
            (
                "Part",
                [
                    ("PartNumber", part.number),
                    ("LastModified", _iso(part.uploaded)),
                    ("ETag", f'"{part.etag}"'),
                    ("Size", part.size),
                ],
            )
            for part in self._objects.parts(call.bucket, call.key, upload)
        ]
        head = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload)]
        return _told("ListPartsResult", [*head, ("IsTruncated", "false"), *parts])

    async def _list_uploads(self, call: Call) -> web.StreamResponse:
        uploads = [
            (
                "Upload",
                [
                    ("Key", upload.key),
                    ("UploadId", upload.id),
                    ("Initiated", _iso(upload.started)),
                ],
            )
            for upload in self._objects.uploads(call.bucket, call.query.get("prefix", ""))
        ]
        head = [("Bucket", call.bucket), ("IsTruncated", "false")]
        return _told("ListMultipartUploadsResult", [*head, *uploads])

    async def _complete_upload(self, call: Call) -> web.StreamResponse:
        wanted = await self._xml(call)
        parts = [
            (_number(part.findtext("{*}PartNumber") or ""), part.findtext("{*}ETag") or "")
            for part in wanted.iterfind("{*}Part")
        ]
        stored = self._objects.complete_upload(
            call.bucket,
            call.key,
            call.query["uploadId"],
            parts,
            conditions=_conditions(call.headers),
        )
        told = [("Bucket", call.bucket), ("Key", call.key), ("ETag", f'"{stored.etag}"')]
        return _told("CompleteMultipartUploadResult", told)

    async def _abort_upload(self, call: Call) -> web.StreamResponse:
        self._objects.abort_upload(call.bucket, call.key, call.query["uploadId"])
        return web.Response(status=204)

    async def _xml(self, call: Call) -> ElementTree.Element:
        with self._objects.incoming() as body:
            await receive(call.request.content, call.headers, call.proof, body)
            content = body.read()
        if b"<!" in content:
            raise Refused(400, "MalformedXML", "declarations are not allowed")
        try:
            return ElementTree.fromstring(content)  # noqa: S314 (it has no declarations)
        except ElementTree.ParseError:
            raise Refused(400, "MalformedXML", "The XML you provided was not well-formed") from None


_MARKS = ("list-type", "location", "uploads", "delete", "uploadId", "acl", "tagging", "versions")


async def _send(
    request: web.Request,
    found: StoredObject,
    headers: dict[str, str],
    body: BinaryIO,
    part: ByteRange | None,
) -> web.StreamResponse:
    if part is not None:
        headers["Content-Range"] = part.content_range(found.size)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    left = response.content_length = found.size if part is None else part.length
    await response.prepare(request)
    if request.method != "HEAD":
        body.seek(0 if part is None else part.offset)
        while left and (chunk := body.read(min(_CHUNK, left))):
            await response.write(chunk)
            left -= len(chunk)
    await response.write_eof()
    return response


def _joined(request: web.Request) -> dict[str, str]:
    """Return the headers by lower-case name, repeated ones joined."""
    joined: dict[str, str] = {}
    for name, text in request.headers.items():
        lower = name.lower()
        joined[lower] = f"{joined[lower]},{text}" if lower in joined else text
    return joined


def _object_headers(found: StoredObject, query: Mapping[str, str]) -> dict[str, str]:
    """Return an object's headers; a signed query may set some otherwise."""
    headers = {
        name: found.http_metadata[field]
        for name, field in _HTTP_FIELDS.items()
        if field in found.http_metadata
    }
    headers.setdefault("content-type", "application/octet-stream")
    for name in _HTTP_FIELDS:
        if f"response-{name}" in query:
            headers[name] = query[f"response-{name}"]
    headers.update({_CUSTOM + name: text for name, text in found.custom_metadata.items()})
    headers["ETag"] = f'"{found.etag}"'
    headers["Last-Modified"] = format_datetime(found.uploaded, usegmt=True)
    headers["Accept-Ranges"] = "bytes"
    headers["x-amz-version-id"] = found.version
    return headers


def _http_fields(headers: Mapping[str, str]) -> dict[str, str]:
    fields = {field: headers[name] for name, field in _HTTP_FIELDS.items() if name in headers}
    codings = [coding.strip() for coding in fields.get("contentEncoding", "").split(",")]
    kept = [coding for coding in codings if coding and coding != "aws-chunked"]
    fields.pop("contentEncoding", None)
    return {**fields, "contentEncoding": ",".join(kept)} if kept else fields


def _custom_fields(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(_CUSTOM): text
        for name, text in headers.items()
        if name.startswith(_CUSTOM)
    }


def _checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums back that came in headers, and were verified."""
    return {name: text for name, text in headers.items() if name.startswith("x-amz-checksum-")}


def _conditions(headers: Mapping[str, str]) -> Conditions:
    return Conditions(
        matches=_etags(headers.get("if-match", "")),
        differs=_etags(headers.get("if-none-match", "")),
        unmodified_since=_http_date(headers.get("if-unmodified-since")),
        modified_since=_http_date(headers.get("if-modified-since")),
    )


def _etags(header: str) -> tuple[str, ...]:
    etags = (etag.strip().removeprefix("W/").strip('"') for etag in header.split(","))
    return tuple(etag for etag in etags if etag)


def _http_date(header: str | None) -> datetime | None:
    """Read a date; the store's times have milliseconds, so the whole second counts."""
    if header is None:
        return None
    try:
        return parsedate_to_datetime(header).replace(microsecond=999_000)
    except ValueError:
        return None


def _list_head(call: Call, page: Listing) -> list[Element]:
    return [
        ("Name", call.bucket),
        ("Prefix", _spelled(call, call.query.get("prefix", ""))),
        ("MaxKeys", call.query.get("max-keys", str(MAXIMUM_LISTED))),
        ("IsTruncated", "true" if page.truncated else "false"),
        *(
            (title, call.query[name])
            for title, name in (("Delimiter", "delimiter"), ("EncodingType", "encoding-type"))
            if name in call.query
        ),
    ]


def _list_body(call: Call, page: Listing) -> list[Element]:
    objects: list[Element] = [
        (
            "Contents",
            [
                ("Key", _spelled(call, found.key)),
                ("LastModified", _iso(found.uploaded)),
                ("ETag", f'"{found.etag}"'),
                ("Size", found.size),
                ("StorageClass", "STANDARD"),
            ],
        )
        for found in page.objects
    ]
    prefixes: list[Element] = [
        ("CommonPrefixes", [("Prefix", _spelled(call, prefix))]) for prefix in page.prefixes
    ]
    return objects + prefixes


def _spelled(call: Call, key: str) -> str:
    """Spell a key as the caller asked: percent-encoded where ``encoding-type`` is ``url``."""
    return quote(key, safe="/") if call.query.get("encoding-type") == "url" else key


def _token(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode()


def _cursor(token: str | None) -> str | None:
    if not token:
        return None
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise Refused(400, "InvalidArgument", "The continuation token is not valid.") from None


def _number(text: str) -> int:
    if not text.isdigit():
        raise Refused(400, "InvalidArgument", f"{text!r} is no number")
    return int(text)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(root: str, content: str | Sequence[Element]) -> web.Response:
    return web.Response(body=render(root, content), content_type="application/xml")


def _error(request: web.Request, status: int, code: str, message: str) -> web.Response:
    told: list[Element] = [("Code", code), ("Message", message), ("Resource", request.path)]
    response = web.Response(status=status, body=render("Error", told, namespace=False))
    response.content_type = "application/xml"
    if not request.content.at_eof():
        response.force_close()  # the body was not read
    return response
