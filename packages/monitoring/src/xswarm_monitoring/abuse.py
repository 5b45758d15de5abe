"""Abuse: failed logins, forged tokens and webhooks, callers beyond their limit, scanners.

What only the application can know, it counts by :class:`Abuse`; what the answers show (429, and 404
where no route is) is read from the requests. A deployment's own requests are none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xswarm_monitoring import instruments
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.correlation import is_probe
from xswarm_monitoring.instruments import NO_ROUTE
from xswarm_monitoring.measures import Measures

if TYPE_CHECKING:
    from xswarm_monitoring.window import Window


@dataclass(frozen=True)
class Sign:
    """One sign of abuse, and the alert that so many of it in a window make.

    Args:
        name: of the report's figure and of the threshold.
        alert: the alert's name.
        severity: of the alert.
        words: what they are, in the plural.
        kind: the label under which the application counts it; empty: requests show it.
        status: what requests were answered with that are such.
        route: the route they asked for; empty: any.
    """

    name: str
    alert: str
    severity: Severity
    words: str
    kind: str = ""
    status: str = ""
    route: str = ""

    def count(self, measured: Window) -> int:
        """Return how many there were in a window."""
        if self.kind:
            return round(measured.counts.get(instruments.ABUSE.name, {}).get((self.kind,), 0))
        series = measured.sketches.get(instruments.REQUESTS.name, {})
        return sum(
            sketch.count
            for (route, _method, status), sketch in series.items()
            if status == self.status and self.route in ("", route)
        )


SIGNS = (
    Sign("failed_logins", "failed-logins", Severity.WARNING, "logins failed", "failed_login"),
    Sign(
        "forged_tokens",
        "forged-tokens",
        Severity.WARNING,
        "tokens were not made here",
        "forged_token",
    ),
    Sign(
        "forged_webhooks",
        "forged-webhooks",
        Severity.ERROR,
        "webhooks bore a signature that does not fit",
        "forged_webhook",
    ),
    Sign(
        "rate_limited",
        "callers-limited",
        Severity.WARNING,
        "requests were beyond their caller's limit (429)",
        status="429",
    ),
    Sign(
        "scans",
        "scanner",
        Severity.WARNING,
        "requests asked for what there is not (404)",
        status="404",
        route=NO_ROUTE,
    ),
)
"""All signs of abuse; each threshold is a field of :class:`xswarm_monitoring.rules.Thresholds`."""


class Abuse:
    """Count what only the application knows to be abuse."""

    def __init__(self, metrics: Measures) -> None:
        self._metrics = metrics

    def failed_login(self) -> None:
        """Count a login with a wrong name or password."""
        self._count("failed_login")

    def forged_token(self) -> None:
        """Count a token that was not made here, or was changed; none that only expired."""
        self._count("forged_token")

    def forged_webhook(self) -> None:
        """Count a webhook whose signature does not fit."""
        self._count("forged_webhook")

    def _count(self, kind: str) -> None:
        if is_probe():
            return
        self._metrics.tick(self._metrics.clock.timer())
        self._metrics.counter(instruments.ABUSE).add(1, kind)


def counted(measured: Window) -> dict[str, int]:
    """Return how many there were of each sign."""
    return {sign.name: sign.count(measured) for sign in SIGNS}


def due(measured: Window, thresholds: Mapping[str, float]) -> list[Alert]:
    """Return the alerts of a window.

    Args:
        measured: what was measured in it.
        thresholds: by the signs' names; from so many on it is an alert, and 0 is never one.
    """
    found = [(sign, sign.count(measured), thresholds[sign.name]) for sign in SIGNS]
    return [
        Alert(
            sign.alert,
            sign.severity,
            f"{count} {sign.words} (threshold {limit:g})",
            remedy="inv monitor.metrics --window 5m",
        )
        for sign, count, limit in found
        if limit and count >= limit
    ]
