"""Static files of Workers: an upload session, the files, and the manifest of a version.

Reference: Workers, "Direct uploads" of static assets.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, strictness, uploads
from xswarm_twin.cloudflare.blobs import Incoming
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Asset, AssetSession, Version
from xswarm_twin.cloudflare.tokens import TokenInvalid
from xswarm_twin.cloudflare.twin import OpenAssets, Twin, twin_of
from xswarm_twin.control import token_of
from xswarm_twin.model import AssetFile

MAXIMUM_FILE_BYTES = 25 * 1024 * 1024
"""Cloudflare's limit of one static file (Workers, "Limits")."""

MAXIMUM_FILES = 100_000
"""Of a version on a paid plan (Workers, "Limits")."""

_UPLOAD, _COMPLETE = "assets-upload", "assets-complete"
_BUCKET_FILES = 50
_NO_TYPE = "application/null"  # wrangler's word for a file to be served without Content-Type

routes = web.RouteTableDef()


@routes.post("/accounts/{account}/workers/scripts/{worker}/assets-upload-session")
async def start(request: web.Request) -> web.Response:
    """Return which of the files are still to be uploaded; the Worker need not exist yet."""
    twin = twin_of(request)
    body = await bodies.json_object(request)
    manifest = _manifest(bodies.required(body, "manifest", dict))
    _forget_expired(twin)
    expires = time.time() + twin.tokens.lifetime
    session = AssetSession(uuid.uuid4().hex, request.match_info["worker"], manifest, expires)
    twin.store.save(session)
    missing = _open(twin, session).missing
    token = twin.tokens.sign(_UPLOAD if missing else _COMPLETE, session.id)
    names = list(missing)
    buckets = [names[at : at + _BUCKET_FILES] for at in range(0, len(names), _BUCKET_FILES)]
    return success({"jwt": token, "buckets": buckets})


@routes.post("/accounts/{account}/workers/assets/upload")
async def upload(request: web.Request) -> web.Response:
    """Take files in, each a part named by its hash, its content in base64."""
    twin = twin_of(request)
    opened = _session(request)
    received: list[tuple[str, str, Incoming]] = []
    async for part in uploads.parts_of(request):
        raw = decoded(await uploads.whole(part, MAXIMUM_FILE_BYTES * 4 // 3 + 4))
        media_type = part.headers.get("Content-Type", _NO_TYPE)
        received.append((part.name or "", media_type, twin.blobs.take(raw)))
    names = [name for name, _, _ in received]
    _require_announced(opened, names)
    await keep_files(twin, "workers", received)
    for name in names:
        opened.missing.pop(name, None)
    if opened.missing:
        return success({})
    return success({"jwt": twin.tokens.sign(_COMPLETE, opened.id)}, status=201)


async def keep_files(twin: Twin, product: str, received: list[tuple[str, str, Incoming]]) -> None:
    """Keep files (hash, media type, bytes), then name them."""
    await twin.blobs.keep(*(incoming for _, _, incoming in received))
    twin.store.save(
        *(
            Asset(product, name, "" if media_type == _NO_TYPE else media_type, incoming.sha256)
            for name, media_type, incoming in received
        )
    )


def of_upload(
    twin: Twin, worker: str, metadata: Mapping[str, Any], previous: Version | None
) -> dict[str, Any] | None:
    """Return the static files that an upload's metadata asks for.

    Raises:
        Refusal: the token of the session is not good.
    """
    if "assets" not in metadata:
        kept = metadata.get("keep_assets") is True and previous is not None
        return previous.assets if kept and previous else None
    asked = bodies.required(metadata, "assets", dict)
    config = bodies.optional(asked, "config", dict[str, Any]())
    strictness.require_redirects(bodies.optional(config, "_redirects", ""))
    if "jwt" not in asked and metadata.get("keep_assets") is True and previous and previous.assets:
        return {"files": previous.assets["files"], "config": config}
    session = _completed(twin, worker, bodies.required(asked, "jwt", str))
    return {"files": session.manifest, "config": config}


def files_of(twin: Twin, product: str, manifest: Mapping[str, str]) -> dict[str, AssetFile]:
    """Return the files of a manifest as the edge takes them."""
    files = {}
    for path, name in manifest.items():
        asset = twin.store.find(Asset, name, product)
        if asset is None:
            raise LookupError(f"the manifest names {path}, of which there are no bytes")
        files[path] = AssetFile(path, asset.media_type, twin.blobs.path(asset.blob))
    return files


def decoded(text: bytes | str) -> bytes:
    """Decode base64, or refuse it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusals.body_invalid("a file is not in base64") from None


def _manifest(given: Mapping[str, Any]) -> dict[str, str]:
    if len(given) > MAXIMUM_FILES:
        raise refusals.body_invalid(f"there are more than {MAXIMUM_FILES} static files")
    manifest = {}
    for path, entry in given.items():
        file = bodies.checked(entry, dict, f"manifest entry {path}")
        size = bodies.required(file, "size", int)
        if not path.startswith("/") or not 0 <= size <= MAXIMUM_FILE_BYTES:
            raise refusals.body_invalid(f"manifest entry {path} has a wrong path or size")
        manifest[path] = bodies.required(file, "hash", str)
        strictness.require_hash(path, manifest[path])
    return manifest


def _open(twin: Twin, session: AssetSession) -> OpenAssets:
    """Keep in memory what every upload of a session asks, each of few of its files."""
    names = dict.fromkeys(session.manifest.values())
    there = twin.store.keys(Asset, "workers")
    lacking = {name: None for name in names if name not in there}
    opened = OpenAssets(session.id, frozenset(names), lacking)
    twin.open_assets[session.id] = opened
    return opened


def _session(request: web.Request) -> OpenAssets:
    """Return the session of an upload; after a restart it is opened again."""
    twin = twin_of(request)
    try:
        session_id = twin.tokens.subject(token_of(request.headers), _UPLOAD)
    except TokenInvalid:
        raise refusals.unauthenticated() from None
    if session_id in twin.open_assets:
        return twin.open_assets[session_id]
    found = twin.store.find(AssetSession, session_id)
    if found is None:
        raise refusals.unauthenticated()
    return _open(twin, found)


def _completed(twin: Twin, worker: str, token: str) -> AssetSession:
    try:
        found = twin.store.find(AssetSession, twin.tokens.subject(token, _COMPLETE))
    except TokenInvalid:
        found = None
    if found is None or found.worker != worker:
        raise refusals.script_invalid("assets.jwt is no completed, unexpired upload of this Worker")
    return found


def _require_announced(opened: OpenAssets, names: list[str]) -> None:
    for name in names:
        if name not in opened.names:
            raise refusals.body_invalid(f"file {name} is not in the manifest of the session")


def _forget_expired(twin: Twin) -> None:
    now = time.time()
    expired = [session for session in twin.store.all(AssetSession) if session.expires < now]
    twin.store.remove(*expired)
    for session in expired:
        twin.open_assets.pop(session.id, None)
