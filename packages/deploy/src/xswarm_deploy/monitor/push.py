"""Push what the store holds to those who receive it, once: for a cron, or by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xswarm_deploy.monitor.alert_store import execute
from xswarm_deploy.services import receivers
from xswarm_monitoring import outcomes
from xswarm_monitoring.delivery import Refused
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.instruments import Family, by_name
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.push import OTLP, Target
from xswarm_monitoring.pusher import Pusher, Source
from xswarm_monitoring.storage import Storage, new_instance
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site

SENT: Final = "sent"
EARLY: Final = "not yet: it was pushed to a moment ago"
WORKERS: Final = "left to the Worker, which pushes what each of its isolates measures"


@dataclass(frozen=True)
class Went:
    """How a push to one target went.

    Args:
        target: its kind and address.
        outcome: what became of it, in words.
        failed: whether it did not arrive.
    """

    target: str
    outcome: str
    failed: bool = False


def go(site: Site) -> list[Went]:
    """Push what the store holds to each target of the environment, once."""
    return asyncio.run(_go(site))


async def _go(site: Site) -> list[Went]:
    settings, run = site.settings, execute(site.database)
    storage = Storage(run, instance=new_instance())
    await storage.prepare()
    pusher = _pusher(settings, storage.instance)
    source = Source(run, storage.total, _gauges(settings), "")
    ours = "monitoring" in settings.project.parts
    return [await _one(pusher, each, source, ours=ours) for each in settings.push_targets()]


async def _one(pusher: Pusher, target: Target, source: Source, *, ours: bool) -> Went:
    if ours and target.kind == OTLP:
        return Went(target.name, WORKERS)
    try:
        due = await pusher.push_store(target, source)
    except Refused as error:
        return Went(target.name, error.why, failed=True)
    return Went(target.name, SENT if due else EARLY)


def _pusher(settings: Settings, instance: str) -> Pusher:
    metrics = Metrics()
    families = metrics.families

    def exposed(total: Window) -> tuple[Window, dict[str, Family]]:
        whole = outcomes.complete(total, families.values(), {})
        return whole, {**families, **by_name(outcomes.FAMILIES)}

    push = receivers.push_of(settings)
    service = settings.project.worker.name
    return Pusher(push, service=service, metrics=metrics, instance=instance, exposed=exposed)


def _gauges(settings: Settings) -> Callable[[], Awaitable[Sequence[Gauge]]]:
    """Return what is not counted: that the service is there, though nothing has changed."""

    async def read() -> Sequence[Gauge]:
        info = ({"service": settings.project.worker.name}, 1.0)
        return [Gauge("service_info", "The service whose measures were pushed", [info])]

    return read
