"""Calls and text messages: Twilio asks what to do, and is told in TwiML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss import queries
from boss.events import keep_once
from boss.identifiers import new_id
from boss.inputs import Inputs
from boss.problem import Problem, not_found
from boss.response import Response, xml_response
from boss.signatures import InvalidSignature, check_twilio

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Row

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
GREETING = "Hello. This is xSwarm Boss. Please say what I can do for you after the tone."
THANKS = "Thank you. Your message has arrived."
ASK = f'{_HEAD}<Response><Say>{GREETING}</Say><Record maxLength="120"/></Response>'
GOODBYE = f"{_HEAD}<Response><Say>{THANKS}</Say><Hangup/></Response>"
SMS_ANSWER = f"{_HEAD}<Response><Message>{THANKS}</Message></Response>"
REJECTED = f'{_HEAD}<Response><Reject reason="rejected"/></Response>'
SILENCE = f"{_HEAD}<Response/>"


async def voice(context: Context) -> Response:
    """Take a call: greet the caller and record what is said; thank for a recording.

    Raises:
        Problem: the signature is missing or wrong (401), or nobody has this handle (404).
    """
    fields = await _signed_fields(context)
    inputs = Inputs(fields)
    call = inputs.text("CallSid", 1, 64)
    recording = inputs.text("RecordingSid", 0, 64)
    caller = inputs.text("From", 1, 64)
    inputs.finish()
    if not context.configuration.flag("VOICE_ENABLED", True):
        return xml_response(REJECTED)
    user = await _called(context)
    await _keep(context, user, recording or call, "voice", caller, fields.get("RecordingUrl", ""))
    return xml_response(GOODBYE if recording else ASK)


async def sms(context: Context) -> Response:
    """Take a text message: keep it, and say that it arrived.

    Raises:
        Problem: the signature is missing or wrong (401), or nobody has this handle (404).
    """
    fields = await _signed_fields(context)
    inputs = Inputs(fields)
    message = inputs.text("MessageSid", 1, 64)
    sender = inputs.text("From", 1, 64)
    body = inputs.text("Body", 0, 10_000)
    inputs.finish()
    if not context.configuration.flag("SMS_ENABLED", True):
        return xml_response(SILENCE)
    user = await _called(context)
    await _keep(context, user, message, "sms", sender, body)
    return xml_response(SMS_ANSWER)


async def status(context: Context) -> Response:
    """Take the news that a call ended, once for each call; Twilio wants no answer to it.

    Raises:
        Problem: the signature is missing or wrong (401).
    """
    inputs = Inputs(await _signed_fields(context))
    call = inputs.text("CallSid", 1, 64)
    ended = inputs.text("CallStatus", 1, 32)
    inputs.finish()
    await keep_once(context, "twilio", f"{call}:{ended}", f"call.{ended}", [])
    return xml_response(SILENCE)


async def _signed_fields(context: Context) -> dict[str, str]:
    header = context.request.headers.get("x-twilio-signature", "")
    if not header:
        raise Problem(401, "unsigned", "The header X-Twilio-Signature is missing.")
    fields = await context.request.form()
    token = context.configuration.required("TWILIO_AUTH_TOKEN")
    try:
        check_twilio(_urls(context), fields, header, token)
    except InvalidSignature as error:
        raise Problem(401, "invalid_signature", f"X-Twilio-Signature: {error}.") from error
    return dict(fields)


def _urls(context: Context) -> list[str]:
    """Return the URLs that Twilio may have called: it signs the one it was told."""
    target = context.request.target
    told = [f"{origin}{target}" for origin in context.configuration.public_origins]
    return [*told, context.request.url]


async def _called(context: Context) -> Row:
    user = await context.database.row(queries.user_by_handle(context.parameters["user"]))
    if user is None:
        raise not_found("Nobody has this handle.")
    return user


async def _keep(
    context: Context, user: Row, event_id: str, channel: str, sender: str, body: str
) -> None:
    to = context.parameters["user"]
    message = queries.add_message(new_id(), user["id"], channel, event_id, sender, to, "", body)
    if await keep_once(context, "twilio", event_id, channel, [message]):
        context.metrics.business.feature(channel)
