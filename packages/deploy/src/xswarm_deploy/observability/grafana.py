"""The Grafana dashboard: health, requests, latency, errors, the database and the business."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xswarm_deploy.observability.expressions import (
    ERRORS,
    FAILED_PAYMENTS,
    FAILED_QUERIES,
    FAILED_REQUESTS,
    mean,
    quantile,
    rate,
    ratio,
)
from xswarm_deploy.observability.rules import QUANTILES
from xswarm_deploy.observability.stack import Stack
from xswarm_monitoring.instruments import (
    ACTIVITIES,
    API_CALLS,
    FEATURES,
    PAYMENTS,
    QUERIES,
    REQUESTS,
    ROWS,
    SIGNUPS,
    SLOW_QUERIES,
    SUBSCRIPTIONS,
    Family,
)
from xswarm_monitoring.outcomes import BUSINESS_PAYMENTS, DATABASE_QUERIES, HTTP_REQUESTS

FILE = "grafana.json"
INTERVAL = "$__rate_interval"
"""The window that Grafana fits to what is shown."""

_CHOSEN = {"environment": "$environment", "service": "$service"}
_CHOOSE = 'environment=~"$environment",service=~"$service"'
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24
_SCHEMA = 37  # Grafana 10 and later read it


@dataclass(frozen=True)
class Query:
    """Ask Prometheus for one or several lines, and name them by a template of their labels."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """Show queries as a chart, or the last value as a number.

    Args:
        title: the heading.
        queries: what is shown.
        unit: by Grafana's name.
        kind: ``timeseries`` or ``stat``.
        limit: where wrong begins, drawn as a line; None: nowhere.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    limit: float | None = None


def rows(stack: Stack) -> dict[str, list[Panel]]:
    """Return the panels under their headings."""
    return {
        "Health": _health(),
        "Requests": _requests(stack),
        "Database": _database(stack),
        "Business": _business(stack),
    }


def _health() -> list[Panel]:
    watched = f"up{{{_CHOOSE}}}"
    checks = f"health_check_up{{{_CHOOSE}}}"
    version = f"service_info{{{_CHOOSE}}}"
    alerts = 'sum by (alertname, severity) (ALERTS{alertstate="firing",' + _CHOOSE + "})"
    return [
        Panel("Answers", (Query(watched, "{{job}}"),), kind="stat"),
        Panel("Components", (Query(checks, "{{component}}"),), kind="stat"),
        Panel("Version", (Query(version, "{{version}}"),), kind="stat"),
        Panel("Alerts", (Query(alerts, "{{severity}} {{alertname}}"),)),
    ]


def _requests(stack: Stack) -> list[Panel]:
    limits = stack.thresholds
    slowest = quantile(0.95, REQUESTS, INTERVAL, ("route",), _CHOSEN)
    return [
        Panel("Requests a second", (_rates(REQUESTS, "status"),), "reqps"),
        _share("Error rate", HTTP_REQUESTS, FAILED_REQUESTS, limits.error_rate),
        _durations("Response time", REQUESTS, limits.response_p95),
        Panel("Requests by route", (_rates(REQUESTS, "route"),), "reqps"),
        Panel("P95 by route", (Query(slowest, "{{route}}"),), "s", limit=limits.response_p95),
        _share("Errors by route", REQUESTS, ERRORS, limits.error_rate, ("route",)),
    ]


def _database(stack: Stack) -> list[Panel]:
    limits = stack.thresholds
    return [
        Panel("Queries a second", (_rates(QUERIES, "operation"),), "ops"),
        _share("Failed queries", DATABASE_QUERIES, FAILED_QUERIES, limits.query_errors),
        _durations("Query time", QUERIES, limits.query_p95),
        Panel("Rows a second", (_rates(ROWS, "operation"),), "ops"),
        Panel("Slow queries a second", (_rates(SLOW_QUERIES, "operation"),), "ops"),
    ]


def _business(stack: Stack) -> list[Panel]:
    amounts = f"sum by (currency, outcome) (rate({PAYMENTS.name}_sum{{{_CHOOSE}}}[{INTERVAL}]))"
    per_hour = Query(f"3600 * {amounts}", "{{currency}} {{outcome}}")
    return [
        _hourly("Signups", SIGNUPS),
        _hourly("Activities", ACTIVITIES),
        _hourly("Subscriptions", SUBSCRIPTIONS),
        _hourly("Payments", PAYMENTS),
        Panel("Amounts an hour", (per_hour,)),
        _share(
            "Failed payments", BUSINESS_PAYMENTS, FAILED_PAYMENTS, stack.thresholds.payment_failures
        ),
        _hourly("Uses of features", FEATURES),
        _busiest("API calls by customer", API_CALLS),
    ]


def _rates(family: Family, label: str) -> Query:
    return Query(rate(family, INTERVAL, _CHOSEN, (label,)), f"{{{{{label}}}}}")


def _hourly(title: str, family: Family) -> Panel:
    legend = " ".join(f"{{{{{label}}}}}" for label in family.labels)
    expression = f"3600 * {rate(family, INTERVAL, _CHOSEN, family.labels)}"
    return Panel(f"{title} an hour", (Query(expression, legend),))


def _busiest(title: str, family: Family) -> Panel:
    calls = f"topk(10, 60 * {rate(family, INTERVAL, _CHOSEN, family.labels)})"
    return Panel(f"{title} a minute", (Query(calls, "{{customer}}"),))


def _share(
    title: str,
    family: Family,
    matching: dict[str, str],
    limit: float,
    by: tuple[str, ...] = (),
) -> Panel:
    legend = f"{{{{{by[0]}}}}}" if by else title
    part = ratio(family, INTERVAL, matching, by, _CHOSEN)
    return Panel(title, (Query(part, legend),), "percentunit", limit=limit)


def _durations(title: str, family: Family, limit: float) -> Panel:
    lines = [
        Query(quantile(q, family, INTERVAL, (), _CHOSEN), words) for words, q in QUANTILES.items()
    ]
    average = Query(mean(family, INTERVAL, _CHOSEN), "mean")
    return Panel(title, (average, *lines), "s", limit=limit)


def expressions(stack: Stack) -> list[str]:
    """Return all PromQL of the dashboard, Grafana's variables still in it."""
    shown = [query.expression for part in rows(stack).values() for p in part for query in p.queries]
    return [*shown, _releases()]


def _releases() -> str:
    """Return 1 where a version appears that was not there five minutes ago."""
    info = f"service_info{{{_CHOOSE}}}"
    return f"{info} unless {info} offset 5m"


def file(stack: Stack) -> dict[str, Any]:
    """Return the dashboard as Grafana imports or provisions it."""
    title = f"{stack.service}: {stack.environment}"
    return {
        "uid": hashlib.sha256(title.encode()).hexdigest()[:16],
        "title": title,
        "tags": [stack.service, stack.environment],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables(stack)},
        "annotations": {"list": [_markers()]},
        "panels": list(_panels(stack)),
    }


def _variables(stack: Stack) -> list[dict[str, Any]]:
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    first = {"environment": stack.environment, "service": stack.service}
    return [source, *(_variable(label, value) for label, value in first.items())]


def _variable(label: str, value: str) -> dict[str, Any]:
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values(up, {label})",
        "current": {"text": value, "value": value},
        "refresh": 1,
    }


def _markers() -> dict[str, Any]:
    return {
        "name": "Releases",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": _releases(),
        "titleFormat": "{{version}}",
        "step": "60s",
    }


def _panels(stack: Stack) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for heading, panels in rows(stack).items():
        yield _heading(number, heading, top)
        number, top, left = number + 1, top + 1, 0
        for panel in panels:
            if left + _WIDTH > _COLUMNS:
                left, top = 0, top + _HEIGHT
            yield _panel(number, panel, left, top)
            number, left = number + 1, left + _WIDTH
        top += _HEIGHT


def _heading(number: int, title: str, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "collapsed": False}


def _panel(number: int, panel: Panel, left: int, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": left, "y": top, "w": _WIDTH, "h": _HEIGHT},
        "targets": [_target(index, query, panel) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
    }


def _target(index: int, query: Query, panel: Panel) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": panel.kind == "stat",
        "range": panel.kind != "stat",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    given: dict[str, Any] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        given |= {"min": 0}
    if panel.limit is not None:
        steps = [{"value": None, "color": "green"}, {"value": panel.limit, "color": "red"}]
        given["thresholds"] = {"mode": "absolute", "steps": steps}
        given["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return given
