"""An alert: what is wrong, how much it matters, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from xswarm_monitoring.printable import one_line, printable
from xswarm_monitoring.redaction import mask_text

NAMES = (
    "alerts-forgotten",
    "api-rate-limit",
    "callers-limited",
    "database-error",
    "deployment-failed",
    "error-budget",
    "failed-logins",
    "forged-tokens",
    "forged-webhooks",
    "high-error-rate",
    "high-memory",
    "payment-failed",
    "payments-failing",
    "scanner",
    "service-degraded",
    "service-outage",
    "slow-queries",
    "slow-responses",
    "test-alert",
)
"""The names of all alerts of this library's; an application may have others."""


class Severity(IntEnum):
    """How much an alert matters; it decides who is told, and how."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


@dataclass(frozen=True)
class Alert:
    """That something is wrong.

    Args:
        name: the kind of alert, e.g. ``service-outage``.
        severity: how much it matters.
        summary: one sentence without the final stop; masked when made.
        labels: what it is about; name and labels together are its identity.
        details: what else is known, for whoever looks into it; masked when made.
        remedy: the command to type, or the thing to look at.
        several: the summary of several at once, of an event that is added up; ``{times}`` and
            ``{amounts}`` in it are filled in. Empty: each is told with its number alone.
        amounts: what is added up, by its unit, e.g. a currency.
        links: where to look, by what is there: ``runbook``, ``dashboard``.
    """

    name: str
    severity: Severity
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    several: str = ""
    amounts: Mapping[str, float] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in ("name", "remedy", "several"):
            object.__setattr__(self, text, one_line(getattr(self, text)))
        object.__setattr__(self, "summary", one_line(mask_text(self.summary)))
        labels = {name: one_line(value) for name, value in self.labels.items()}
        masked = {key: printable(mask_text(str(value))) for key, value in self.details.items()}
        links = {name: one_line(address) for name, address in self.links.items() if address}
        amounts = {one_line(unit): float(amount) for unit, amount in self.amounts.items()}
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "amounts", amounts)
        object.__setattr__(self, "links", links)
        object.__setattr__(self, "details", masked)

    @property
    def key(self) -> str:
        """The identity: alerts with the same key are one."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{labels}}}" if labels else self.name

    def as_json(self) -> dict[str, Any]:
        """Return the alert as JSON."""
        return {
            "name": self.name,
            "severity": self.severity.name,
            "summary": self.summary,
            "labels": dict(self.labels),
            "details": dict(self.details),
            "remedy": self.remedy,
            "several": self.several,
            "amounts": dict(self.amounts),
            "links": dict(self.links),
        }


def from_json(data: Mapping[str, Any]) -> Alert:
    """Read what :meth:`Alert.as_json` gave.

    Raises:
        KeyError: something is missing, or the severity does not exist.
    """
    return Alert(
        data["name"],
        Severity[data["severity"]],
        data["summary"],
        data["labels"],
        data["details"],
        data["remedy"],
        data.get("several", ""),
        data.get("amounts", {}),
        data.get("links", {}),
    )


def service_outage(component: str, reason: str) -> Alert:
    """A component that the service cannot do without does not work."""
    return Alert(
        "service-outage",
        Severity.CRITICAL,
        f"{component} is down",
        {"component": component},
        {"reason": reason},
        "inv monitor.status",
    )


def degraded(component: str, reason: str) -> Alert:
    """A component that the service can do without for a while does not work."""
    return Alert(
        "service-degraded",
        Severity.WARNING,
        f"{component} does not work; the service does without it",
        {"component": component},
        {"reason": reason},
        "inv monitor.status",
    )


def database_error(reason: str) -> Alert:
    """The database refused a query or did not answer."""
    summary = "The database refuses queries or does not answer"
    return Alert("database-error", Severity.CRITICAL, summary, {}, {"reason": reason}, "inv check")


def payment_failed(customer: str, amount: float, currency: str, reason: str) -> Alert:
    """A customer's payment failed; those of all customers are one alert, which is summed up."""
    return Alert(
        "payment-failed",
        Severity.ERROR,
        f"A payment of {amount:.2f} {currency.upper()} failed",
        details={"customer": mask_text(customer), "reason": reason},
        remedy="inv monitor.metrics --window 15m",
        several="{times} payments failed, {amounts}",
        amounts={currency.upper(): amount},
    )


def deployment_failed(release: str, outcome: str, reason: str) -> Alert:
    """A release failed, and was brought back or could not be."""
    return Alert(
        "deployment-failed",
        Severity.CRITICAL,
        f"{release} failed: {outcome}",
        {},
        {"reason": reason},
        "inv deploy.list",
    )


def high_memory(used: int, limit: int) -> Alert:
    """A process holds nearly as much memory as it may.

    Args:
        used: bytes.
        limit: bytes.
    """
    return Alert(
        "high-memory",
        Severity.WARNING,
        f"{used / limit:.0%} of the memory is in use ({used >> 20} of {limit >> 20} MiB)",
    )


def api_rate_limit(api: str, reason: str) -> Alert:
    """A provider's API refuses calls, since there were too many."""
    return Alert(
        "api-rate-limit",
        Severity.WARNING,
        f"{api} limits our calls",
        {"api": api},
        {"reason": reason},
        "inv monitor.status",
    )


def alerts_forgotten(lost: str) -> Alert:
    """What was kept of alerts could not be read: who was told of them may be told again."""
    return Alert(
        "alerts-forgotten",
        Severity.WARNING,
        "What was kept of alerts could not be read; some may be told again, or their end not",
        details={"lost": lost},
        remedy="inv monitor.alerts",
    )


def test_alert(severity: Severity) -> Alert:
    """Nothing is wrong: somebody wants to see whether alerts arrive."""
    return Alert(
        "test-alert",
        severity,
        f"This is a test of the {severity.name} alerts; nothing is wrong",
        remedy="inv monitor.test-alert",
    )
