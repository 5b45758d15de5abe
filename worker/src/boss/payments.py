"""What Stripe tells: who pays, for what, and who no longer does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from boss import queries
from boss.events import keep_once
from boss.problem import Problem
from boss.response import Response, json_response
from boss.signatures import InvalidSignature, check_stripe

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Statement

FREE = "free"
ACTIVE = ("active", "trialing", "past_due")


async def receive(context: Context) -> Response:
    """Take one Stripe event, once; Stripe repeats it until it is answered by 2xx.

    Raises:
        Problem: the signature is missing or wrong (401), or the body is no event (400).
    """
    event = _event(await _signed_body(context))
    new = await keep_once(context, "stripe", event["id"], event["type"], _effects(event))
    return json_response({"received": True, "repeated": not new})


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


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
        known = isinstance(event["id"], str) and isinstance(event["type"], str)
        known = known and isinstance(event["data"]["object"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise Problem(400, "invalid_event", "The body is not a Stripe event.")
    found: dict[str, Any] = event
    return found


def _effects(event: dict[str, Any]) -> list[Statement]:
    """Say what an event changes; one that changes nothing here is kept all the same."""
    subject = event["data"]["object"]
    customer = subject.get("customer")
    if not isinstance(customer, str):
        return []
    match event["type"]:
        case "checkout.session.completed":
            user_id = subject.get("client_reference_id")
            return [queries.link_customer(user_id, customer)] if isinstance(user_id, str) else []
        case "customer.subscription.created" | "customer.subscription.updated":
            return [queries.set_tier(customer, _tier(subject))]
        case "customer.subscription.deleted":
            return [queries.set_tier(customer, FREE)]
        case _:
            return []


def _tier(subscription: dict[str, Any]) -> str:
    """Read which tier a subscription buys: its price's metadata says so."""
    if subscription.get("status") not in ACTIVE:
        return FREE
    items = subscription.get("items", {}).get("data", [])
    metadata = items[0].get("price", {}).get("metadata", {}) if items else {}
    tier = metadata.get("tier", FREE)
    return tier if tier in queries.TIERS else FREE
