"""Prometheus' rules for abuse, and their tests: one of each sign of the monitoring's table."""

from __future__ import annotations

from collections.abc import Iterator

from xswarm_deploy.observability.expressions import BY, count
from xswarm_deploy.observability.stack import Stack
from xswarm_monitoring.abuse import SIGNS, Sign
from xswarm_monitoring.outcomes import ABUSE_SIGNS


def signs(stack: Stack) -> Iterator[tuple[Sign, float]]:
    """Yield the signs that have a threshold, each with it."""
    for sign in SIGNS:
        limit = float(getattr(stack.thresholds, sign.name))
        if limit:
            yield sign, limit


def series(sign: Sign) -> str:
    """Return the series that counts a sign, as PromQL; it is there before the first of them."""
    return count(ABUSE_SIGNS, {"sign": sign.name})


def expression(sign: Sign, limit: float, window: str) -> str:
    """Return when the alert is due: so many in the window."""
    return f"sum by ({', '.join(BY)}) (increase({series(sign)}[{window}])) >= {limit:g}"


def summary(sign: Sign, limit: float) -> str:
    """Return the alert's sentence, a template of Prometheus'."""
    return f'{{{{ $value | printf "%.0f" }}}} {sign.words} (threshold {limit:g})'
