"""AWS Signature Version 4, verified: header and query authentication, and signed chunks.

After "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()

_GREATEST_SKEW = timedelta(minutes=15)
_LONGEST_EXPIRY = 7 * 24 * 3600
_AUTHORIZATION = re.compile(
    ALGORITHM + r" Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$"
)


class SignatureRefused(Exception):
    """A request is not signed as it must be; ``code`` is S3's name of the reason."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Keys:
    """The one pair of keys that opens the store."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True)
class SignedRequest:
    """What of a request is signed.

    Args:
        method: the HTTP method.
        path: the path as it came, percent-encoded.
        query: the query as it came.
        headers: the headers by lower-case name.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Proof:
    """A verified signature: what follows from it for the body.

    Args:
        payload: the body's announced SHA-256, or one of S3's words for how it is signed.
        signature: the request's signature, from which a chain of chunks begins.
        signing_key: the key of day, region and service.
        scope: what that key is for.
        timestamp: the request's time, as signed.
    """

    payload: str
    signature: str
    signing_key: bytes
    scope: str
    timestamp: str

    def chunk_signature(self, before: str, chunk: bytes) -> str:
        """Return the signature of one chunk of a streamed body after the one before."""
        digest = hashlib.sha256(chunk).hexdigest()
        return self._sign("-PAYLOAD", before, EMPTY_DIGEST, digest)

    def trailer_signature(self, before: str, trailer: bytes) -> str:
        """Return the signature of the trailing headers after the last chunk's."""
        return self._sign("-TRAILER", before, hashlib.sha256(trailer).hexdigest())

    def _sign(self, kind: str, *parts: str) -> str:
        lines = (ALGORITHM + kind, self.timestamp, self.scope, *parts)
        return _hmac(self.signing_key, "\n".join(lines)).hex()


def verify(request: SignedRequest, keys: Keys, now: datetime) -> Proof:
    """Verify a request's signature.

    Raises:
        SignatureRefused: it is missing, malformed, expired, of another key, or wrong.
    """
    if "authorization" in request.headers:
        return _verify_header(request, keys, now)
    if "X-Amz-Signature=" in request.query:
        return _verify_query(request, keys, now)
    raise SignatureRefused("AccessDenied", "the request is not signed")


def _verify_header(request: SignedRequest, keys: Keys, now: datetime) -> Proof:
    found = _AUTHORIZATION.match(request.headers["authorization"].strip())
    if found is None:
        raise SignatureRefused("AuthorizationHeaderMalformed", "the Authorization is malformed")
    credential, signed_headers, signature = found.groups()
    timestamp = request.headers.get("x-amz-date", "")
    if abs(now - _moment(timestamp)) > _GREATEST_SKEW:
        raise SignatureRefused("RequestTimeTooSkewed", "the request's time is too far from ours")
    payload = request.headers.get("x-amz-content-sha256", "")
    if not payload:
        raise SignatureRefused("InvalidRequest", "x-amz-content-sha256 is missing")
    return _proof(
        request, keys, credential, signed_headers.split(";"), signature, timestamp, payload
    )


def _verify_query(request: SignedRequest, keys: Keys, now: datetime) -> Proof:
    values = dict(parse_qsl(request.query, keep_blank_values=True))
    if values.get("X-Amz-Algorithm") != ALGORITHM:
        raise SignatureRefused("AuthorizationQueryParametersError", "the algorithm is another one")
    timestamp = values.get("X-Amz-Date", "")
    expiry = values.get("X-Amz-Expires", "")
    if not expiry.isdigit() or not 1 <= int(expiry) <= _LONGEST_EXPIRY:
        raise SignatureRefused("AuthorizationQueryParametersError", "X-Amz-Expires is malformed")
    signed_at = _moment(timestamp)
    if not signed_at - _GREATEST_SKEW <= now <= signed_at + timedelta(seconds=int(expiry)):
        raise SignatureRefused("AccessDenied", "Request has expired")
    return _proof(
        request,
        keys,
        values.get("X-Amz-Credential", ""),
        values.get("X-Amz-SignedHeaders", "").split(";"),
        values["X-Amz-Signature"],
        timestamp,
        UNSIGNED,
    )


def _proof(
    request: SignedRequest,
    keys: Keys,
    credential: str,
    signed_headers: list[str],
    signature: str,
    timestamp: str,
    payload: str,
) -> Proof:
    access_key_id, _, scope = credential.partition("/")
    if not hmac.compare_digest(access_key_id.encode(), keys.access_key_id.encode()):
        raise SignatureRefused("InvalidAccessKeyId", "the access key id is not known")
    parts = scope.split("/")
    if len(parts) != 4 or parts[0] != timestamp[:8] or parts[2:] != ["s3", "aws4_request"]:
        raise SignatureRefused("AuthorizationHeaderMalformed", "the scope is malformed")
    if "host" not in signed_headers:
        raise SignatureRefused("AccessDenied", "the host is not signed")
    key = signing_key(keys.secret_access_key, *parts[:3])
    canonical = canonical_request(request, signed_headers, payload)
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    expected = _hmac(key, "\n".join((ALGORITHM, timestamp, scope, digest))).hex()
    if not hmac.compare_digest(expected, signature):
        raise SignatureRefused("SignatureDoesNotMatch", "the signature does not match")
    return Proof(payload, signature, key, scope, timestamp)


def canonical_request(request: SignedRequest, signed_headers: Iterable[str], payload: str) -> str:
    """Write a request in the one form that is signed."""
    names = sorted(signed_headers)
    headers = "".join(
        f"{name}:{re.sub(' +', ' ', request.headers.get(name, '').strip())}\n" for name in names
    )
    path = quote(unquote(request.path), safe="/-_.~")
    return "\n".join(
        (request.method, path, _canonical_query(request.query), headers, ";".join(names), payload)
    )


def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Derive the key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _canonical_query(query: str) -> str:
    pairs = (
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _moment(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefused("AccessDenied", "the request's time is malformed") from None


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
