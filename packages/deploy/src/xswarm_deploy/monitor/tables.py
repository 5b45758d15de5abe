"""What a person reads: health, metrics and rounds as rows and lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from xswarm_deploy.monitor.watch import Notification, Watched
from xswarm_deploy.services.monitor import Health
from xswarm_monitoring.clock import iso
from xswarm_monitoring.health import FAIL, verdict
from xswarm_monitoring.incident import Incident
from xswarm_monitoring.slo import Budget

Rows = list[tuple[object, ...]]
ENDPOINTS: Final = ("endpoint", "verdict", "HTTP", "took", "budget", "")
CHECKS: Final = ("component", "verdict", "critical", "took", "")
ROUTES: Final = ("route", "method", "requests", "errors", "p50", "p95", "p99")
QUERIES: Final = ("operation", "queries", "rows", "p50", "p95", "p99")
SLOW: Final = ("took", "rows", "when", "statement")
BUSINESS: Final = ("business", "number", "most of it")
ABUSE: Final = ("abuse", "number", "monitor.thresholds")
ON: Final = ("alert", "severity", "state", "since", "what")
BUDGETS: Final = ("objective", "target", "requests", "bad", "good", "budget spent", "window")
SILENCES: Final = ("kept quiet", "until", "why")
INCIDENTS: Final = ("id", "state", "severity", "began", "resolved", "affected", "what")
HISTORY: Final = ("time", "what", "alert", "channels")
MARKS: Final = {"pass": "✓", "warn": "⚠", "fail": "✗"}
COLOURS: Final = {"pass": "green", "warn": "yellow", "fail": "red"}


def endpoints(answers: Iterable[Health]) -> Rows:
    """Return a row for each health endpoint."""
    return [
        (
            each.path,
            f"{MARKS[each.verdict]} {each.verdict}",
            each.status or "none",
            _ms(each.milliseconds),
            _ms(each.budget),
            _remark(each),
        )
        for each in answers
    ]


def checks(answer: Health) -> Rows:
    """Return a row for each component of a health report; none without the admin token."""
    return [
        (
            each.name,
            f"{MARKS[each.status]} {each.status}",
            "yes" if each.critical else "no",
            _ms(each.milliseconds),
            each.output,
        )
        for each in answer.checks
    ]


def figures(requests: Mapping[str, Any]) -> str:
    """Return the requests of a window on one line."""
    took = requests["duration_ms"]
    return (
        f"{requests['total']} requests, {requests['per_second']:g} a second,"
        f" {requests['error_rate']:.2%} errors,"
        f" p50 {_ms(took['p50'])}, p95 {_ms(took['p95'])}, p99 {_ms(took['p99'])}"
    )


def routes(requests: Mapping[str, Any]) -> Rows:
    """Return a row for each route, the busiest first."""
    return [
        (
            each["route"],
            each["method"],
            each["total"],
            f"{each['error_rate']:.2%}",
            *_quantiles(each["duration_ms"]),
        )
        for each in requests["routes"]
    ]


def queries(database: Mapping[str, Any]) -> Rows:
    """Return a row for each kind of query."""
    return [
        (each["operation"], each["queries"], f"{each['rows']:g}", *_quantiles(each["duration_ms"]))
        for each in database["operations"]
    ]


def slow(database: Mapping[str, Any]) -> Rows:
    """Return a row for each slow query, the slowest first."""
    return [
        (f"{each['seconds']:.2f} s", each["rows"], each["time"], each["sql"])
        for each in database["slow_queries"]
    ]


def business(measured: Mapping[str, Any]) -> Rows:
    """Return a row for each thing the business counts."""
    counted = [
        (name.replace("_", " "), f"{each['total']:g}", _most(each["listed"]))
        for name, each in measured.items()
        if name != "payments"
    ]
    paid = [
        (f"payments, {each['outcome']}", each["count"], f"{each['amount']:.2f} {each['currency']}")
        for each in measured["payments"]
    ]
    return [*counted, *paid]


def abuse(measured: Mapping[str, int], thresholds: Mapping[str, float]) -> Rows:
    """Return a row for each sign of abuse, with the number from which people are told."""
    return [
        (name.replace("_", " "), number, f"{thresholds[name]:g} in a window")
        for name, number in measured.items()
        if name in thresholds
    ]


def on(alerts: Sequence[Mapping[str, Any]]) -> Rows:
    """Return a row for each alert that is on."""
    return [
        (each["name"], each["severity"], each["state"], each["since"], each["summary"])
        for each in alerts
    ]


def budgets(found: Iterable[Budget]) -> Rows:
    """Return a row for each objective."""
    return [_budget(each) for each in found]


def _budget(budget: Budget) -> tuple[object, ...]:
    objective, count = budget.objective, budget.count
    within = f" within {objective.boundary:.3g} s" if objective.threshold else ""
    good = f"{1 - count.bad / count.total:.4%}" if count.total else "no requests"
    days = f"{budget.window / 86400:g} d"
    if budget.measured < budget.window:
        days += f", measured {budget.measured / 86400:.1f} d"
    target, spent = f"{objective.target:.5g}{within}", f"{budget.spent:.1%}"
    return objective.name, target, count.total, count.bad, good, spent, days


def silences(kept: Sequence[Mapping[str, Any]]) -> Rows:
    """Return a row for each silence."""
    return [(each["pattern"], each["until"], each["why"]) for each in kept]


def history(entries: Sequence[Mapping[str, Any]]) -> Rows:
    """Return a row for each of the latest notices, the oldest first."""
    return [
        (each["time"], each["what"], each["alert"]["summary"], went(each["channels"]))
        for each in entries[-20:]
    ]


def incidents(found: Iterable[Incident], names: Mapping[str, str]) -> Rows:
    """Return a row for each incident, the newest first.

    Args:
        found: those.
        names: the public name of each component.
    """
    return [
        (
            each.id,
            each.updates[-1].state,
            each.severity.name.lower(),
            iso(each.begun),
            "" if each.resolved is None else iso(each.resolved),
            ", ".join(names.get(name, f"{name} (not shown)") for name in each.components),
            each.title,
        )
        for each in found
    ]


def round_(watched: Watched, now: float) -> list[tuple[str, str]]:
    """Return the lines of one round, each with its colour.

    Args:
        watched: the round.
        now: seconds since 1970.
    """
    found = verdict(watched.seen.checks)
    found = FAIL if found == FAIL else ("warn" if watched.due else found)
    moment = datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S")
    how = "" if watched.seen.mounted else " (from outside)"
    head = f"{MARKS[found]} {moment}{how}  {figures(watched.figures())}"
    due = [(f"  {each.severity.name}: {each.summary}", COLOURS[found]) for each in watched.due]
    other = [] if watched.ours else [("  another round is under way; it tells", "dim")]
    gap = f"  the status page has a gap: {watched.unpublished}"
    other += [(gap, "yellow")] if watched.unpublished else []
    other += [(f"  the state of alerts: {fault}", "yellow") for fault in watched.faults]
    return [(head, COLOURS[found]), *due, *other, *map(_told, watched.told)]


def _told(told: Notification) -> tuple[str, str]:
    return f"  told ({told.what}): {told.alert.summary}: {went(told.channels)}", "dim"


def went(channels: Mapping[str, str]) -> str:
    """Return how each channel took a message."""
    return ", ".join(f"{name} {outcome}" for name, outcome in channels.items())


def _remark(health: Health) -> str:
    if not health.status:
        return health.error
    if not health.reported:
        return "no health report: is the monitor mounted?"
    return "" if health.in_time else "slower than its budget"


def _most(listed: Sequence[Mapping[str, Any]]) -> str:
    parts = [
        f"{', '.join(str(value) for key, value in each.items() if key != 'count')}: "
        f"{each['count']:g}"
        for each in listed[:3]
    ]
    return "; ".join(parts)


def _quantiles(took: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(_ms(took[name]) for name in ("p50", "p95", "p99"))


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
