"""The tests of the alerts, as ``promtool test rules`` reads them, made from the thresholds.

Each alert gets one case in which it is due, and one just before: at the threshold itself, or
with too little traffic to make a rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from xswarm_deploy.observability import abuse
from xswarm_deploy.observability.expressions import count
from xswarm_deploy.observability.rules import ALIVE, RATE_LIMIT_SHARE, WATCHDOG, Rule, rules
from xswarm_deploy.observability.stack import Stack, duration
from xswarm_monitoring.instruments import (
    API_CALLS,
    FLUSH_FAILURES,
    QUERIES,
    REQUESTS,
    Family,
)
from xswarm_monitoring.outcomes import (
    ABUSE_SIGNS,
    BUSINESS_PAYMENTS,
    DATABASE_QUERIES,
    HTTP_REQUESTS,
)
from xswarm_monitoring.rules import percent

FILE = "rules.test.yml"

Values = Mapping[str, str]
"""Series → its values, in promtool's notation."""

_STEPS = 4  # a window is so many readings long
_BUSY = 1000  # requests in a step; more, where fewer make no rate
_BESIDE = 0.01  # of 1: as far from a threshold is just above, or just below
_LENGTH = 400  # steps that series have; what is asked is asked long before


@dataclass(frozen=True)
class Due:
    """Expect an alert: what it says, and its labels beside the rule's and the scrape's."""

    summary: str
    labels: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Whether an alert is due with some series.

    Args:
        words: what the series are like.
        alert: its name.
        series: their values.
        due: what is expected; None: no alert.
        window: seconds that the alert looks back; zero: as the stack says.
    """

    words: str
    alert: str
    series: Values
    due: Due | None = None
    window: float = 0.0


def cases(stack: Stack) -> list[Case]:
    """Return all cases."""
    limits = [*_rate_limits(stack)] if stack.calls_per_minute else []
    return [
        *_outages(stack),
        *_requests(stack),
        *_queries(stack),
        *_payments(stack),
        *_abuse(stack),
        *limits,
        *_monitoring(stack),
    ]


def _outages(stack: Stack) -> Iterator[Case]:
    up, name = _series("up", stack, job=stack.service), "ledger"
    critical, other = _check(stack, name, 1), _check(stack, "mail", 0)
    earlier, named = _series("health_check_up", stack, component=stack.critical[0]), stack.critical
    silent = "The Worker gives no metrics: it is down, its database is, or the token is wrong"
    silence = Due(silent, {"job": stack.service, "component": "worker"})
    down = Due(f"{name} is down", {"component": name})
    without = Due("mail does not work; the service does without it", {"component": "mail"})
    yield Case("no answer", "service-outage", {up: _flat(0)}, silence)
    yield Case("an answer", "service-outage", {up: _flat(1)})
    yield Case("a critical component down", "service-outage", critical, down)
    yield Case("another component down", "service-outage", other)
    yield Case("another component down", "service-degraded", other, without)
    yield Case("a critical component down", "service-degraded", critical)
    before = Due(f"{named[0]} is down", {"component": named[0]})
    yield Case("a component of an earlier version", "service-outage", {earlier: _flat(0)}, before)


def _check(stack: Stack, component: str, critical: float) -> Values:
    """Return a component that is down, and whether the service is down without it."""
    of = {"component": component}
    return {
        _series("health_check_up", stack, **of): _flat(0),
        _series("health_check_critical", stack, **of): _flat(critical),
    }


def _requests(stack: Stack) -> Iterator[Case]:
    limits, window = stack.thresholds, stack.timing.window
    good, bad = {"outcome": "ok"}, {"outcome": "error"}
    errors = _Share(
        "high-error-rate", HTTP_REQUESTS, good, bad, limits.error_rate, "requests", window
    )
    yield from errors.cases(stack)
    yield from _durations("responses", REQUESTS, HTTP_REQUESTS, limits.response_p95, stack)


def _queries(stack: Stack) -> Iterator[Case]:
    limits, window = stack.thresholds, stack.timing.window
    good, bad = {"outcome": "ok"}, {"outcome": "error"}
    errors = _Share(
        "database-error", DATABASE_QUERIES, good, bad, limits.query_errors, "queries", window
    )
    yield from errors.cases(stack)
    yield from _durations("queries", QUERIES, DATABASE_QUERIES, limits.query_p95, stack)


def _payments(stack: Stack) -> Iterator[Case]:
    limit, window = stack.thresholds.payment_failures, stack.timing.payments
    good, bad = {"outcome": "succeeded"}, {"outcome": "failed"}
    share = _Share("payments-failing", BUSINESS_PAYMENTS, good, bad, limit, "payments", window)
    yield from share.cases(stack)
    failed = _series(count(BUSINESS_PAYMENTS), stack, **bad)
    due = Due(f"{_STEPS:.0f} payments failed")
    yield Case("payments fail", "payment-failed", {failed: _rising(1)}, due)
    yield Case("no payment failed", "payment-failed", {failed: _flat(0)})


def _abuse(stack: Stack) -> Iterator[Case]:
    for sign, limit in abuse.signs(stack):
        series = _series(count(ABUSE_SIGNS), stack, sign=sign.name)
        steps = stack.timing.window / _step(stack)
        many, few = ceil(2 * limit / steps), (limit / steps) / 2
        due = Due(f"{many * steps:.0f} {sign.words} (threshold {limit:g})")
        yield Case("twice the threshold", sign.alert, {series: _rising(many)}, due)
        yield Case("half the threshold", sign.alert, {series: _rising(few)})


@dataclass(frozen=True)
class _Share:
    """Let a part of many fail, just above the threshold and just below; then all of a few."""

    alert: str
    family: Family
    good: dict[str, str]
    bad: dict[str, str]
    threshold: float
    what: str
    window: float

    def cases(self, stack: Stack) -> Iterator[Case]:
        """Return the three cases."""
        above = self.threshold + min(_BESIDE, (1 - self.threshold) / 2)
        below = max(self.threshold - _BESIDE, self.threshold / 2)
        due = Due(f"{percent(above)} of {self.what} fail (threshold {percent(self.threshold)})")
        few = (stack.thresholds.least - 1) * _step(stack) / self.window
        badly = _series(count(self.family), stack, **self.bad)
        much, little = self._failing(above, stack), self._failing(below, stack)
        if above > self.threshold:  # more than all cannot fail
            yield Case("just above the threshold", self.alert, much, due, self.window)
        yield Case("just below the threshold", self.alert, little, None, self.window)
        yield Case("too few to make a rate", self.alert, {badly: _rising(few)}, None, self.window)

    def _failing(self, part: float, stack: Stack) -> Values:
        counted, busy = count(self.family), max(_BUSY, stack.thresholds.least)
        return {
            _series(counted, stack, **self.good): _rising(busy * (1 - part)),
            _series(counted, stack, **self.bad): _rising(busy * part),
        }


def _durations(
    what: str, family: Family, counted: Family, threshold: float, stack: Stack
) -> Iterator[Case]:
    """Let all be quicker than the threshold's bucket, then more than a twentieth beyond it."""
    if not family.boundaries[0] <= threshold < family.boundaries[-1]:
        return  # what is smaller than the first bucket is guessed within it
    beyond = next(limit for limit in family.boundaries if limit > threshold)
    within = max(limit for limit in family.boundaries if limit <= threshold)
    busy = max(_BUSY, stack.thresholds.least)

    def slow(part: float) -> Values:
        quick = _rising(busy * (1 - part))
        edges = {repr(within): quick, repr(beyond): quick, "+Inf": _rising(busy)}
        made = {
            _series(f"{family.name}_bucket", stack, le=edge): values
            for edge, values in edges.items()
        }
        return made | {_series(count(counted), stack, outcome="ok"): _rising(busy)}

    # What lies beyond the last boundary counts as the boundary itself.
    said = (
        f"The slowest 5 % of {what} take {_humanized(beyond)} or more (threshold {threshold:g} s)"
    )
    yield Case("more than a twentieth too slow", f"slow-{what}", slow(0.06), Due(said))
    yield Case("less than a twentieth too slow", f"slow-{what}", slow(0.04))


def _humanized(seconds: float) -> str:
    """Return seconds as Prometheus' ``humanizeDuration`` writes them, up to an hour."""
    if seconds >= 60:
        return f"{seconds // 60:.0f}m {seconds % 60:.0f}s"
    return f"{seconds:.4g}s" if seconds >= 1 else f"{seconds * 1000:.4g}ms"


def _rate_limits(stack: Stack) -> Iterator[Case]:
    series, limit = _series(count(API_CALLS), stack, customer="c1"), stack.calls_per_minute
    near = RATE_LIMIT_SHARE * limit
    due = Due(
        f"{near + 1:.0f} of {limit} calls a minute are used up by c1",
        {"customer": "c1"},
    )
    minutes = _step(stack) / 60
    yield Case("near the limit", "api-rate-limit", {series: _rising((near + 1) * minutes)}, due)
    yield Case("not so near", "api-rate-limit", {series: _rising((near - 1) * minutes)})


def _monitoring(stack: Stack) -> Iterator[Case]:
    flush = _series(count(FLUSH_FAILURES), stack)
    over = _series("metrics_overflow", stack, family="f")
    failed = _series(
        "alertmanager_notifications_failed_total", stack, job="alertmanager", integration="slack"
    )
    lost = Due("The Worker could not save what it measured; it tries again")
    full = Due(
        "f has more label sets than it may; the rest counts as (other)",
        {"family": "f"},
    )
    mute = Due("Alertmanager could not tell people by slack", {"integration": "slack"})
    if stack.beats:
        yield Case("always", WATCHDOG, {flush: _flat(0)}, Due(ALIVE))
    yield Case("flushes fail", "metrics-not-flushed", {flush: _rising(1)}, lost)
    yield Case("none has failed lately", "metrics-not-flushed", {flush: _flat(3)})
    yield Case("an overflow", "metrics-overflow", {over: _flat(1)}, full)
    yield Case("no overflow", "metrics-overflow", {over: _flat(0)})
    yield Case("Slack refuses", "alerts-not-delivered", {failed: _rising(1)}, mute)
    yield Case("Slack takes it", "alerts-not-delivered", {failed: _flat(0)})


def _series(metric: str, stack: Stack, **labels: str) -> str:
    given = {"environment": stack.environment, "service": stack.service, **labels}
    return f"{metric}{{{','.join(f'{name}={value!r}' for name, value in given.items())}}}"


def _flat(value: float) -> str:
    return f"{value:g}+0x{_LENGTH}"


def _rising(step: float) -> str:
    digits = f"{step:.9f}".rstrip("0").rstrip(".")  # promtool reads no exponent here
    return f"0+{digits}x{_LENGTH}"


def _step(stack: Stack) -> float:
    return stack.timing.window / _STEPS


def file(stack: Stack, rules_file: str) -> dict[str, Any]:
    """Return promtool's test file.

    Args:
        stack: what is watched.
        rules_file: the rules, relative to the test file.
    """
    by_name: dict[str, list[Rule]] = {}
    for rule in rules(stack):
        by_name.setdefault(rule.name, []).append(rule)
    return {
        "rule_files": [rules_file],
        "evaluation_interval": duration(_step(stack)),
        "tests": [_test(case, by_name[case.alert], stack) for case in cases(stack)],
    }


def _test(case: Case, named: list[Rule], stack: Stack) -> dict[str, Any]:
    step = _step(stack)
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    check = {
        "alertname": case.alert,
        "eval_time": duration(_settled(case, stack)),
        "exp_alerts": [_expected(case.due, named[0], stack)] if case.due else [],
    }
    return {
        "name": f"{case.alert}: {case.words}",
        "interval": duration(step),
        "input_series": series,
        "alert_rule_test": [check],
    }


def _settled(case: Case, stack: Stack) -> float:
    """Return the seconds after which the alert's window is filled, and it is pending no more.

    Raises:
        ValueError: the series would have to be longer.
    """
    timing, step = stack.timing, _step(stack)
    needed = max(case.window, timing.window) + max(timing.pending, timing.outage)
    steps = ceil(needed / step) + 1
    if steps >= _LENGTH:
        raise ValueError(f"a window of {case.window:g} s is too long beside {timing.window:g} s")
    return steps * step


def _expected(due: Due, rule: Rule, stack: Stack) -> dict[str, Any]:
    given = {"environment": stack.environment, "service": stack.service}
    return {
        "exp_labels": {**given, "severity": rule.severity.name, **due.labels},
        "exp_annotations": {
            "summary": due.summary,
            "remedy": rule.remedy,
            **stack.links(rule.name),
        },
    }
