"""Static files on their way out: the answer of a site, sent."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict

from xswarm_twin.edge.assets import Answer, Site, answer, nothing
from xswarm_twin.model import AssetFile
from xswarm_twin.objects.ranges import RangeInvalid, parse_range

_CHUNK = 1 << 16
_ETAG_LENGTH = 32


async def send_answer(request: web.Request, site: Site) -> web.StreamResponse:
    """Answer a request by a site, with 404 where it has nothing."""
    found = find_answer(request, site)
    return await send(request, found or nothing(site, request.host, request.raw_path))


def find_answer(request: web.Request, site: Site) -> Answer | None:
    """Decide what of a site answers a request, or give None."""
    return answer(site, request.method, request.host, request.raw_path, request.headers, etag)


def etag(file: AssetFile) -> str:
    """Return a file's etag, which its content alone decides."""
    state = file.file.stat()
    return _etag(file.file, state.st_mtime_ns, state.st_size)


async def send(request: web.Request, found: Answer) -> web.StreamResponse:
    """Send an answer, with the file's bytes or the part of them that is asked for."""
    headers = CIMultiDict(found.headers)
    if found.file is None:
        return web.Response(status=found.status, headers=headers)
    headers["Content-Type"] = media_type(found.file)
    size = found.file.file.stat().st_size
    try:
        asked = parse_range(request.headers.get("Range", ""), size)
    except RangeInvalid:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    if asked is None or found.status != 200:
        return await _stream(request, found.status, headers, found.file.file, 0, size)
    headers["Content-Range"] = asked.content_range(size)
    return await _stream(request, 206, headers, found.file.file, asked.offset, asked.length)


def media_type(file: AssetFile) -> str:
    """Return a file's media type: as uploaded, else as its name tells."""
    guessed = mimetypes.guess_type(file.path)[0] or "application/octet-stream"
    return file.media_type or guessed


async def _stream(
    request: web.Request, status: int, headers: CIMultiDict[str], path: Path, start: int, size: int
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = size
    await response.prepare(request)
    if request.method != "HEAD":
        with path.open("rb") as file:
            file.seek(start)
            while size and (chunk := file.read(min(_CHUNK, size))):
                await response.write(chunk)
                size -= len(chunk)
    await response.write_eof()
    return response


@lru_cache(maxsize=4096)
def _etag(path: Path, modified: int, size: int) -> str:  # noqa: ARG001 (both are part of the key)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_ETAG_LENGTH]
