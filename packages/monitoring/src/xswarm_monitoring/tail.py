"""Measure a Worker that cannot mount the monitor, from the events of its tail.

The events are those of a Tail Worker, or of ``wrangler tail --format json``: see
Cloudflare's TraceItem. They hold addresses, not routes, so paths are masked into labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.redaction import mask_path

LARGEST = 1 << 20
"""Bytes of events taken at once."""

_CANCELED = 499
_STATUS_OF_OUTCOME = {"ok": 200, "canceled": _CANCELED, "responseStreamDisconnected": _CANCELED}


def measure(body: bytes, metrics: Metrics) -> tuple[int, int]:
    """Measure the requests among tail events; returns how many were counted and passed over.

    Events of other kinds (cron triggers, queues) and those without a duration are passed
    over.

    Args:
        body: a JSON array of events, or a single one.
        metrics: to count them by.

    Raises:
        ValueError: the body is not that.
    """
    given = json.loads(body)
    events = given if isinstance(given, list) else [given]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("tail events are JSON objects")
    metrics.tick(metrics.clock.timer())
    counted = sum(_count(event, metrics) for event in events)
    return counted, len(events) - counted


def _count(event: Mapping[str, Any], metrics: Metrics) -> bool:
    try:
        about, request = event["event"], event["event"]["request"]
        route = mask_path(urlsplit(request["url"]).path or "/")
        seconds = float(event["wallTime"]) / 1000
        status = _status(about, str(event["outcome"]))
        method = str(request["method"])
    except (KeyError, TypeError, ValueError):
        return False
    metrics.requests.observe(route, method, status, seconds)
    return True


def _status(about: Mapping[str, Any], outcome: str) -> int:
    """Return the status that was answered; for a Worker that broke, the one it amounts to."""
    response = about.get("response")
    if outcome == "ok" and response:
        return int(response["status"])
    return _STATUS_OF_OUTCOME.get(outcome, 500)
