"""What Stripe's events say of subscriptions and payments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boss import queries
from boss.hrana import Statement
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
    if not isinstance(amount, int) or not isinstance(currency, str):
        return None
    return amount / (1 if currency in _WHOLE else 100), currency


def _change(kind: str, subject: Mapping[str, Any]) -> Change | None:
    customer = subject.get("customer")
    if not isinstance(customer, str):
        return None
    if kind == _CHECKOUT and isinstance(subject.get("client_reference_id"), str):
        user_id, subscription = subject["client_reference_id"], _text(subject, "subscription")
        return Change(user_id, customer, subscription, _tier(subject), "active")
    if kind.startswith(_SUBSCRIPTION) and subject.get("status") in _STATUS:
        user_id, subscription = _text(_metadata(subject), "user_id"), _text(subject, "id")
        return Change(user_id, customer, subscription, _tier(subject), _STATUS[subject["status"]])
    return None


def _tier(subject: Mapping[str, Any]) -> str:
    """Read which tier is paid for: the object's metadata say so, else its first price's."""
    items = (subject.get("items") or {}).get("data") or [{}]
    for metadata in (_metadata(subject), _metadata(items[0].get("price") or {})):
        if metadata.get("tier") in queries.TIERS:
            return str(metadata["tier"])
    return FREE


def _metadata(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = subject.get("metadata") or {}
    return metadata


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None
