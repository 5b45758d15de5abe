"""Which of S3's operations a request is, by its method and what of a bucket or object it names.

What R2 does not offer is refused by the operation's name; no request is taken for another one.
Source: R2, "S3 API compatibility".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_OFFERED: Final = (
    *("list-type", "location", "uploads", "delete", "uploadId"),
    *("cors", "lifecycle", "encryption"),
)
"""The marks of what is offered, beside plain objects and buckets."""
_ARGUMENTS: Final = frozenset(
    (
        *("prefix", "delimiter", "marker", "max-keys", "encoding-type", "start-after"),
        *("continuation-token", "fetch-owner", "key-marker", "upload-id-marker", "max-uploads"),
        *("max-parts", "part-number-marker", "partNumber", "max-buckets", "bucket-region"),
    )
)
_ARGUMENT: Final = re.compile(r"(?i:x-(?:amz-|id$)|response-)")
_VERBS: Final = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "POST": "Post", "DELETE": "Delete"}
_HEADERS: Final = {
    "x-amz-tagging": "object tags",
    "x-amz-object-lock-mode": "object locks",
    "x-amz-object-lock-legal-hold": "object locks",
    "x-amz-website-redirect-location": "redirects of a website",
    "x-amz-server-side-encryption-customer-algorithm": "encryption by the caller's keys",
    "x-amz-server-side-encryption-aws-kms-key-id": "keys of a KMS",
}
"""What a header asks for that is not offered here; encryption by the caller's keys R2 has."""


def mark(query: Iterable[str]) -> str:
    """Return what of a bucket or object a query names; empty: itself."""
    named = [name for name in query if not (name in _ARGUMENTS or _ARGUMENT.match(name))]
    known = [name for name in _OFFERED if name in named]
    return next(iter(known or named), "")


def missing(method: str, level: str, marked: str) -> str:
    """Return the name of what is not offered.

    Args:
        method: of the request.
        level: ``service``, ``bucket`` or ``object``.
        marked: what it names, see :func:`mark`.
    """
    words = re.split(r"[-_]", marked[:1].upper() + marked[1:])
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return f"{_VERBS.get(method, method)}{level.capitalize()}{name}"


def asked_too_much(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return what a request asks for beside its operation that is not offered; empty: nothing."""
    if method in ("GET", "HEAD") and "partNumber" in query and "uploadId" not in query:
        return "a part of an object"
    return next((what for name, what in _HEADERS.items() if name in headers), "")
