"""Prometheus' rules for abuse, and their tests: one of each sign of the monitoring's table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xswarm_deploy.observability.expressions import BY, count
from xswarm_deploy.observability.stack import Stack
from xswarm_monitoring.abuse import SIGNS, Sign
from xswarm_monitoring.instruments import ABUSE, REQUESTS


def signs(stack: Stack) -> Iterator[tuple[Sign, float]]:
    """Yield the signs that have a threshold, each with it."""
    for sign in SIGNS:
        limit = float(getattr(stack.thresholds, sign.name))
        if limit:
            yield sign, limit


def series(sign: Sign) -> str:
    """Return the series that counts a sign, as PromQL."""
    if sign.kind:
        return count(ABUSE, {"kind": sign.kind})
    route = {"route": re.sub(r"[()]", r"[\g<0>]", sign.route)} if sign.route else {}
    return count(REQUESTS, {**route, "status": sign.status})


def labels(sign: Sign) -> dict[str, str]:
    """Return the labels of one such series."""
    if sign.kind:
        return {"kind": sign.kind}
    return {"route": sign.route or "/", "method": "GET", "status": sign.status}


def expression(sign: Sign, limit: float, window: str) -> str:
    """Return when the alert is due: so many in the window."""
    return f"sum by ({', '.join(BY)}) (increase({series(sign)}[{window}])) >= {limit:g}"


def summary(sign: Sign, limit: float) -> str:
    """Return the alert's sentence, a template of Prometheus'."""
    return f'{{{{ $value | printf "%.0f" }}}} {sign.words} (threshold {limit:g})'
