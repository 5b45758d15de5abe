"""The keys of one twin: random, in the form the real services give, made once."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Final

from xswarm_twin import files
from xswarm_twin.folder import Folder

# emulate always has this account and this number; only their secrets can be set.
TWILIO_ACCOUNT: Final = "AC" + "0" * 32
TWILIO_NUMBER: Final = "+15551234567"

Credentials = dict[str, str]
"""Name of a variable to its value."""


def load(folder: Folder) -> Credentials:
    """Read the keys; make and keep those that are not there yet."""
    found = {name: str(value) for name, value in files.read_object(folder.credentials).items()}
    missing = {name: make for name, make in _MAKERS.items() if not found.get(name)}
    if not missing and found.get("TURSO_AUTH_TOKEN"):
        return found
    found |= {name: make() for name, make in missing.items()}
    if not found.get("TURSO_AUTH_TOKEN"):
        found |= _database_keys()
    files.write(folder.credentials, json.dumps(found, indent=1))
    return found


def database_token(private_key: str, *, access: str = "rw") -> str:
    """Sign a token that sqld accepts.

    Args:
        private_key: Ed25519, PEM.
        access: ``rw`` or ``ro``.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("the database's key is not an Ed25519 key")
    head = _part({"alg": "EdDSA", "typ": "JWT"})
    claims = _part({"a": access, "iat": int(time.time())})
    signature = _encode(key.sign(f"{head}.{claims}".encode()))
    return f"{head}.{claims}.{signature}"


def _database_keys() -> Credentials:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "DATABASE_PRIVATE_KEY": private,
        "DATABASE_PUBLIC_KEY": public.decode(),
        "TURSO_AUTH_TOKEN": database_token(private),
    }


def _part(data: dict[str, object]) -> str:
    return _encode(json.dumps(data, separators=(",", ":")).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _hexadecimal(count: int, prefix: str = "") -> Callable[[], str]:
    return lambda: prefix + secrets.token_hex(count)


_MAKERS: Final[dict[str, Callable[[], str]]] = {
    "CLOUDFLARE_ACCOUNT_ID": _hexadecimal(16),
    "CLOUDFLARE_API_TOKEN": _hexadecimal(20),
    "S3_ACCESS_KEY_ID": _hexadecimal(16),
    "S3_SECRET_ACCESS_KEY": _hexadecimal(32),
    "STRIPE_ACCOUNT_ID": _hexadecimal(8, "acct_"),
    "STRIPE_SECRET_KEY_TEST": _hexadecimal(24, "sk_test_"),
    "STRIPE_SECRET_KEY_LIVE": _hexadecimal(24, "sk_live_"),
    "STRIPE_RESTRICTED_KEY_TEST": _hexadecimal(24, "rk_test_"),
    "STRIPE_PUBLISHABLE_KEY_TEST": _hexadecimal(24, "pk_test_"),
    "TWILIO_AUTH_TOKEN_TEST": _hexadecimal(16),
    "SENDGRID_API_KEY_TEST": lambda: f"SG.{secrets.token_hex(11)}.{secrets.token_hex(21)}",
    "ANTHROPIC_API_KEY": _hexadecimal(32, "sk-ant-api03-"),
    "OPENAI_API_KEY": _hexadecimal(24, "sk-proj-"),
    "SLACK_WEBHOOK_TOKEN": _hexadecimal(12),
    "JWT_SECRET": _hexadecimal(32),
    "ADMIN_TOKEN": _hexadecimal(20),
}
