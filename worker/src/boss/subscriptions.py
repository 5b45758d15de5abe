"""What Stripe's events say of subscriptions and payments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boss import queries
from boss.hrana import Statement
from boss.inputs import is_storable
from xswarm_monitoring.alert import Alert, payment_failed

if TYPE_CHECKING:
    from xswarm_monitoring.metrics import Business

FREE: Final = "free"
_CHECKOUT: Final = "checkout.session.completed"
_SUBSCRIPTION: Final = "customer.subscription."
_INVOICES: Final = {"invoice.payment_succeeded": True, "invoice.payment_failed": False}
# Stripe's statuses in the words of our table: without a payment there is nothing to use.
_STATUS: Final[Mapping[str, str]] = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "paused": "paused",
    "unpaid": "paused",
    "incomplete": "paused",
    "incomplete_expired": "canceled",
    "canceled": "canceled",
}
_MOST: Final = 2**53
"""The greatest amount that is taken for one, in the smallest unit of its currency."""
# Stripe documentation, "Zero-decimal currencies".
_WHOLE: Final = (
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
    *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What an event says of one customer's subscription."""

    user_id: str | None
    customer: str
    subscription: str | None
    tier: str
    status: str

    def statement(self, at: str) -> Statement:
        """Write the change: by the user where the event names one, else by the customer."""
        if self.user_id is None:
            return queries.change_subscription(
                self.customer, self.subscription, self.tier, self.status, at
            )
        return queries.set_subscription(
            self.user_id, self.customer, self.subscription, self.tier, self.status, at
        )


def effects(event: Mapping[str, Any]) -> list[Statement]:
    """Return what an event changes in the database; most change nothing.

    Args:
        event: a Stripe event; its object's ``metadata`` may have ``user_id`` and ``tier``.
    """
    change = _change(event["type"], event["data"]["object"])
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(event["created"]))
    return [change.statement(at)] if change else []


def measure(event: Mapping[str, Any], business: Business) -> None:
    """Count an event for the business's metrics.

    Args:
        event: a Stripe event that was not counted before.
        business: what counts.
    """
    kind, subject = event["type"], event["data"]["object"]
    if kind in _INVOICES:
        _measure_invoice(subject, business, succeeded=_INVOICES[kind])
    elif kind.startswith(_SUBSCRIPTION):
        business.subscription(kind.removeprefix(_SUBSCRIPTION), _tier(subject))


def failure(event: Mapping[str, Any]) -> Alert | None:
    """Return the alert of a payment that failed; None for any other event.

    Args:
        event: a Stripe event.
    """
    subject, due = event["data"]["object"], _due(event["data"]["object"])
    if _INVOICES.get(event["type"]) is not False or due is None:
        return None
    return payment_failed(str(_text(subject, "customer")), *due, reason="see Stripe's dashboard")


def _measure_invoice(invoice: Mapping[str, Any], business: Business, *, succeeded: bool) -> None:
    due = _due(invoice)
    if due is not None:
        business.payment(*due, succeeded=succeeded)


def _due(invoice: Mapping[str, Any]) -> tuple[float, str] | None:
    """Return what an invoice is about: an amount and its currency."""
    amount, currency = invoice.get("amount_due"), invoice.get("currency")
    if not isinstance(amount, int) or abs(amount) > _MOST or not isinstance(currency, str):
        return None
    return amount / (1 if currency in _WHOLE else 100), currency


def _change(kind: str, subject: Mapping[str, Any]) -> Change | None:
    customer, user_id = _text(subject, "customer"), _text(subject, "client_reference_id")
    if customer is None:
        return None
    if kind == _CHECKOUT and user_id is not None:
        subscription = _text(subject, "subscription")
        return Change(user_id, customer, subscription, _tier(subject), "active")
    status = _STATUS.get(str(subject.get("status")))
    if kind.startswith(_SUBSCRIPTION) and status:
        user_id, subscription = _text(_table(subject, "metadata"), "user_id"), _text(subject, "id")
        return Change(user_id, customer, subscription, _tier(subject), status)
    return None


def _tier(subject: Mapping[str, Any]) -> str:
    """Read which tier is paid for: the object's metadata say so, else its first price's."""
    items = _table(subject, "items").get("data")
    first = items[0] if isinstance(items, list) and items else None
    price = _table(first, "price") if isinstance(first, Mapping) else {}
    for metadata in (_table(subject, "metadata"), _table(price, "metadata")):
        if metadata.get("tier") in queries.TIERS:
            return str(metadata["tier"])
    return FREE


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and is_storable(value) else None
