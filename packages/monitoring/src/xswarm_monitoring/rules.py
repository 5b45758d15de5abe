"""The rules: which measurements and checks are worth an alert, and when people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any

from xswarm_monitoring import abuse, alert, instruments, push
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.health import FAIL, WARN, Check
from xswarm_monitoring.lengths import seconds
from xswarm_monitoring.push import Target
from xswarm_monitoring.report import combined, is_error
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.window import Labels, Window

_BUSY = (429, 529)  # what providers answer to who asks too much
_PARTS = frozenset(("error_rate", "query_errors", "payment_failures", "memory"))
_WHOLE = frozenset(("flaps", "flap_rounds", "flap_of", "least", "memory_limit"))
_SHORTEST_WINDOW = 60.0  # seconds; what is shorter is not flushed yet when it is judged
_LONGEST_WINDOW = 90 * 86400.0


@dataclass(frozen=True)
class Thresholds:
    """Where wrong begins.

    Args:
        error_rate: the part of requests answered with 500 or above.
        response_p95: seconds.
        query_p95: seconds.
        query_errors: the part of queries that failed.
        payment_failures: the part of payments that failed.
        memory: the part of ``memory_limit`` in use.
        memory_limit: bytes; by default what the process says that it may have.
        failed_logins: logins that failed in the window; from so many on, 0: never.
        forged_tokens: tokens that were not made here, likewise.
        forged_webhooks: webhooks whose signature does not fit, likewise.
        rate_limited: requests answered with 429, likewise.
        scans: requests for what no route has, likewise.
        least: fewer requests, queries or payments than this make no rate.
    """

    error_rate: float = 0.05
    response_p95: float = 2.0
    query_p95: float = 5.0
    query_errors: float = 0.05
    payment_failures: float = 0.2
    memory: float = 0.9
    memory_limit: int | None = None
    least: int = 20
    failed_logins: int = 20
    forged_tokens: int = 30
    forged_webhooks: int = 10
    rate_limited: int = 20
    scans: int = 100


@dataclass(frozen=True)
class Rules:
    """What counts as wrong and when people are told: the key ``monitor`` of invoke.yaml.

    Args:
        window: seconds that are judged.
        thresholds: where wrong begins.
        policy: when people are told.
        runbook: the address of what to do about an alert; ``{name}`` in it is its name.
        dashboard: the address of the figures; empty: the Worker's own page.
        slo: the objectives of the service.
        push: who receives what is measured.
        status_page: what customers are shown; None: there is no public status page.
    """

    window: float = 300.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    policy: Policy = field(default_factory=Policy)
    runbook: str = ""
    dashboard: str = ""
    slo: Slo = field(default_factory=Slo)
    push: tuple[Target, ...] = ()
    status_page: StatusPage | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Rules:
        """Make them of plain values; what is not there is as usual.

        Raises:
            ValueError: an unknown key, or a value that does not fit; the message names it.
        """
        numbers = (
            *("hold", "clear", "flaps", "flap_window", "flap_rounds", "flap_of"),
            *("event_repeat", "gather"),
        )
        texts = ("runbook", "dashboard")
        blocks = ("window", "thresholds", "repeat", "slo", "push", "status_page")
        _require_known("monitor", values, {*blocks, *numbers, *texts})
        limits, repeat = _block(values, "thresholds"), _block(values, "repeat")
        _require_known("monitor.thresholds", limits, {each.name for each in fields(Thresholds)})
        _require_known("monitor.repeat", repeat, {each.name.lower() for each in Severity})
        told = {Severity[name.upper()]: _number(name, value) for name, value in repeat.items()}
        policy = {name: _limit(name, values[name]) for name in numbers if name in values}
        return cls(
            _window(values.get("window", "5m")),
            Thresholds(**{name: _limit(name, limit) for name, limit in limits.items()}),
            Policy(**policy, repeat={**Policy().repeat, **told}),
            runbook=_address("runbook", values.get("runbook", "")),
            dashboard=_address("dashboard", values.get("dashboard", "")),
            slo=Slo.read(values.get("slo")),
            push=push.read(values.get("push")),
            status_page=StatusPage.read(values.get("status_page")),
        )


def _address(name: str, value: Any) -> str:
    if value and not str(value).startswith(("https://", "http://")):
        raise ValueError(f"monitor.{name} must be an address that begins with https://: {value!r}")
    return str(value or "")


def _block(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name) or {}
    if not isinstance(found, Mapping):
        raise ValueError(f"monitor.{name} must be a block of `key: value` lines, not {found!r}")  # noqa: TRY004 - a file's value
    return found


def _require_known(where: str, values: Mapping[str, Any], known: set[str]) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be a block of `key: value` lines, not {values!r}")  # noqa: TRY004 - a file's value
    unknown = sorted(set(map(str, values)) - known)
    if unknown:
        raise ValueError(f"unknown {where}.{unknown[0]}; {where} has: {', '.join(sorted(known))}")


def _number(name: str, value: Any) -> Any:
    if not _is_number(value) or not 0 <= value < inf:
        raise ValueError(f"monitor: {name} must be a number from 0 on, not {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _limit(name: str, value: Any) -> Any:
    """Read a number that has bounds by its nature."""
    if name in _PARTS and (isinstance(value, str) or (_is_number(value) and value > 1)):
        raise ValueError(f"monitor: {name} is a part of 1, such as 0.05 for 5 %, not {value!r}")
    number = _number(name, value)
    if name in _WHOLE and (number != int(number) or number < 1):
        raise ValueError(f"monitor: {name} must be a whole number from 1 on, not {value!r}")
    return int(number) if name in _WHOLE else number


def _window(value: Any) -> float:
    try:
        read = seconds(str(value))
    except ValueError as error:
        raise ValueError(f"monitor.window must be a length of time such as 5m: {error}") from None
    if not _SHORTEST_WINDOW <= read <= _LONGEST_WINDOW:
        raise ValueError(f"monitor.window lies between 1m and 90d, not {str(value)[:20]!r}")
    return read


def percent(part: float) -> str:
    """Return a part of 1 as people write it, e.g. ``5%`` or ``0.5%``."""
    return f"{100 * part:.4g}%"


def judge(
    measured: Window,
    checks: Sequence[Check] = (),
    thresholds: Thresholds | None = None,
    memory: int | None = None,
    memory_limit: int | None = None,
) -> list[Alert]:
    """Return the alerts that are due now.

    Args:
        measured: a window of some minutes.
        checks: what the probes found last.
        thresholds: where wrong begins.
        memory: bytes in use; None where the runtime does not tell.
        memory_limit: bytes that there may be, likewise.
    """
    limits = thresholds or Thresholds()
    return [
        *_components(checks),
        *_requests(measured, limits),
        *_queries(measured, limits),
        *_payments(measured, limits),
        *abuse.due(measured, asdict(limits)),
        *_memory(memory, limits.memory_limit or memory_limit, limits.memory),
    ]


def _components(checks: Sequence[Check]) -> list[Alert]:
    made = {True: alert.service_outage, False: alert.degraded}
    failed = [made[each.critical](each.name, each.output) for each in checks if each.status == FAIL]
    busy = [alert.api_rate_limit(each.name, each.output) for each in checks if _is_limited(each)]
    return [*failed, *busy]


def _is_limited(check: Check) -> bool:
    return check.status == WARN and any(f"HTTP {code}" in check.output for code in _BUSY)


def _requests(measured: Window, limits: Thresholds) -> list[Alert]:
    series = measured.sketches.get(instruments.REQUESTS.name, {})
    total = sum(sketch.count for sketch in series.values())
    if total < limits.least:
        return []
    errors = sum(sketch.count for labels, sketch in series.items() if is_error(labels[2]))
    p95 = combined(series.values()).quantile(0.95)
    due = []
    if errors / total > limits.error_rate:
        due.append(_high_error_rate(errors, total, limits, _most_failing(series)))
    if p95 > limits.response_p95:
        worst = {"slowest route": _slowest(series, limits.response_p95)}
        due.append(_slow("responses", p95, limits.response_p95, total, worst))
    return due


def _most_failing(series: Mapping[Labels, Sketch]) -> str:
    """Return the route with the most errors, and how many of its requests those are."""
    failed: dict[Labels, int] = {}
    total: dict[Labels, int] = {}
    for (route, method, status), sketch in series.items():
        key = (method, route)
        total[key] = total.get(key, 0) + sketch.count
        failed[key] = failed.get(key, 0) + (sketch.count if is_error(status) else 0)
    worst = max(failed, key=lambda key: failed[key])
    return f"{' '.join(worst)}: {failed[worst]} of {total[worst]}"


def _slowest(series: Mapping[Labels, Sketch], threshold: float) -> str:
    """Return the route with the most requests above a threshold."""
    slow: dict[Labels, int] = {}
    for (route, method, _), sketch in series.items():
        beyond = sketch.count - sketch.at_most((threshold,))[0]
        slow[method, route] = slow.get((method, route), 0) + beyond
    worst = max(slow, key=lambda key: slow[key])
    return f"{' '.join(worst)}: {slow[worst]} above {threshold:g} s"


def _high_error_rate(errors: int, total: int, limits: Thresholds, worst: str) -> Alert:
    return Alert(
        "high-error-rate",
        Severity.ERROR,
        f"{errors / total:.1%} of requests fail (threshold {percent(limits.error_rate)})",
        details={"requests": str(total), "errors": str(errors), "top failing route": worst},
        remedy="inv monitor.metrics --window 5m",
    )


def _slow(
    what: str, p95: float, threshold: float, total: int, more: Mapping[str, str] | None = None
) -> Alert:
    return Alert(
        f"slow-{what}",
        Severity.WARNING,
        f"The slowest 5 % of {what} take {p95:.2f} s or more (threshold {threshold:g} s)",
        details={"number": str(total), **(more or {})},
        remedy="inv monitor.metrics --window 5m",
    )


def _queries(measured: Window, limits: Thresholds) -> list[Alert]:
    series = measured.sketches.get(instruments.QUERIES.name, {})
    total = sum(sketch.count for sketch in series.values())
    if total < limits.least:
        return []
    failed = sum(sketch.count for labels, sketch in series.items() if labels[1] == "error")
    p95 = combined(series.values()).quantile(0.95)
    due = []
    if failed / total > limits.query_errors:
        due.append(alert.database_error(f"{failed} of {total} queries failed"))
    if p95 > limits.query_p95:
        due.append(_slow("queries", p95, limits.query_p95, total))
    return due


def _payments(measured: Window, limits: Thresholds) -> list[Alert]:
    series = measured.sketches.get(instruments.PAYMENTS.name, {})
    total = sum(sketch.count for sketch in series.values())
    failed = sum(sketch.count for labels, sketch in series.items() if labels[1] == "failed")
    if total < limits.least or failed / total <= limits.payment_failures:
        return []
    return [
        Alert(
            "payments-failing",
            Severity.ERROR,
            f"{failed / total:.0%} of payments fail (threshold {percent(limits.payment_failures)})",
            details={"payments": str(total), "failed": str(failed)},
            remedy="inv check",
        )
    ]


def _memory(used: int | None, limit: int | None, part: float) -> list[Alert]:
    if used is None or limit is None or used <= part * limit:
        return []
    return [alert.high_memory(used, limit)]
