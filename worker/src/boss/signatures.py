"""Who sent a webhook: the signatures of Stripe, Twilio and SendGrid."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

TOLERANCE = 300
_LONGEST_STAMP = 12  # digits: seconds since 1970, for some 30,000 years
_PORTS = {"https": 443, "http": 80}


class InvalidSignature(Exception):
    """A webhook is not from whom it says it is, or not from now."""


class UnusableKey(Exception):
    """The key that is configured is none: nobody's signature can be checked by it."""


def check_stripe(body: bytes, header: str, secret: str, now: float) -> None:
    """Check a ``Stripe-Signature`` header (Stripe documentation, "Verify manually").

    Args:
        body: the body as it was sent.
        header: ``t=<seconds>,v1=<hex>[,v1=<hex>…]``.
        secret: the endpoint's signing secret.
        now: seconds since 1970.

    Raises:
        InvalidSignature: no signature fits, or it was made more than five minutes away from
            now, be it before or after.
    """
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamp = next((value for name, value in pairs if name == "t"), "")
    _check_time(stamp, now)
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = (value for name, value in pairs if name == "v1")
    _require(_equal(expected, value) for value in given)


def check_twilio(
    urls: Iterable[str], fields: Sequence[tuple[str, str]], header: str, token: str
) -> None:
    """Check an ``X-Twilio-Signature`` header (Twilio documentation, "Webhooks security").

    Args:
        urls: the URLs under which Twilio may know this route, any of which may be signed.
        fields: the form's fields.
        header: the signature, base64.
        token: the account's auth token.

    Raises:
        InvalidSignature: it fits none of them.
    """
    # Twilio signs repeated values once each, sorted.
    text = "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    candidates = dict.fromkeys(variant for url in urls for variant in _as_signed(url))
    _require(_equal(_twilio_signature(url + text, token), header) for url in candidates)


def check_sendgrid(body: bytes, header: str, stamp: str, public_key: str, now: float) -> None:
    """Check a signed SendGrid webhook (SendGrid documentation, "Signed Event Webhook").

    Args:
        body: the body as it was sent.
        header: ``X-Twilio-Email-Event-Webhook-Signature``: ECDSA, DER, base64.
        stamp: ``X-Twilio-Email-Event-Webhook-Timestamp``: seconds since 1970.
        public_key: the webhook's P-256 key: base64 of DER, as SendGrid gives it, or PEM.
        now: seconds since 1970.

    Raises:
        InvalidSignature: it does not fit, or it was made more than five minutes away from now.
        UnusableKey: the public key is none.
    """
    _check_time(stamp, now)
    # Imported here: it is the one import of weight, and only e-mail needs it.
    from ecdsa import BadSignatureError, VerifyingKey
    from ecdsa.der import UnexpectedDER
    from ecdsa.util import sigdecode_der

    try:
        key = VerifyingKey.from_der(base64.b64decode(_without_frame(public_key), validate=True))
    except (UnexpectedDER, ValueError) as error:
        raise UnusableKey("it is neither base64 of DER nor PEM") from error
    try:
        signature = base64.b64decode(header, validate=True)
        key.verify(signature, stamp.encode() + body, hashlib.sha256, sigdecode_der)
    except (BadSignatureError, UnexpectedDER, ValueError) as error:
        raise InvalidSignature("the signature does not fit") from error


def _check_time(stamp: str, now: float) -> None:
    written = stamp.isascii() and stamp.isdecimal() and len(stamp) <= _LONGEST_STAMP
    if not written or abs(now - int(stamp)) > TOLERANCE:
        raise InvalidSignature("not made now")


def _require(fits: Iterable[bool]) -> None:
    if not any(fits):
        raise InvalidSignature("the signature does not fit")


def _equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _twilio_signature(text: str, token: str) -> str:
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _as_signed(url: str) -> Iterator[str]:
    """Return the ways in which Twilio may write a URL of ours before it signs it.

    It has signed the scheme's own port and none, and for https it leaves out whatever port and
    user are written (Twilio documentation, "Webhooks security").
    """
    yield url
    try:
        parts = urlsplit(url)
        hosts = (parts.netloc, parts.netloc.rpartition("@")[2])
        own = _PORTS.get(parts.scheme)
        written = f":{parts.port}" if parts.port is not None else ""
    except ValueError:  # no URL: its Host header is the caller's
        return
    for host in hosts:
        bare = host.removesuffix(written)
        for netloc in (host, bare, f"{bare}:{own}") if own else (host,):
            yield urlunsplit(parts._replace(netloc=netloc))


def _without_frame(key: str) -> str:
    """Return the base64 of a key: PEM frames it with two lines, and breaks it."""
    lines = key.replace("\\n", "\n").split()
    if key.lstrip().startswith("-----BEGIN"):
        lines = key.replace("\\n", "\n").strip().splitlines()[1:-1]
    return "".join(line.strip() for line in lines)
