"""Read a Worker's upload: a multipart form of metadata and modules."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.blobs import Blobs, Incoming

MAXIMUM_UPLOAD_BYTES = 64 * 1024 * 1024
"""Cloudflare's limit of a Worker's size before compression (Workers, "Limits")."""

MAXIMUM_METADATA_BYTES = 1024 * 1024

_MODULE_TYPES = {
    "application/javascript+module",
    "application/javascript",
    "application/json",
    "application/octet-stream",
    "application/source-map",
    "application/wasm",
    "text/plain",
    "text/x-python",
    "text/x-python-requirement",
}

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Upload:
    """What came: the metadata, the modules (name, media_type, blob), and their bytes."""

    metadata: dict[str, Any] | None = None
    modules: list[dict[str, str]] = field(default_factory=list)
    received: list[Incoming] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Return the bytes of all modules."""
        return sum(incoming.size for incoming in self.received)


async def read(request: web.Request, blobs: Blobs) -> Upload:
    """Read a form to its end; the bytes go to disk as they come.

    Raises:
        Refusal: the form is malformed, too large, or names what is not there; nothing is kept.
    """
    upload = Upload()
    try:
        async for part in parts_of(request):
            await _take(part, upload, blobs)
        _require_whole(upload)
    except BaseException:
        blobs.discard(upload.received)
        raise
    return upload


async def parts_of(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """Return the parts of a multipart form, or refuse what is none."""
    if not request.content_type.startswith("multipart/"):
        raise refusals.body_invalid("it is not a multipart form")
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader) or part.name is None:
                raise refusals.body_invalid("a part of the form has no name")
            yield part
    except (ValueError, AssertionError, EOFError):
        raise refusals.body_invalid("the multipart form is malformed") from None


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Return a part's bytes as they come."""
    while chunk := await part.read_chunk(1 << 16):
        yield chunk


async def whole(part: BodyPartReader, limit: int) -> bytes:
    """Return a part's bytes, a limited number of them."""
    body = bytearray()
    async for chunk in chunks(part):
        body += chunk
        if len(body) > limit:
            raise refusals.body_too_large(f"part {part.name}", limit)
    return bytes(body)


def text_of(raw: bytes, what: str) -> str:
    """Return a part's text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise refusals.body_invalid(f"{what} is not UTF-8") from None


def compatibility_date(metadata: dict[str, Any]) -> str:
    """Return the upload's compatibility date; Cloudflare's default when it names none.

    Its days are those of UTC; source of the words: workerd, ``compatibility-date.c++``.
    """
    date = bodies.optional(metadata, "compatibility_date", "2021-11-02")
    if not _DATE.fullmatch(date):
        raise refusals.script_invalid(f"Invalid compatibility date: {date!r}")
    if date > f"{datetime.now(UTC):%Y-%m-%d}":
        raise refusals.script_invalid(f"Can't set compatibility date in the future: {date}")
    return date


async def _take(part: BodyPartReader, upload: Upload, blobs: Blobs) -> None:
    if part.name == "metadata" and part.filename is None:
        raw = await whole(part, MAXIMUM_METADATA_BYTES)
        upload.metadata = bodies.checked(bodies.parsed(raw), dict, "metadata")
        return
    media_type = part.headers.get("Content-Type", "application/octet-stream").split(";")[0]
    incoming = await blobs.receive(chunks(part), MAXIMUM_UPLOAD_BYTES - upload.size)
    upload.received.append(incoming)
    upload.modules.append(
        {
            "name": module_name(part.name or ""),
            "media_type": media_type.strip(),
            "blob": incoming.sha256,
        }
    )


def _require_whole(upload: Upload) -> None:
    if upload.metadata is None:
        raise refusals.script_invalid("could not read content for part metadata")
    names = [module["name"] for module in upload.modules]
    if len(names) != len(set(names)):
        raise refusals.script_invalid("two modules have the same name")
    for module in upload.modules:
        if module["media_type"] not in _MODULE_TYPES:
            raise refusals.script_invalid(
                f"module {module['name']} has the unknown type {module['media_type']}"
            )
    _require_main_module(upload.metadata, names)


def _require_main_module(metadata: dict[str, Any], names: list[str]) -> None:
    if "body_part" in metadata:
        raise refusals.script_invalid("service-worker scripts are not served here: use modules")
    main_module = metadata.get("main_module")
    if main_module is None:
        if "assets" not in metadata or names:
            raise refusals.script_invalid("main_module is missing")
    elif module_name(bodies.checked(main_module, str, "main_module")) not in names:
        raise refusals.script_invalid(f'No such module "{main_module}".')


def module_name(name: str) -> str:
    """Return a module's name as a relative path without dots; refuse one that leaves its folder."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise refusals.script_invalid(f"{name!r} is not a valid module name")
    return str(path)
