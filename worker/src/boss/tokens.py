"""Session tokens: JSON Web Tokens signed by HMAC-SHA256 (RFC 7519, RFC 7515)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

ISSUER = "boss-ai"
_HEADER = {"alg": "HS256", "typ": "JWT"}
_LEEWAY = 30


class InvalidToken(Exception):
    """A token was not made here, was changed, or has expired."""


class ExpiredToken(InvalidToken):
    """A token was made here, and is not valid now: nobody's fault."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: whose it is, of which session, until when (since 1970)."""

    subject: str
    session: str
    expires: int


def issue(subject: str, session: str, secret: str, lifetime: int, now: float) -> str:
    """Make a token.

    Args:
        subject: the user's id.
        session: the session's id.
        secret: JWT_SECRET.
        lifetime: seconds until it expires.
        now: seconds since 1970.
    """
    issued = int(now)
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "iat": issued,
        "exp": issued + lifetime,
        "jti": session,
    }
    signed = f"{_part(_HEADER)}.{_part(claims)}"
    return f"{signed}.{_encode(_signature(signed, secret))}"


def verify(token: str, secret: str, now: float, previous: str = "") -> Claims:
    """Return what a token says, once its signature, algorithm, issuer and time were checked.

    Args:
        token: the token.
        secret: JWT_SECRET.
        now: seconds since 1970.
        previous: JWT_SECRET_PREVIOUS, which is accepted, too, while a rotation is under way.

    Raises:
        InvalidToken: one of them is wrong.
    """
    if not token.isascii():
        raise InvalidToken("not base64url")
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    given, accepted = _decode(signature), [secret, *([previous] if previous else [])]
    if not any(hmac.compare_digest(_signature(signed, one), given) for one in accepted):
        raise InvalidToken("the signature does not fit")
    if _object(header).get("alg") != _HEADER["alg"]:
        raise InvalidToken("another algorithm")
    return _claims(_object(payload), now)


def _claims(claims: dict[str, Any], now: float) -> Claims:
    subject, session = claims.get("sub"), claims.get("jti")
    expires, issued = claims.get("exp"), claims.get("iat")
    if claims.get("iss") != ISSUER:
        raise InvalidToken("another issuer")
    if not isinstance(subject, str) or not isinstance(session, str):
        raise InvalidToken("nobody's")
    if not isinstance(expires, int) or not isinstance(issued, int):
        raise InvalidToken("no time")
    if now >= expires or issued > now + _LEEWAY:
        raise ExpiredToken("not valid now")
    return Claims(subject, session, expires)


def _signature(signed: str, secret: str) -> bytes:
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()


def _part(value: dict[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except ValueError as error:
        raise InvalidToken("not JSON") from error
    if not isinstance(value, dict):
        raise InvalidToken("not an object")
    return value


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidToken("not base64url") from error
