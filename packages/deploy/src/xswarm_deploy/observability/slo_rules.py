"""Prometheus' rules for the objectives: recorded ratios, burn-rate alerts, and their tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xswarm_deploy.observability.expressions import BY, FAILED_REQUESTS, ratio
from xswarm_deploy.observability.stack import Stack, duration
from xswarm_monitoring.instruments import REQUESTS
from xswarm_monitoring.outcomes import HTTP_REQUESTS
from xswarm_monitoring.slo import AVAILABILITY, BURNS, LEAST_BAD, Burn, Objective

TESTS = "slo.test.yml"
NAME = "error-budget"
_STEP, _EVALUATED = 300.0, 3600.0  # seconds between two readings and judgements in the tests
_BUSY = 100_000  # requests in a step


def recorded(stack: Stack) -> Iterator[tuple[str, str]]:
    """Return name and expression of each ratio that is evaluated ahead."""
    for objective in stack.slo.objectives:
        for seconds in sorted({each for burn in BURNS for each in (burn.short, burn.long)}):
            yield _name(objective, seconds), _bad_ratio(objective, duration(seconds))


def alerts(stack: Stack) -> list[dict[str, Any]]:
    """Return the alerts as they stand in Prometheus' file."""
    return [_alert(stack, objective, burn) for objective in stack.slo.objectives for burn in BURNS]


def _name(objective: Objective, seconds: float) -> str:
    return f"service:slo_{objective.name}_bad:ratio{duration(seconds)}"


def _bad_ratio(objective: Objective, window: str) -> str:
    if objective.name == AVAILABILITY:
        return ratio(HTTP_REQUESTS, window, FAILED_REQUESTS)
    return f"{_bad(objective, window, 'rate')} / {_answered(window, 'rate')}"


def _answered(window: str, function: str) -> str:
    """Return the requests that latency counts: all that did not fail."""
    count = f'{REQUESTS.name}_count{{status!~"5.."}}'
    return f"sum by ({', '.join(BY)}) ({function}({count}[{window}]))"


def _bad(objective: Objective, window: str, function: str) -> str:
    if objective.name == AVAILABILITY:
        series = f'{HTTP_REQUESTS.name}_total{{outcome="error"}}'
        return f"sum by ({', '.join(BY)}) ({function}({series}[{window}]))"
    bucket = f'{REQUESTS.name}_bucket{{status!~"5..",le="{objective.boundary!r}"}}'
    good = f"sum by ({', '.join(BY)}) ({function}({bucket}[{window}]))"
    return f"({_answered(window, function)} - {good})"


def _alert(stack: Stack, objective: Objective, burn: Burn) -> dict[str, Any]:
    limit = f"{burn.rate:g} * {objective.allowed:.6g}"
    long, short = (f"{_name(objective, each)} > {limit}" for each in (burn.long, burn.short))
    enough = f"{_bad(objective, duration(burn.long), 'increase')} >= {LEAST_BAD}"
    summary = (
        f"The error budget of {objective.name} burns more than {burn.rate:g} times as fast"
        f" as it may, over {duration(burn.long)} and {duration(burn.short)}"
    )
    return {
        "alert": NAME,
        "expr": f"{long} and {short} and {enough}",
        "for": duration(stack.timing.pending),
        "labels": _labels(objective, burn),
        "annotations": {"summary": summary, "remedy": "inv monitor.slo", **stack.templates(NAME)},
    }


def _labels(objective: Objective, burn: Burn) -> dict[str, str]:
    return {
        "severity": burn.severity.name,
        "objective": objective.name,
        "burn": f"{burn.rate:g}",
    }


def tests(stack: Stack, rules_file: str) -> dict[str, Any]:
    """Return promtool's tests: a steady burn just above and below each rate, and an old one.

    Args:
        stack: what is watched.
        rules_file: the rules, relative to the test file.
    """
    cases = [_test(stack, burn, factor) for burn in BURNS for factor in (1.05, 0.95)]
    return {
        "rule_files": [rules_file],
        "evaluation_interval": duration(_EVALUATED),
        # Else promtool takes the groups in any order, and an hour later what is recorded is stale.
        "group_eval_order": [f"{stack.service}-recorded", f"{stack.service}-alerts"],
        "tests": [*cases, _over(stack)],
    }


def _test(stack: Stack, burn: Burn, factor: float) -> dict[str, Any]:
    """Let all budgets burn steadily for as long as the longest window."""
    rate, steps, series = factor * burn.rate, _steps(), dict[str, str]()
    for objective in stack.slo.objectives:
        bad = _BUSY * min(rate * objective.allowed, 1)
        grows = [f"0+{each:.6f}x{steps}" for each in (bad, _BUSY - bad)]
        series |= _series(stack, objective, *grows)
    due = [
        (objective, each)
        for objective in stack.slo.objectives
        for each in BURNS
        if min(rate, 1 / objective.allowed) > each.rate
    ]
    return _as_test(stack, f"budgets burn {rate:g} times as fast as they may", series, due)


def _over(stack: Stack) -> dict[str, Any]:
    """Let all be bad for an hour, a day ago: what is over wakes nobody."""
    after, hour = round(86400 / _STEP), round(3600 / _STEP)
    before, steps = _steps() - after - hour - 2, _steps()
    bad = f"0+0x{before} {_BUSY}+{_BUSY}x{hour} {(hour + 1) * _BUSY}+0x{after}"
    series = dict[str, str]()
    for objective in stack.slo.objectives:
        series |= _series(stack, objective, bad, f"0+{_BUSY}x{steps}")
    return _as_test(stack, "all was bad for an hour, and is good again", series, [])


def _steps() -> int:
    return round((max(each.long for each in BURNS) + 2 * _EVALUATED) / _STEP)


def _series(stack: Stack, objective: Objective, bad: str, good: str) -> dict[str, str]:
    if objective.name == AVAILABILITY:
        name = f"{HTTP_REQUESTS.name}_total"
        return {_named(stack, name, outcome="error"): bad, _named(stack, name, outcome="ok"): good}
    # Two routes: of one no request is in time, of the other all are.
    bucket, count = f"{REQUESTS.name}_bucket", f"{REQUESTS.name}_count"
    le, slow, quick = repr(objective.boundary), {"route": "/slow"}, {"route": "/quick"}
    none = f"0+0x{_steps()}"
    return {
        _named(stack, bucket, status="200", le=le, **slow): none,
        _named(stack, count, status="200", **slow): bad,
        _named(stack, bucket, status="200", le=le, **quick): good,
        _named(stack, count, status="200", **quick): good,
    }


def _named(stack: Stack, metric: str, **labels: str) -> str:
    given = {"environment": stack.environment, "service": stack.service, **labels}
    return f"{metric}{{{','.join(f'{name}={value!r}' for name, value in given.items())}}}"


def _as_test(
    stack: Stack, words: str, series: dict[str, str], due: list[tuple[Objective, Burn]]
) -> dict[str, Any]:
    made = [_alert(stack, objective, burn) for objective, burn in due]
    given = {"environment": stack.environment, "service": stack.service}
    expected = [
        {
            "exp_labels": {**given, **each["labels"]},
            "exp_annotations": {**each["annotations"], **stack.links(NAME)},
        }
        for each in made
    ]
    check = {"alertname": NAME, "eval_time": duration(_STEP * _steps()), "exp_alerts": expected}
    listed = [{"series": name, "values": values} for name, values in series.items()]
    return {
        "name": words,
        "interval": duration(_STEP),
        "input_series": listed,
        "alert_rule_test": [check],
    }
