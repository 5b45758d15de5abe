"""The JSON Web Tokens that an upload session carries instead of the account's token (RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from xswarm_twin.cloudflare.records import SigningKey
from xswarm_twin.cloudflare.store import Store

_HEADER = {"alg": "HS256", "typ": "JWT"}


class TokenInvalid(Exception):
    """A token is malformed, was signed by another, is expired, or is for another purpose."""


class Tokens:
    """Sign and read the tokens; the key is kept, so that they outlive a restart.

    Args:
        store: where the key is kept; made at the first start.
        lifetime: seconds that a token is good for.
    """

    def __init__(self, store: Store, lifetime: float = 3600) -> None:
        kept = store.find(SigningKey, "sessions")
        if kept is None:
            kept = SigningKey(secrets.token_hex(32))
            store.save(kept)
        self._key = bytes.fromhex(kept.secret)
        self.lifetime = lifetime

    def sign(self, purpose: str, subject: str) -> str:
        """Make a token for one purpose and one subject."""
        now = time.time()
        claims = {"aud": purpose, "sub": subject, "iat": int(now), "exp": now + self.lifetime}
        text = f"{_encode(_HEADER)}.{_encode(claims)}"
        return f"{text}.{self._signature(text)}"

    def subject(self, token: str, purpose: str) -> str:
        """Return the subject of a good token; raises TokenInvalid."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise TokenInvalid("the signature is not ours")
        claims = json.loads(_decoded(text.partition(".")[2]))
        if claims["aud"] != purpose or claims["exp"] <= time.time():
            raise TokenInvalid("the token is expired or for another purpose")
        return str(claims["sub"])

    def _signature(self, text: str) -> str:
        return _base64url(hmac.digest(self._key, text.encode(), hashlib.sha256))


def _encode(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
