"""The S3 face of the object store: what R2's S3 API offers, path-style, signed requests only."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import unquote
from xml.etree import ElementTree

from aiohttp import web

from xswarm_twin.objects import listing, metadata, operations, settings
from xswarm_twin.objects.call import Call, Refused, iso, number
from xswarm_twin.objects.errors import BucketMissing, ObjectsError, PreconditionFailed
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.payload import receive
from xswarm_twin.objects.ranges import ByteRange, RangeInvalid, parse_range
from xswarm_twin.objects.records import Listing, Part, StoredObject
from xswarm_twin.objects.signature import Keys, SignatureRefused, SignedRequest, verify
from xswarm_twin.objects.store import MAXIMUM_LISTED, Objects
from xswarm_twin.objects.xml import Element, render

_CHUNK = 1 << 16
_MOST_DELETED = 1000
_SOURCE = "x-amz-copy-source"
_OWNER = ("Owner", [("ID", "local"), ("DisplayName", "local")])

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
        application.router.add_route("OPTIONS", "/{path:.*}", self._preflight)
        application.router.add_route("*", "/{path:.*}", self._serve)
        application.on_response_prepare.append(self._allow)
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
            return _error(request, refusal.status, refusal.code, str(refusal))
        except RangeInvalid:
            return _error(request, 416, "InvalidRange", "The requested range is not satisfiable.")
        except Refused as refusal:
            return _error(request, refusal.status, refusal.code, str(refusal))

    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        """Answer a browser that asks whether a page may ask; nobody signs that."""
        method = request.headers.get("Access-Control-Request-Method", "")
        told = self._cors(request, method)
        if told is None:
            message = "CORSResponse: This CORS request is not allowed."
            return _error(request, 403, "AccessForbidden", message)
        return web.Response(status=204, headers=told)

    async def _allow(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.method != "OPTIONS" and "Origin" in request.headers:
            response.headers.update(self._cors(request, request.method) or {})

    def _cors(self, request: web.Request, method: str) -> dict[str, str] | None:
        bucket = unquote(request.raw_path.partition("?")[0]).removeprefix("/").partition("/")[0]
        try:
            document = self._objects.setting(bucket, "cors")
        except BucketMissing:
            return None
        rules = settings.cors_rules(ElementTree.fromstring(document)) if document else ()  # noqa: S314
        return settings.cors_headers(tuple(rules), _joined(request), method)

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
        copying = _SOURCE in call.headers
        method, marked = call.request.method, operations.mark(call.query)
        name = (level, method, f"{marked} copy".strip() if copying else marked)
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
            **{("bucket", "GET", kind): self._setting for kind in settings.ROOTS},
            **{("bucket", "PUT", kind): self._set for kind in settings.ROOTS},
            **{("bucket", "DELETE", kind): self._unset for kind in settings.ROOTS},
            ("bucket", "GET", "encryption"): self._encryption,
            ("object", "GET", ""): self._get,
            ("object", "HEAD", ""): self._get,
            ("object", "PUT", ""): self._put,
            ("object", "PUT", "copy"): self._copy,
            ("object", "DELETE", ""): self._delete,
            ("object", "POST", "uploads"): self._create_upload,
            ("object", "PUT", "uploadId"): self._put_part,
            ("object", "PUT", "uploadId copy"): self._copy_part,
            ("object", "GET", "uploadId"): self._list_parts,
            ("object", "POST", "uploadId"): self._complete_upload,
            ("object", "DELETE", "uploadId"): self._abort_upload,
        }
        found = answers.get(name)
        if found is None:
            named = operations.missing(method, level, marked)
            raise Refused(501, "NotImplemented", f"{named} is not implemented")
        if more := operations.asked_too_much(method, call.query, call.headers):
            raise Refused(501, "NotImplemented", f"the local twin has no {more}")
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

    async def _setting(self, call: Call) -> web.StreamResponse:
        kind = operations.mark(call.query)
        document = self._objects.setting(call.bucket, kind)
        if document is None:
            raise Refused(404, settings.MISSING[kind], "The configuration does not exist.")
        return web.Response(body=document, content_type="application/xml")

    async def _set(self, call: Call) -> web.StreamResponse:
        kind, document = operations.mark(call.query), await self._xml(call)
        if why := settings.problem(kind, document):
            raise Refused(400, "InvalidRequest" if "method" in why else "MalformedXML", why)
        ElementTree.register_namespace("", "http://s3.amazonaws.com/doc/2006-03-01/")
        self._objects.set(call.bucket, kind, ElementTree.tostring(document, "utf-8"))
        return web.Response()

    async def _unset(self, call: Call) -> web.StreamResponse:
        self._objects.set(call.bucket, operations.mark(call.query), None)
        return web.Response(status=204)

    async def _encryption(self, call: Call) -> web.StreamResponse:
        self._objects.bucket(call.bucket)
        default: Element = (
            "ApplyServerSideEncryptionByDefault",
            [("SSEAlgorithm", "AES256")],
        )
        told: list[Element] = [("Rule", [default, ("BucketKeyEnabled", "true")])]
        return _told("ServerSideEncryptionConfiguration", told)

    async def _list_second(self, call: Call) -> web.StreamResponse:
        token = call.query.get("continuation-token")
        page = self._page(call, listing.cursor(token), call.query.get("start-after", ""))
        told = [
            *listing.head(call, page),
            ("KeyCount", len(page.objects) + len(page.prefixes)),
        ]
        if token is not None:
            told.append(("ContinuationToken", token))
        if page.cursor is not None:
            told.append(("NextContinuationToken", listing.token(page.cursor)))
        return _told("ListBucketResult", [*told, *listing.body(call, page)])

    async def _list_first(self, call: Call) -> web.StreamResponse:
        page = self._page(call, call.query.get("marker") or None, "")
        told = [*listing.head(call, page), ("Marker", call.query.get("marker", ""))]
        if page.cursor is not None:
            told.append(("NextMarker", page.cursor))
        return _told("ListBucketResult", [*told, *listing.body(call, page)])

    def _page(self, call: Call, cursor: str | None, start_after: str) -> Listing:
        limit = number(call.query.get("max-keys", str(MAXIMUM_LISTED)))
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
            unmet = metadata.conditions(call.headers).unmet(found)
            if unmet in ("If-Match", "If-Unmodified-Since"):
                raise PreconditionFailed(f"{unmet} does not hold")
            headers = metadata.of_object(found, call.query)
            if unmet is not None:
                return web.Response(status=304, headers=headers)
            part = parse_range(call.headers.get("range", ""), found.size)
            if part is None and call.headers.get("x-amz-checksum-mode") == "ENABLED":
                headers |= metadata.checksums(found)
            return await _send(call.request, found, headers, body, part)

    async def _put(self, call: Call) -> web.StreamResponse:
        self._objects.bucket(call.bucket)
        with self._objects.incoming() as body:
            announced = await receive(call.request.content, call.headers, call.proof, body)
            stored = self._objects.put(
                call.bucket,
                call.key,
                body,
                http_metadata=metadata.http_fields(call.headers),
                custom_metadata=metadata.custom_fields(call.headers),
                checksums={name: b64decode(text).hex() for name, text in announced.items()},
                conditions=metadata.conditions(call.headers),
            )
        return web.Response(headers=metadata.stored(stored.etag, announced))

    async def _copy(self, call: Call) -> web.StreamResponse:
        replacing = call.headers.get("x-amz-metadata-directive") == "REPLACE"
        with self._objects.incoming() as body:
            found = self._take_source(call, body, None)
            same = (found.bucket, found.key) == (call.bucket, call.key)
            if same and not replacing:
                why = "This copy request is illegal: it changes nothing of the object."
                raise Refused(400, "InvalidRequest", why)
            custom = metadata.custom_fields(call.headers) if replacing else found.custom_metadata
            stored = self._objects.put(
                call.bucket,
                call.key,
                body,
                http_metadata=(
                    metadata.http_fields(call.headers) if replacing else found.http_metadata
                ),
                custom_metadata=custom,
                conditions=metadata.conditions(call.headers),
                action="CopyObject",
            )
        told = [("LastModified", iso(stored.uploaded)), ("ETag", f'"{stored.etag}"')]
        return _told("CopyObjectResult", told)

    def _take_source(self, call: Call, body: Incoming, wanted: str | None) -> StoredObject:
        """Take in what a copy is of, or a range of it; refuse one that is not as it has to be."""
        source = unquote(call.headers[_SOURCE]).removeprefix("/").partition("?")[0]
        bucket, _, key = source.partition("/")
        opened = self._objects.open(bucket, key)
        if opened is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        found, content = opened
        with content:
            if unmet := metadata.conditions(call.headers, f"{_SOURCE}-").unmet(found):
                raise PreconditionFailed(f"{_SOURCE}-{unmet.lower()} does not hold")
            part = parse_range(wanted or "", found.size)
            content.seek(part.offset if part else 0)
            left = part.length if part else found.size
            while left and (chunk := content.read(min(_CHUNK, left))):
                body.write(chunk)
                left -= len(chunk)
        return found

    async def _delete(self, call: Call) -> web.StreamResponse:
        self._objects.delete(call.bucket, call.key)
        return web.Response(status=204)

    # Multipart uploads

    async def _create_upload(self, call: Call) -> web.StreamResponse:
        upload = self._objects.create_upload(
            call.bucket,
            call.key,
            http_metadata=metadata.http_fields(call.headers),
            custom_metadata=metadata.custom_fields(call.headers),
        )
        told = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)]
        return _told("InitiateMultipartUploadResult", told)

    async def _put_part(self, call: Call) -> web.StreamResponse:
        with self._objects.incoming() as body:
            announced = await receive(call.request.content, call.headers, call.proof, body)
            part = self._keep_part(call, body)
        return web.Response(headers=metadata.stored(part.etag, announced))

    def _keep_part(self, call: Call, body: Incoming) -> Part:
        place = number(call.query.get("partNumber", ""))
        return self._objects.put_part(call.bucket, call.key, call.query["uploadId"], place, body)

    async def _copy_part(self, call: Call) -> web.StreamResponse:
        with self._objects.incoming() as body:
            self._take_source(call, body, call.headers.get(f"{_SOURCE}-range"))
            part = self._keep_part(call, body)
        told = [("LastModified", iso(part.uploaded)), ("ETag", f'"{part.etag}"')]
        return _told("CopyPartResult", told)

    async def _list_parts(self, call: Call) -> web.StreamResponse:
        upload, begin = call.query["uploadId"], number(call.query.get("part-number-marker", "0"))
        most = max(1, min(number(call.query.get("max-parts", "1000")), MAXIMUM_LISTED))
        known = self._objects.parts(call.bucket, call.key, upload)
        listed = [part for part in known if part.number > begin]
        parts: list[Element] = [
            (
                "Part",
                [
                    ("PartNumber", part.number),
                    ("LastModified", iso(part.uploaded)),
                    ("ETag", f'"{part.etag}"'),
                    ("Size", part.size),
                ],
            )
            for part in listed[:most]
        ]
        told = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload)]
        told += [("MaxParts", str(most)), ("IsTruncated", str(len(listed) > most).lower())]
        if len(listed) > most:
            told.append(("NextPartNumberMarker", str(listed[most - 1].number)))
        return _told("ListPartsResult", [*told, *parts])

    async def _list_uploads(self, call: Call) -> web.StreamResponse:
        behind = (
            call.query.get("key-marker", ""),
            call.query.get("upload-id-marker", "\U0010ffff"),
        )
        most = max(1, min(number(call.query.get("max-uploads", "1000")), MAXIMUM_LISTED))
        known = self._objects.uploads(call.bucket, call.query.get("prefix", ""))
        listed = [one for one in known if (one.key, one.id) > behind]
        uploads = [
            (
                "Upload",
                [
                    ("Key", upload.key),
                    ("UploadId", upload.id),
                    ("Initiated", iso(upload.started)),
                ],
            )
            for upload in listed[:most]
        ]
        told = [("Bucket", call.bucket), ("IsTruncated", str(len(listed) > most).lower())]
        if len(listed) > most:
            last = listed[most - 1]
            told += [("NextKeyMarker", last.key), ("NextUploadIdMarker", last.id)]
        return _told("ListMultipartUploadsResult", [*told, *uploads])

    async def _complete_upload(self, call: Call) -> web.StreamResponse:
        wanted = await self._xml(call)
        parts = [
            (number(part.findtext("{*}PartNumber") or ""), part.findtext("{*}ETag") or "")
            for part in wanted.iterfind("{*}Part")
        ]
        stored = self._objects.complete_upload(
            call.bucket,
            call.key,
            call.query["uploadId"],
            parts,
            conditions=metadata.conditions(call.headers),
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


def _told(root: str, content: str | Sequence[Element]) -> web.Response:
    return web.Response(body=render(root, content), content_type="application/xml")


def _error(request: web.Request, status: int, code: str, message: str) -> web.Response:
    told: list[Element] = [("Code", code), ("Message", message), ("Resource", request.path)]
    response = web.Response(status=status, body=render("Error", told, namespace=False))
    response.content_type = "application/xml"
    if not request.content.at_eof():
        response.force_close()  # the body was not read
    return response
