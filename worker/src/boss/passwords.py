"""Passwords, kept as scrypt hashes.

scrypt (RFC 7914) with N=2^14, r=8, p=5: one of the settings OWASP's Password Storage Cheat
Sheet names, and the one that needs least memory (16 MiB of a Worker's 128).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
import sys
from typing import Any

_COST, _BLOCK, _PARALLEL, _LENGTH = 2**14, 8, 5, 32
_MEMORY = 64 * 1024 * 1024


async def make_hash(password: str) -> str:
    """Hash a password under a fresh salt.

    Args:
        password: what the person typed.

    Returns:
        ``scrypt$N$r$p$salt$key``, so that the cost can rise without breaking older hashes.
    """
    salt = secrets.token_bytes(16)
    key = await _derive(password, salt, _COST, _BLOCK, _PARALLEL)
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), _text(salt), _text(key)))


async def matches(password: str, stored: str) -> bool:
    """Return whether a password is the one that was hashed.

    Args:
        password: what the person typed.
        stored: what ``make_hash`` gave; a hash of another form matches nothing.
    """
    kind, _, rest = stored.partition("$")
    parts = rest.split("$")
    if kind != "scrypt" or len(parts) != 5:
        return False
    cost, block, parallel = (int(part) for part in parts[:3])
    derived = await _derive(password, base64.b64decode(parts[3]), cost, block, parallel)
    return hmac.compare_digest(derived, base64.b64decode(parts[4]))


async def waste_time(password: str) -> None:
    """Take as long as a comparison would, so that an unknown address cannot be told by time."""
    await _derive(password, b"no such account!", _COST, _BLOCK, _PARALLEL)


async def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    secret = password.encode()
    if sys.platform == "emscripten":
        return _derive_in_node(secret, salt, cost, block, parallel)
    return await asyncio.to_thread(_derive_here, secret, salt, cost, block, parallel)


def _derive_in_node(secret: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    """Derive by node:crypto, which nodejs_compat gives: Pyodide's hashlib has no scrypt.

    Pyodide cannot hold node's Buffer, not even for a moment; so JavaScript itself puts it into
    an array, and the array comes over as JSON: ``[{"type": "Buffer", "data": [bytes]}]``.
    """
    import js
    from pyodide.ffi import to_js

    scrypt: Any = js.process.getBuiltinModule("node:crypto").scryptSync
    options = js.Object.fromEntries(
        to_js([["N", cost], ["r", block], ["p", parallel], ["maxmem", _MEMORY]])
    )
    derive = scrypt.bind(None, to_js(secret), to_js(salt), _LENGTH, options)
    return bytes(json.loads(js.JSON.stringify(js.Array.from_(to_js([0]), derive)))[0]["data"])


def _derive_here(secret: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    import hashlib

    return hashlib.scrypt(
        secret, salt=salt, n=cost, r=block, p=parallel, dklen=_LENGTH, maxmem=_MEMORY
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
