"""An object's metadata, checksums and conditions, as S3's headers have them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from xswarm_twin.objects.payload import CHECKSUMS
from xswarm_twin.objects.records import Conditions, StoredObject

_HTTP_FIELDS = {
    "content-type": "contentType",
    "content-language": "contentLanguage",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "cache-control": "cacheControl",
    "expires": "cacheExpiry",
}
_CUSTOM = "x-amz-meta-"
_CHECKSUM = "x-amz-checksum-"


def http_headers(found: StoredObject) -> dict[str, str]:
    """Return the headers of an object's HTTP metadata."""
    headers = {
        name: found.http_metadata[field]
        for name, field in _HTTP_FIELDS.items()
        if field in found.http_metadata
    }
    return {"content-type": "application/octet-stream"} | headers


def of_object(found: StoredObject, query: Mapping[str, str]) -> dict[str, str]:
    """Return an object's headers; a signed query may set some otherwise."""
    headers = http_headers(found)
    for name in _HTTP_FIELDS:
        if f"response-{name}" in query:
            headers[name] = query[f"response-{name}"]
    headers.update({_CUSTOM + name: text for name, text in found.custom_metadata.items()})
    headers["ETag"] = f'"{found.etag}"'
    headers["Last-Modified"] = format_datetime(found.uploaded, usegmt=True)
    headers["Accept-Ranges"] = "bytes"
    headers["x-amz-version-id"] = found.version
    return headers


def http_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the HTTP metadata that headers give, by R2's names."""
    fields = {field: headers[name] for name, field in _HTTP_FIELDS.items() if name in headers}
    codings = [coding.strip() for coding in fields.get("contentEncoding", "").split(",")]
    kept = [coding for coding in codings if coding and coding != "aws-chunked"]
    fields.pop("contentEncoding", None)
    return {**fields, "contentEncoding": ",".join(kept)} if kept else fields


def custom_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's own metadata that headers give."""
    return {
        name.removeprefix(_CUSTOM): text
        for name, text in headers.items()
        if name.startswith(_CUSTOM)
    }


def stored(etag: str, announced: Mapping[str, str]) -> dict[str, str]:
    """Return what is told of bytes that were stored: their tag, and the verified checksums."""
    return {"ETag": f'"{etag}"', **{_CHECKSUM + name: text for name, text in announced.items()}}


def checksums(found: StoredObject) -> dict[str, str]:
    """Return the checksums that an object was uploaded with."""
    kept = {name: found.checksums[name] for name in CHECKSUMS if name in found.checksums}
    told = {
        _CHECKSUM + name: b64encode(bytes.fromhex(text)).decode() for name, text in kept.items()
    }
    return told | ({_CHECKSUM + "type": "FULL_OBJECT"} if told else {})


def conditions(headers: Mapping[str, str], prefix: str = "") -> Conditions:
    """Return what must hold of an object, by headers whose names begin with the prefix."""
    return Conditions(
        matches=_etags(headers.get(f"{prefix}if-match", "")),
        differs=_etags(headers.get(f"{prefix}if-none-match", "")),
        unmodified_since=_http_date(headers.get(f"{prefix}if-unmodified-since")),
        modified_since=_http_date(headers.get(f"{prefix}if-modified-since")),
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
