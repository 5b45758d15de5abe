"""What the service writes about failures: one JSON line each, without anybody's data."""

from __future__ import annotations

import json
import logging
import traceback

from deployment.monitoring.correlation import current

_log = logging.getLogger("boss")


def log_failure(error: BaseException) -> None:
    """Write that a request failed, and where.

    An error's own words may quote a password or a row, so only its kind and its place in the
    code are written; errors made here (``DatabaseError``) carry nothing else and are quoted.

    Args:
        error: what was raised.
    """
    own = type(error).__module__.startswith("boss.")
    line = {
        "level": "error",
        "event": "request_failed",
        "request_id": request_id(),
        "error": type(error).__name__,
        "detail": str(error) if own else "",
        "at": [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__, limit=-5)
        ],
    }
    _log.error("%s", json.dumps(line))


def request_id() -> str:
    """Give the id of the request being answered, which the monitor gave it."""
    correlation = current()
    return correlation.request_id if correlation else ""
