"""What SendGrid's events say of the letters we sent, as statements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from boss import queries
from boss.hrana import Statement

# What may be known of a letter before each news of it; events come in any order.
_EARLIER: Final[Mapping[str, tuple[str, ...]]] = {
    "delivered": ("queued", "sent"),
    "opened": ("queued", "sent", "delivered"),
    "clicked": ("queued", "sent", "delivered", "opened"),
    "bounced": ("queued", "sent", "delivered"),
    "complained": ("queued", "sent", "delivered", "opened", "clicked", "bounced"),
}
_STATUS: Final[Mapping[str, str]] = {
    "delivered": "delivered",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "spamreport": "complained",
}
_SUPPRESSED: Final[Mapping[str, str]] = {
    "bounce": "bounced",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}


def effects(event: Mapping[str, Any]) -> list[Statement]:
    """Return what an event changes (SendGrid documentation, "Event Webhook Reference").

    Args:
        event: one event; a bounce of type ``blocked`` is refused for now, not for ever.
    """
    kind, email = event["event"], event.get("email")
    changes = _delivery(kind, event.get("sg_message_id"))
    reason = _SUPPRESSED.get(kind)
    if reason and isinstance(email, str) and event.get("type") != "blocked":
        changes.append(queries.suppress(email.strip().lower(), reason))
    return changes


def _delivery(kind: str, message_id: Any) -> list[Statement]:
    status = _STATUS.get(kind)
    if status is None or not isinstance(message_id, str):
        return []
    # The id that sending gave is the part before the first dot.
    provider_id = message_id.partition(".")[0]
    return [queries.set_delivery(provider_id, status, _EARLIER[status])]
