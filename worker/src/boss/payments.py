"""What Stripe tells: who pays, for what, and who no longer does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from boss.events import keep_once
from boss.inputs import is_storable
from boss.problem import Problem, not_found
from boss.response import Response, json_response
from boss.signatures import InvalidSignature, check_stripe
from boss.subscriptions import effects, failure, measure

if TYPE_CHECKING:
    from boss.context import Context


_LATEST: Final = 2**35
"""No event is made after this second (in the year 3058)."""


async def receive(context: Context) -> Response:
    """Take one Stripe event, once; Stripe repeats it until it is answered by 2xx.

    Raises:
        Problem: the signature is missing or wrong (401), or the body is no event (400).
    """
    event = _event(await _signed_body(context))
    new = await keep_once(context, "stripe", event["id"], event["type"], effects(event))
    if new:
        measure(event, context.metrics.business)
        if failed := failure(event):
            context.tell(failed)
    return json_response({"received": True, "new": new})


async def configuration(context: Context) -> Response:
    """Return what a page needs to take a payment: Stripe's publishable key, which is no secret."""
    key = context.configuration.text("STRIPE_PUBLISHABLE_KEY")
    if not key:
        raise not_found("Payments are not set up here.")
    return json_response({"publishable_key": key})


async def _signed_body(context: Context) -> bytes:
    body = await context.request.body()
    header = context.request.headers.get("stripe-signature", "")
    if not header:
        raise Problem(401, "unsigned", "The header Stripe-Signature is missing.")
    secret = context.configuration.required("STRIPE_WEBHOOK_SECRET")
    try:
        check_stripe(body, header, secret, context.now)
    except InvalidSignature as error:
        raise Problem(401, "invalid_signature", f"Stripe-Signature: {error}.") from error
    return body


def _is_name(value: object) -> bool:
    return isinstance(value, str) and is_storable(value)


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
        subject = event["data"]["object"]
        known = isinstance(subject, dict) and type(event["created"]) is int
        known = known and 0 <= event["created"] < _LATEST
        known = known and all(_is_name(event[name]) for name in ("id", "type"))
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise Problem(400, "invalid_event", "The body is not a Stripe event.")
    found: dict[str, Any] = event
    return found
