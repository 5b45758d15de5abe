"""The rounds that the cron trigger goes: metrics are kept, and people told of what is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from boss.configuration import Configuration
from boss.outgoing import sending
from boss.status import SERVICE
from boss.storage import Storage
from xswarm_monitoring import channels
from xswarm_monitoring.push import Push
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.scheduler import Scheduler
from xswarm_monitoring.status_endpoints import Published
from xswarm_monitoring.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from boss.database import Fetch
    from xswarm_monitoring.asgi import Monitor
    from xswarm_monitoring.channels import Channel

_STATE = "monitoring/alerts.json"


class BucketAlertStore:
    """Keep the state of the alerts in the bucket while the database is away.

    Args:
        storage: the bucket.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; 0 and an empty text where there is none."""
        found = await self._storage.get(_STATE)
        if found is None:
            return 0, ""
        kept = json.loads(found.body)
        return int(kept["revision"]), str(kept["book"])

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
        if (await self.load())[0] != revision:
            return False
        kept = json.dumps({"revision": revision + 1, "book": text})
        await self._storage.put(_STATE, kept.encode(), "application/json")
        return True

    async def forget(self) -> None:
        """Forget the state."""
        await self._storage.delete(_STATE)


def make_rounds(monitor: Monitor, fetch: Fetch, configuration: Configuration) -> Scheduler:
    """Make the rounds of this service, with the rules that came with this version.

    Args:
        monitor: its monitor.
        fetch: the host's fetch.
        configuration: the Worker's variables and secrets.
    """
    rules = alerting_rules(monitor, configuration)
    return Scheduler(
        monitor,
        _channels,
        sending(fetch, configuration.time_limit),
        asyncio.sleep,
        fallback=lambda environment: BucketAlertStore(Storage(environment)),
        window=rules.window,
        thresholds=rules.thresholds,
        policy=rules.policy,
        surroundings=Surroundings(rules.runbook, rules.dashboard or _page(configuration)),
        status_page=rules.status_page,
        heartbeat=lambda environment: Configuration(environment).text("HEARTBEAT_URL"),
    )


def make_published(rules: Callable[[Any], Rules]) -> Published:
    """Return the public status page, which there is where this version's rules say so.

    Args:
        rules: returns them, from the Worker's environment.
    """
    return Published(
        lambda environment: rules(environment).status_page,
        lambda environment: Configuration(environment).text("ENVIRONMENT", "local"),
        lambda environment: Configuration(environment).text("WORKER_URL"),
    )


def make_push(monitor: Monitor, fetch: Fetch, configuration: Configuration) -> Push:
    """Return who receives what is measured, as this version's rules say.

    Args:
        monitor: its log is written.
        fetch: the host's fetch.
        configuration: the Worker's variables and secrets.
    """
    return Push(
        alerting_rules(monitor, configuration).push,
        sending(fetch, configuration.time_limit),
        configuration.text,
        environment=configuration.text("ENVIRONMENT", "local"),
        address=configuration.text("WORKER_URL"),
    )


def _page(configuration: Configuration) -> str:
    """Return the address of the dashboard; empty where the Worker does not know its own."""
    base = configuration.text("WORKER_URL").rstrip("/")
    return f"{base}/status" if base else ""


def alerting_rules(monitor: Monitor, configuration: Configuration) -> Rules:
    """Return the rules of invoke.yaml, as the release sent them.

    A release sends none that cannot be read. Were they changed by hand all the same, the usual
    ones are better than no alerts; the log says so.

    Args:
        monitor: its log is written.
        configuration: the Worker's variables.
    """
    try:
        return Rules.read(json.loads(configuration.text("MONITORING_RULES", "{}")))
    except ValueError as error:
        monitor.log_raised(error, "MONITORING_RULES cannot be read; the usual rules hold")
        return Rules()


def _channels(environment: Any) -> list[Channel]:
    configuration = Configuration(environment)
    service = f"{SERVICE} ({configuration.text('ENVIRONMENT', 'local')})"
    return channels.configured(configuration.text, service)
