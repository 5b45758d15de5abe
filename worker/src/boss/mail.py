"""E-mail: what SendGrid hands in, be it a letter somebody wrote or news of one we sent."""

from __future__ import annotations

import codecs
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boss import queries
from boss.deliveries import effects
from boss.events import keep_once
from boss.identifiers import new_id
from boss.inputs import Inputs
from boss.problem import Problem
from boss.response import Response, json_response
from boss.signatures import InvalidSignature, UnusableKey, check_sendgrid

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Statement

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_EVENTS_KEY = "SENDGRID_WEBHOOK_PUBLIC_KEY"
_LETTERS_KEY = "SENDGRID_PARSE_PUBLIC_KEY"
_LONGEST_TEXT = 100_000
# Python's own, some of which take the square of a text's length.
_NOT_OF_LETTERS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")


async def receive(context: Context) -> Response:
    """Take a signed delivery of SendGrid: events as JSON, or a letter as a form.

    Raises:
        Problem: the signature is missing, wrong or old (401); the body is neither (400, 415).
    """
    body = await _signed_body(context)
    if context.request.media_type == "application/json":
        return await _take_events(context, body)
    if context.request.media_type == "multipart/form-data":
        return await _take_letter(context, body)
    raise Problem(415, "unsupported_media_type", "Send events as JSON, or a letter as a form.")


async def _signed_body(context: Context) -> bytes:
    body = await context.request.body()
    headers = context.request.headers
    signature, stamp = headers.get(_SIGNATURE, ""), headers.get(_TIMESTAMP, "")
    if not signature or not stamp:
        raise Problem(401, "unsigned", "SendGrid's signature headers are missing.")
    letter = context.request.media_type == "multipart/form-data"
    name = _LETTERS_KEY if letter else _EVENTS_KEY
    key = context.configuration.required(name)
    try:
        check_sendgrid(body, signature, stamp, key, context.now)
    except UnusableKey as error:
        raise Problem(503, "not_configured", f"This service's {name}: {error}.") from error
    except InvalidSignature as error:
        raise Problem(401, "invalid_signature", f"SendGrid's signature: {error}.") from error
    return body


async def _take_events(context: Context, body: bytes) -> Response:
    if not context.configuration.flag("EMAIL_ENABLED", True):
        return json_response({"received": True, "new": 0})
    new = 0
    for event in _events(body):
        event_id, kind = event["sg_event_id"], event["event"]
        new += await keep_once(context, "sendgrid", event_id, kind, effects(event))
    return json_response({"received": True, "new": new})


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        events = None
    if not isinstance(events, list) or not all(_is_event(event) for event in events):
        raise Problem(400, "invalid_event", "The body is not a list of SendGrid events.")
    return events


def _is_event(event: Any) -> bool:
    names = ("sg_event_id", "event")
    return isinstance(event, dict) and all(isinstance(event.get(name), str) for name in names)


async def _take_letter(context: Context, body: bytes) -> Response:
    if not context.configuration.flag("EMAIL_ENABLED", True):
        return json_response({"received": True, "new": 0})
    content_type = context.request.headers["content-type"]
    letter = _letter(_form(body, content_type))
    user = await context.database.row(queries.user_by_handle(letter.handle))
    changes = []
    if user is not None:
        await context.storage.put(f"letters/{letter.id}", body, content_type)
        changes.append(letter.statement(user["id"]))
    new = await keep_once(context, "sendgrid", letter.id, "inbound", changes)
    if new and user is not None:
        context.metrics.business.feature("email")
    return json_response({"received": True, "new": int(new and user is not None)})


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter somebody wrote, and the handle of whom it is for."""

    id: str
    handle: str
    sender: str
    recipient: str
    subject: str
    text: str

    def statement(self, user_id: str) -> Statement:
        """Write the letter as a message of its user; the whole of it is in the bucket."""
        return queries.add_message(
            new_id(),
            user_id,
            "email",
            self.id,
            self.sender,
            self.recipient,
            self.subject,
            self.text,
        )


def _letter(fields: dict[str, str]) -> _Letter:
    inputs = Inputs(fields)
    sender = inputs.text("from", 1, 1000)
    recipient = inputs.text("to", 1, 10_000)
    subject = inputs.text("subject", 0, 1000)
    inputs.finish()
    text = fields.get("text", "").replace("\0", "")[:_LONGEST_TEXT]
    return _Letter(_identity(fields), _handle(fields), sender, recipient, subject, text)


def _handle(fields: dict[str, str]) -> str:
    """Return whom a letter is for: what stands before the @ of its first address.

    The envelope says where it was delivered; what stands in ``To`` anybody may have written.
    """
    # Imported here: only letters need it, and it is of weight.
    from email.utils import getaddresses

    delivered = _object(fields.get("envelope", "")).get("to")
    address = str(delivered[0]) if isinstance(delivered, list) and delivered else ""
    if not address:
        found = getaddresses([fields.get("to", "")])
        address = found[0][1] if found else ""
    return address.rpartition("@")[0].lower()


def _object(text: str) -> dict[str, Any]:
    """Return the object that a field of SendGrid's holds as JSON; empty where it holds none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


def _form(body: bytes, content_type: str) -> dict[str, str]:
    """Read the text fields of a multipart form; files are left in the stored letter.

    Each field has the encoding its sender chose; SendGrid names it in the field ``charsets``.
    """
    # Imported here: only letters need it, and it is of weight.
    from email.parser import BytesParser
    from email.policy import HTTP

    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise Problem(400, "invalid_form", "The body is not a form.")
    texts = [part for part in message.iter_parts() if part.get_filename() is None]
    told = next((_text(part, "utf-8") for part in texts if _name(part) == "charsets"), "")
    charsets = _object(told)
    return {_name(part): _text(part, str(charsets.get(_name(part), "utf-8"))) for part in texts}


def _name(part: Any) -> str:
    return str(part.get_param("name", "", header="content-disposition"))


def _text(part: Any, charset: str) -> str:
    payload = part.get_payload(decode=True)
    return str(payload.decode(_codec(charset), "replace")) if payload else ""


def _codec(charset: str) -> str:
    """Return Python's name of an encoding; UTF-8 where it is unknown, or no letter's."""
    try:
        found = codecs.lookup(charset)
        b"a".decode(found.name)
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if found.name in _NOT_OF_LETTERS else found.name


def _identity(fields: dict[str, str]) -> str:
    """Return a letter's identity: SendGrid names none, and a repeat has another form boundary."""
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()
