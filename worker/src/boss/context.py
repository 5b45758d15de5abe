"""What a handler works with while it answers one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boss.configuration import Configuration
    from boss.database import Database
    from boss.limits import Limits
    from boss.request import Request
    from boss.storage import Storage
    from xswarm_monitoring.alert import Alert
    from xswarm_monitoring.metrics import Metrics


@dataclass(frozen=True)
class Context:
    """Hold one request and the means to answer it.

    Args:
        request: the request.
        parameters: what the path's template found.
        configuration: the Worker's variables and secrets.
        database: the database.
        storage: the R2 bucket.
        attempts: counts tries to log in.
        metrics: counts what the business lives on.
        tell: tells people of an event, after the answer.
        now: the time the request came, seconds since 1970.
    """

    request: Request
    parameters: Mapping[str, str]
    configuration: Configuration
    database: Database
    storage: Storage
    attempts: Limits
    metrics: Metrics
    tell: Callable[[Alert], None]
    now: float
