"""Keyed hashes: what nobody without the key can make, and whoever has it can check.

Keys come from the environment file, one or more by comma: the first signs, all of them are
believed. So a new key is put before the old one, which stays as long as what it signed is kept.
"""

from __future__ import annotations

import hashlib
import hmac

from xswarm_deploy.secret import Secret


def split(keys: Secret) -> list[str]:
    """Return the keys, the one that signs first."""
    return [key for key in (part.strip() for part in keys.reveal().split(",")) if key]


def identity(purpose: str, key: str) -> str:
    """Return what names a key (8 hexadecimal digits), and tells nothing of it.

    Args:
        purpose: the variable that holds it.
        key: one key.
    """
    return hashlib.sha256(f"{purpose}:{key}".encode()).hexdigest()[:8]


def mac(key: str, text: str) -> str:
    """Return the HMAC-SHA-256 of a text, in hexadecimal."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
