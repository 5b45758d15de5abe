"""Prometheus' rules: what it records, and when it alerts.

The alerts bear the names that :mod:`xswarm_monitoring.rules` gives them, and the same
thresholds, so that whoever is told by one knows the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from xswarm_deploy.observability import abuse, slo_rules
from xswarm_deploy.observability.expressions import (
    BY,
    FAILED_PAYMENTS,
    FAILED_QUERIES,
    FAILED_REQUESTS,
    increase,
    quantile,
    rate,
    ratio,
)
from xswarm_deploy.observability.stack import Stack, duration
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.instruments import API_CALLS, FLUSH_FAILURES, QUERIES, REQUESTS
from xswarm_monitoring.outcomes import BUSINESS_PAYMENTS, DATABASE_QUERIES, HTTP_REQUESTS
from xswarm_monitoring.rules import percent

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_COMPONENT = ", ".join((*BY, "component"))
WORKER = "worker"
"""The component that is down when the scrape itself fails."""
WATCHDOG = "watchdog"
"""The alert that is always on; the dead-man's switch misses it."""
ALIVE = "Prometheus, Alertmanager and the bridge work: for the dead-man's switch alone"
CRITICAL = "service:health_check:critical"
"""The recorded series of the components that the service is down without."""
RATE_LIMIT_SHARE = 0.9
"""The part of a customer's calls a minute from which they are near their limit."""


@dataclass(frozen=True)
class Recorded:
    """Name an expression that Prometheus evaluates ahead."""

    name: str
    expression: str


@dataclass(frozen=True)
class Rule:
    """When Prometheus alerts.

    Args:
        name: as of :class:`xswarm_monitoring.alert.Alert`.
        severity: how much it matters.
        expression: holds where something is wrong.
        pending: seconds for which it must hold.
        summary: one sentence without the final stop; a template of Prometheus'.
        remedy: the command to type, or the thing to look at.
        labels: beside the severity.
    """

    name: str
    severity: Severity
    expression: str
    pending: float
    summary: str
    remedy: str
    labels: dict[str, str] = field(default_factory=dict)

    def as_yaml(self, stack: Stack) -> dict[str, Any]:
        """Return the rule as it stands in Prometheus' file."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": duration(self.pending),
            "labels": {"severity": self.severity.name, **self.labels},
            "annotations": {
                "summary": self.summary,
                "remedy": self.remedy,
                **stack.templates(self.name),
            },
        }


def recorded(stack: Stack) -> list[Recorded]:
    """Return what is evaluated ahead, for the alerts and the dashboard."""
    window, long = stack.window, stack.payments_window
    return [
        Recorded(name("http_requests:rate", window), rate(HTTP_REQUESTS, window)),
        Recorded(name("http_errors:ratio", window), ratio(HTTP_REQUESTS, window, FAILED_REQUESTS)),
        *_quantiles("http_request_duration_seconds", stack),
        Recorded(CRITICAL, _critical(stack)),
        Recorded(name("database_queries:rate", window), rate(DATABASE_QUERIES, window)),
        Recorded(
            name("database_errors:ratio", window), ratio(DATABASE_QUERIES, window, FAILED_QUERIES)
        ),
        *_quantiles("database_query_duration_seconds", stack),
        Recorded(name("business_payments:rate", long), rate(BUSINESS_PAYMENTS, long)),
        Recorded(
            name("business_payments_failed:ratio", long),
            ratio(BUSINESS_PAYMENTS, long, FAILED_PAYMENTS),
        ),
    ]


def _critical(stack: Stack) -> str:
    """Return which components the service is down without: as it says itself.

    One that says nothing of it, of an earlier version, is known by the names of the reference.
    """
    named = f'health_check_up{{component=~"{"|".join(stack.critical)}"}}'
    told = (
        f"health_check_critical == 1 or {named} unless on ({', '.join(BY)}) health_check_critical"
    )
    return f"max by ({_COMPONENT}) ({told})"


def name(measure: str, window: str) -> str:
    """Return the name of a recorded series: its level, its measure, its window."""
    return f"service:{measure}{window}"


def _quantiles(family: str, stack: Stack) -> Iterator[Recorded]:
    of = {each.name: each for each in (REQUESTS, QUERIES)}[family]
    for words, q in QUANTILES.items():
        yield Recorded(name(f"{family}:{words}_", stack.window), quantile(q, of, stack.window))


def rules(stack: Stack) -> list[Rule]:
    """Return all alerts."""
    limits = [_rate_limit(stack)] if stack.calls_per_minute else []
    return [
        *_outages(stack),
        *_requests(stack),
        *_queries(stack),
        *_payments(stack),
        *_abuse(stack),
        *limits,
        *_monitoring(stack),
    ]


def _outages(stack: Stack) -> Iterator[Rule]:
    pending = stack.timing.outage
    yield Rule(
        "service-outage",
        Severity.CRITICAL,
        f'up{{job="{stack.service}"}} == 0',
        pending,
        "The Worker gives no metrics: it is down, its database is, or the token is wrong",
        "inv monitor.status",
        {"component": WORKER},
    )
    yield Rule(
        "service-outage",
        Severity.CRITICAL,
        f"health_check_up == 0 and on ({_COMPONENT}) {CRITICAL}",
        pending,
        "{{ $labels.component }} is down",
        "inv monitor.status",
    )
    yield Rule(
        "service-degraded",
        Severity.WARNING,
        f"health_check_up == 0 unless on ({_COMPONENT}) {CRITICAL}",
        pending,
        "{{ $labels.component }} does not work; the service does without it",
        "inv monitor.status",
    )


def _requests(stack: Stack) -> Iterator[Rule]:
    limits, window = stack.thresholds, stack.window
    enough = _enough(stack, "http_requests:rate", stack.timing.window)
    yield Rule(
        "high-error-rate",
        Severity.ERROR,
        f"{name('http_errors:ratio', window)} > {limits.error_rate} and {enough}",
        stack.timing.pending,
        "{{ $value | humanizePercentage }} of requests fail"
        f" (threshold {percent(limits.error_rate)})",
        f"inv monitor.metrics --window {window}",
    )
    yield _slow("responses", "http_request_duration_seconds", limits.response_p95, enough, stack)


def _slow(what: str, family: str, threshold: float, enough: str, stack: Stack) -> Rule:
    return Rule(
        f"slow-{what}",
        Severity.WARNING,
        f"{name(f'{family}:p95_', stack.window)} > {threshold} and {enough}",
        stack.timing.pending,
        f"The slowest 5 % of {what} take {{{{ $value | humanizeDuration }}}} or more"
        f" (threshold {threshold:g} s)",
        f"inv monitor.metrics --window {stack.window}",
    )


def _queries(stack: Stack) -> Iterator[Rule]:
    limits = stack.thresholds
    enough = _enough(stack, "database_queries:rate", stack.timing.window)
    yield Rule(
        "database-error",
        Severity.CRITICAL,
        f"{name('database_errors:ratio', stack.window)} > {limits.query_errors} and {enough}",
        stack.timing.pending,
        "{{ $value | humanizePercentage }} of queries fail"
        f" (threshold {percent(limits.query_errors)})",
        "inv check",
    )
    yield _slow("queries", "database_query_duration_seconds", limits.query_p95, enough, stack)


def _payments(stack: Stack) -> Iterator[Rule]:
    yield Rule(
        "payment-failed",
        Severity.ERROR,
        f"{increase(BUSINESS_PAYMENTS, stack.window, FAILED_PAYMENTS)} > 0",
        0,
        '{{ $value | printf "%.0f" }} payments failed',
        f"inv monitor.metrics --window {stack.window}",
    )
    threshold, window = stack.thresholds.payment_failures, stack.payments_window
    enough = _enough(stack, "business_payments:rate", stack.timing.payments)
    yield Rule(
        "payments-failing",
        Severity.ERROR,
        f"{name('business_payments_failed:ratio', window)} > {threshold} and {enough}",
        stack.timing.pending,
        f"{{{{ $value | humanizePercentage }}}} of payments fail (threshold {percent(threshold)})",
        "inv check",
    )


def _abuse(stack: Stack) -> Iterator[Rule]:
    for sign, limit in abuse.signs(stack):
        yield Rule(
            sign.alert,
            sign.severity,
            abuse.expression(sign, limit, stack.window),
            stack.timing.pending,
            abuse.summary(sign, limit),
            f"inv monitor.metrics --window {stack.window}",
        )


def _rate_limit(stack: Stack) -> Rule:
    calls = f"60 * {rate(API_CALLS, stack.window, by=('customer',))}"
    limit = stack.calls_per_minute
    return Rule(
        "api-rate-limit",
        Severity.WARNING,
        f"{calls} > {RATE_LIMIT_SHARE} * {limit}",
        stack.timing.pending,
        f'{{{{ $value | printf "%.0f" }}}} of {limit} calls a minute are used up'
        " by {{ $labels.customer }}",
        f"inv monitor.metrics --window {stack.window}",
    )


def _monitoring(stack: Stack) -> Iterator[Rule]:
    yield Rule(
        "metrics-not-flushed",
        Severity.WARNING,
        f"{increase(FLUSH_FAILURES, stack.window)} > 0",
        stack.timing.pending,
        "The Worker could not save what it measured; it tries again",
        "inv monitor.status",
    )
    if stack.beats:
        yield Rule(
            WATCHDOG,
            Severity.INFO,
            "vector(1)",
            0,
            ALIVE,
            "nothing is wrong",
            {"environment": stack.environment, "service": stack.service},
        )
    yield Rule(
        "metrics-overflow",
        Severity.INFO,
        "metrics_overflow > 0",
        stack.timing.pending,
        "{{ $labels.family }} has more label sets than it may; the rest counts as (other)",
        f"inv monitor.metrics --window {stack.window}",
    )
    yield Rule(
        "alerts-not-delivered",
        Severity.ERROR,
        "sum by (environment, service, integration)"
        f" (increase(alertmanager_notifications_failed_total[{stack.window}])) > 0",
        0,
        "Alertmanager could not tell people by {{ $labels.integration }}",
        "look into Alertmanager's log",
    )


def _enough(stack: Stack, measure: str, seconds: float) -> str:
    """Ask for as many in the window as make a rate."""
    of = name(measure, duration(seconds))
    return f"{of} * {seconds:g} >= {stack.thresholds.least}"


def file(stack: Stack) -> dict[str, Any]:
    """Return the rules' file."""
    interval = duration(stack.timing.scrape)
    kept = [{"record": each.name, "expr": each.expression} for each in recorded(stack)]
    kept += [{"record": name, "expr": expr} for name, expr in slo_rules.recorded(stack)]
    alerts = [each.as_yaml(stack) for each in rules(stack)]
    alerts += slo_rules.alerts(stack)
    return {
        "groups": [
            {"name": f"{stack.service}-recorded", "interval": interval, "rules": kept},
            {"name": f"{stack.service}-alerts", "interval": interval, "rules": alerts},
        ]
    }
