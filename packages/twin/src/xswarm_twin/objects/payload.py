"""The body of an S3 upload: plain, or in chunks of its own (``aws-chunked``), verified."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from aiohttp import StreamReader

from xswarm_twin.objects.errors import DigestMismatch
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.signature import UNSIGNED, Proof, SignatureRefused

_CHUNK = 1 << 16
_LONGEST_CHUNK = 1 << 27
_LONGEST_TRAILER = 1 << 14
_STREAMING = "STREAMING-"
_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHECKSUMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")


async def receive(
    content: StreamReader, headers: Mapping[str, str], proof: Proof, body: Incoming
) -> dict[str, str]:
    """Take an upload's bytes in, and verify whatever was announced of them.

    Returns:
        the checksums that were announced, by their names, in base64.

    Args:
        content: what comes.
        headers: the request's headers by lower-case name.
        proof: the verified signature of the request.
        body: takes the bytes.

    Raises:
        DigestMismatch: the bytes are not those that were announced.
        SignatureRefused: a chunk is not signed as it must be.
    """
    trailers: dict[str, str] = {}
    if proof.payload.startswith(_STREAMING):
        trailers = await _receive_chunks(content, proof, body)
        length = headers.get("x-amz-decoded-content-length")
        if length is not None and int(length) != body.size:
            raise DigestMismatch(f"{body.size} bytes came, {length} were announced")
    else:
        async for chunk in content.iter_chunked(_CHUNK):
            body.write(chunk)
        if proof.payload != UNSIGNED and body.digest("sha256") != proof.payload:
            raise DigestMismatch("the bytes do not have the signed SHA-256")
    return _verified({**headers, **trailers}, body)


async def _receive_chunks(content: StreamReader, proof: Proof, body: Incoming) -> dict[str, str]:
    """Take chunks in until the empty one, and return the trailing headers."""
    signed = proof.payload.startswith(_SIGNED)
    signature = proof.signature
    while True:
        size, given = _chunk_head(await content.readuntil(b"\r\n"))
        chunk = await content.readexactly(size)
        if signed:
            signature = proof.chunk_signature(signature, chunk)
            _same(signature, given)
        if not size:
            break
        body.write(chunk)
        await content.readexactly(2)
    return await _receive_trailers(content, proof if signed else None, signature)


async def _receive_trailers(
    content: StreamReader, proof: Proof | None, signature: str
) -> dict[str, str]:
    lines = (await content.read(_LONGEST_TRAILER)).decode("latin-1").split("\r\n")
    pairs = [line.partition(":")[::2] for line in lines if ":" in line]
    trailers = {name.strip().lower(): value.strip() for name, value in pairs}
    given = trailers.pop("x-amz-trailer-signature", None)
    if proof is not None and trailers:
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        _same(proof.trailer_signature(signature, text.encode()), given or "")
    return trailers


def _chunk_head(line: bytes) -> tuple[int, str]:
    """Read ``<size in hexadecimal>[;chunk-signature=<signature>]``."""
    size, _, extension = line.strip().partition(b";")
    try:
        length = int(size, 16)
    except ValueError:
        raise DigestMismatch("a chunk has no size") from None
    if not 0 <= length <= _LONGEST_CHUNK:
        raise DigestMismatch("a chunk is too long")
    return length, extension.partition(b"=")[2].decode("latin-1")


def _verified(announced: Mapping[str, str], body: Incoming) -> dict[str, str]:
    if md5 := announced.get("content-md5"):
        _equal("md5", base64.b64decode(md5).hex(), body.md5)
    given = {name: announced.get(f"x-amz-checksum-{name}", "") for name in CHECKSUMS}
    found = {name: text for name, text in given.items() if text}
    for name, text in found.items():
        _equal(name, base64.b64decode(text).hex(), body.digest(name))
    return found


def _equal(name: str, announced: str, found: str) -> None:
    if announced != found:
        raise DigestMismatch(f"the {name} you specified did not match what was received")


def _same(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected, given):
        raise SignatureRefused("SignatureDoesNotMatch", "a chunk's signature does not match")
