"""Bodies in chunks of their own (``aws-chunked``), as SDKs of JavaScript, Java and Go send them.

The signed chunks are the example of the Amazon S3 API Reference, "Signature Calculations for the
Authorization Header: Transferring Payload in Multiple Chunks".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader

from xswarm_twin.objects.errors import DigestMismatch
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.payload import receive
from xswarm_twin.objects.signature import Proof, SignatureRefused, signing_key

SIGNED = Proof(
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3"),
    "20130524/us-east-1/s3/aws4_request",
    "20130524T000000Z",
)
CHUNKS = (
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
UNSIGNED = Proof("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", b"", "", "")
TRAILED = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"


def received(
    folder: Path, raw: bytes, proof: Proof, headers: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, str]]:
    async def whole() -> tuple[bytes, dict[str, str]]:
        content = StreamReader(
            Mock(_reading_paused=False), 1 << 20, loop=asyncio.get_running_loop()
        )
        content.feed_data(raw)
        content.feed_eof()
        with Incoming(folder) as body:
            announced = await receive(content, headers or {}, proof, body)
            return body.read(), announced

    return asyncio.run(whole())


def signed(*chunks: tuple[bytes, str]) -> bytes:
    return b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(chunk), signature.encode(), chunk)
        for chunk, signature in chunks
    )


def test_signed_chunks_are_taken(tmp_path: Path) -> None:
    headers = {"x-amz-decoded-content-length": "66560"}
    assert received(tmp_path, signed(*CHUNKS), SIGNED, headers) == (b"a" * 66560, {})


def test_a_chunk_that_was_changed_is_refused(tmp_path: Path) -> None:
    changed = (b"b" + b"a" * 1023, CHUNKS[1][1])
    with pytest.raises(SignatureRefused, match="a chunk's signature"):
        received(tmp_path, signed(CHUNKS[0], changed, CHUNKS[2]), SIGNED)


def test_a_trailing_checksum_is_verified(tmp_path: Path) -> None:
    assert received(tmp_path, TRAILED, UNSIGNED) == (b"hello", {"crc32": "NhCmhg=="})
    with pytest.raises(DigestMismatch, match="crc32"):
        received(tmp_path, TRAILED.replace(b"hello", b"hallo"), UNSIGNED)


@pytest.mark.parametrize(
    ("raw", "headers", "why"),
    [
        (TRAILED, {"x-amz-decoded-content-length": "6"}, "5 bytes came, 6 were announced"),
        (b"x\r\nhello\r\n", {}, "has no size"),
        (b"fffffffff\r\n", {}, "too long"),
    ],
)
def test_what_is_no_chunk_is_refused(
    tmp_path: Path, raw: bytes, headers: Mapping[str, str], why: str
) -> None:
    with pytest.raises(DigestMismatch, match=why):
        received(tmp_path, raw, UNSIGNED, headers)
