"""E-mail: what SendGrid hands in, be it a letter somebody wrote or news of one we sent."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from boss import queries
from boss.events import keep_once
from boss.inputs import Inputs
from boss.problem import Problem
from boss.response import Response, json_response
from boss.signatures import InvalidSignature, check_sendgrid

if TYPE_CHECKING:
    from boss.context import Context

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


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
    key = context.configuration.required("SENDGRID_WEBHOOK_PUBLIC_KEY")
    try:
        check_sendgrid(body, signature, stamp, key, context.now)
    except InvalidSignature as error:
        raise Problem(401, "invalid_signature", f"SendGrid's signature: {error}.") from error
    return body


async def _take_events(context: Context, body: bytes) -> Response:
    new = 0
    for event in _events(body):
        event_id, kind = event["sg_event_id"], event["event"]
        address = str(event.get("email", "")).lower()
        effects = [queries.note_delivery(address, kind)]
        new += await keep_once(context, "sendgrid", event_id, kind, effects)
    return json_response({"received": True, "new": new})


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        events = json.loads(body)
    except ValueError:
        events = None
    if not isinstance(events, list) or not all(_is_event(event) for event in events):
        raise Problem(400, "invalid_event", "The body is not a list of SendGrid events.")
    return events


def _is_event(event: Any) -> bool:
    names = ("sg_event_id", "event")
    return isinstance(event, dict) and all(isinstance(event.get(name), str) for name in names)


async def _take_letter(context: Context, body: bytes) -> Response:
    fields = _form(body, context.request.headers["content-type"])
    inputs = Inputs(fields)
    sender = inputs.text("from", 1, 1000)
    recipient = inputs.text("to", 1, 10_000)
    subject = inputs.text("subject", 0, 1000)
    inputs.finish()
    letter = _identity(fields)
    await context.storage.put(f"letters/{letter}", body, context.request.headers["content-type"])
    message = queries.add_letter(str(uuid.uuid4()), sender, recipient, subject, letter)
    new = await keep_once(context, "sendgrid", letter, "inbound", [message])
    return json_response({"received": True, "new": int(new)})


def _form(body: bytes, content_type: str) -> dict[str, str]:
    """Read the text fields of a multipart form; files are left in the stored letter."""
    # Imported here: only letters need it, and it is of weight.
    from email.parser import BytesParser
    from email.policy import HTTP

    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise Problem(400, "invalid_form", "The body is not a form.")
    texts = (part for part in message.iter_parts() if part.get_filename() is None)
    return {_name(part): _text(part) for part in texts}


def _name(part: Any) -> str:
    return str(part.get_param("name", "", header="content-disposition"))


def _text(part: Any) -> str:
    payload = part.get_payload(decode=True)
    return str(payload.decode("utf-8", "replace")) if payload else ""


def _identity(fields: dict[str, str]) -> str:
    """Give a letter's identity: SendGrid names none, and a repeat has another form boundary."""
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()
