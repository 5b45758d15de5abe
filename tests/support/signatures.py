"""Signatures as the providers' official libraries make them."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def stripe_header(body: bytes, secret: str, at: int) -> str:
    import stripe

    text = f"{at}.{body.decode()}"
    signature = stripe.WebhookSignature._compute_signature(text, secret)
    return f"t={at},v1={signature}"


def twilio_header(url: str, fields: list[tuple[str, str]], token: str) -> str:
    from twilio.request_validator import RequestValidator
    from werkzeug.datastructures import MultiDict

    return str(RequestValidator(token).compute_signature(url, MultiDict(fields)))


class SendGrid:
    """The signing side of SendGrid's webhooks."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(public).decode()

    def sign(self, body: bytes, stamp: str) -> str:
        signature = self.key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()
