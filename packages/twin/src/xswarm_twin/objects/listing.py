"""Listings of objects, as S3 writes them."""

from __future__ import annotations

import base64
from urllib.parse import quote

from xswarm_twin.objects.call import Call, Refused, iso
from xswarm_twin.objects.records import Listing
from xswarm_twin.objects.store import MAXIMUM_LISTED
from xswarm_twin.objects.xml import Element


def head(call: Call, page: Listing) -> list[Element]:
    """Return what a listing says of itself."""
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


def body(call: Call, page: Listing) -> list[Element]:
    """Return the objects and the common prefixes of a listing."""
    objects: list[Element] = [
        (
            "Contents",
            [
                ("Key", _spelled(call, found.key)),
                ("LastModified", iso(found.uploaded)),
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


def token(cursor: str) -> str:
    """Return the continuation token that stands for a cursor."""
    return base64.urlsafe_b64encode(cursor.encode()).decode()


def cursor(token: str | None) -> str | None:
    """Return the cursor of a continuation token; refuse what is none."""
    if not token:
        return None
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise Refused(400, "InvalidArgument", "The continuation token is not valid.") from None
