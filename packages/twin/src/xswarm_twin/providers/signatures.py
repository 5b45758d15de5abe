"""SendGrid's signatures: ECDSA on P-256 over the time and the payload.

Source: SendGrid, "Getting Started with the Event Webhook Security Features".
"""

from __future__ import annotations

import base64
import time
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"


def make() -> tuple[str, str]:
    """Make a pair of keys: the private one as PEM, the public one as the API gives it."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), base64.b64encode(public).decode()


def headers(private_key: str, payload: bytes) -> dict[str, str]:
    """Sign a payload now; return the headers it is delivered with."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key on an elliptic curve")
    moment = str(int(time.time()))
    signature = key.sign(moment.encode() + payload, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: moment}
