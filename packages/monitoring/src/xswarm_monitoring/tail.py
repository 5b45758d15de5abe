"""Measure a Worker that cannot mount the monitor, from the events of its tail.

The events are those of a Tail Worker, or of ``wrangler tail --format json``: see
Cloudflare's TraceItem. They hold addresses, not routes, so labels are made of their paths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from xswarm_monitoring.instruments import NO_ROUTE
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.probe_header import HEADER, ProbedRequest, recognise

LARGEST = 1 << 20
"""Bytes of events taken at once."""

_CANCELED = 499
_KINDS = {
    "cron": "(cron)",
    "queue": "(queue)",
    "mailFrom": "(email)",
    "scheduledTime": "(alarm)",
    "rpcMethod": "(rpc)",
    "consumedEvents": "(tail)",
}
_LONGEST = 1e9
"""Milliseconds that no event takes: eleven days."""
_STATUS_OF_OUTCOME = {"ok": 200, "canceled": _CANCELED, "responseStreamDisconnected": _CANCELED}


def measure(body: bytes, metrics: Metrics, token: str = "") -> tuple[int, int]:
    """Measure tail events; return how many were counted, and how many were none of a Worker's.

    Every event counts: requests by their path, see :mod:`xswarm_monitoring.paths`; cron triggers,
    queues, mail and alarms under a label of their own. One that does not say how long it took
    counts as 0 s. A deployment's own requests are counted apart, by their signature.

    Args:
        body: a JSON array of events, or a single one.
        metrics: to count them by.
        token: the admin token; empty: no signature is believed.

    Raises:
        ValueError: the body is not that.
    """
    try:
        given = json.loads(body)
    except RecursionError as error:
        raise ValueError("they are too deep") from error
    events = given if isinstance(given, list) else [given]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("tail events are JSON objects")
    metrics.tick(metrics.clock.timer())
    counted = sum(_count(event, metrics, token) for event in events)
    return counted, len(events) - counted


def _count(event: Mapping[str, Any], metrics: Metrics, token: str) -> bool:
    try:
        about, outcome = event.get("event") or {}, str(event["outcome"])
        request = about.get("request")
        if request is None:
            metrics.requests.observe(_kind(about), "(event)", _status(about, outcome), _took(event))
            return True
        path = unquote(urlsplit(request["url"]).path) or "/"
        method, status = str(request["method"]), _status(about, outcome)
        kept = metrics.probes if _is_probe(event, metrics, token) else metrics.requests
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return False
    route = metrics.paths.label(path, answered=status < 400 or status >= 500) or NO_ROUTE
    kept.observe(route, method, status, _took(event))
    return True


def _took(event: Mapping[str, Any]) -> float:
    """Return the seconds that an event took; 0 where it does not say, or says what cannot be."""
    found = event.get("wallTime")
    if not isinstance(found, int | float) or not 0 <= found < _LONGEST:
        return 0.0
    return float(found) / 1000


def _kind(about: Mapping[str, Any]) -> str:
    """Return the label of an event that is no request, by what it is about."""
    return next((label for key, label in _KINDS.items() if key in about), "(other event)")


def _is_probe(event: Mapping[str, Any], metrics: Metrics, token: str) -> bool:
    """Return whether a request was the deployment's own, at the time that it was made."""
    request = event["event"]["request"]
    sent = {str(name).lower(): str(text) for name, text in (request.get("headers") or {}).items()}
    claim = sent.get(HEADER.lower(), "")
    if not claim:
        return False
    now = float(event.get("eventTimestamp") or metrics.clock.wall() * 1000) / 1000
    asked = ProbedRequest.of(str(request["method"]), str(request["url"]), sent.get("host", ""))
    return bool(recognise(claim, token, asked, now))


def _status(about: Mapping[str, Any], outcome: str) -> int:
    """Return the status that was answered; for a Worker that broke, the one it amounts to."""
    response = about.get("response")
    if outcome == "ok" and response:
        status = int(response["status"])
        return status if 100 <= status <= 599 else 500
    return _STATUS_OF_OUTCOME.get(outcome, 500)
