"""Watch: look, judge, remember, tell; one round of it is what a cron runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import Refused
from xswarm_deploy.monitor import notify, observe
from xswarm_deploy.monitor.alert_store import FileAlertStore, execute
from xswarm_deploy.monitor.observe import Seen
from xswarm_deploy.services.monitor import status_page
from xswarm_monitoring import report, status_record
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.endpoints import BadRequest, seconds
from xswarm_monitoring.evaluation import DatabaseAlertStore, Evaluation, evaluate_with_fallback
from xswarm_monitoring.fallback_store import Copy
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.status_record import Round
from xswarm_monitoring.surroundings import Surroundings

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

FOLDER: Final = ".deployments"
BY: Final = "watch"


@dataclass(frozen=True)
class Notification:
    """What people were told of, and how each channel took it."""

    alert: Alert
    what: str
    channels: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"what": self.what, "alert": self.alert.as_json(), "channels": dict(self.channels)}


@dataclass(frozen=True)
class Watched:
    """What one round saw, judged and told.

    Args:
        seen: what was seen.
        window: seconds that were judged.
        due: what is wrong now.
        told: what people were told.
        delivered: whether each of that reached somebody.
        ours: whether this round was the one that told; another was under way if not.
        unpublished: why the public status page has no word of it; empty: it has, or there is none.
        faults: what was wrong with what keeps the state of alerts.
    """

    seen: Seen
    window: float
    due: Sequence[Alert]
    told: Sequence[Notification]
    delivered: bool
    ours: bool
    unpublished: str = ""
    faults: Sequence[str] = ()

    def figures(self) -> dict[str, Any]:
        """Return the figures of the requests in the window."""
        return report.requests(self.seen.measured, self.window)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "mounted": self.seen.mounted,
            "checks": {each.name: each.as_json() for each in self.seen.checks},
            "requests": self.figures(),
            "due": [each.as_json() for each in self.due],
            "told": [each.as_json() for each in self.told],
            "delivered": self.delivered,
            "ours": self.ours,
            "unpublished": self.unpublished,
            "faults": list(self.faults),
        }


def go(site: Site, rules: Rules, now: float, copy: Copy | None = None) -> Watched:
    """Go one round.

    Args:
        site: the environment.
        rules: what counts as wrong, and when people are told.
        now: seconds since 1970.
        copy: what this process keeps of the state's file from one round to the next.
    """
    seen = observe.look(site, rules.window, now)
    around = Surroundings(rules.runbook, dashboard(site, rules), seen.version)
    due = [around.around(each) for each in seen.judged(rules.thresholds)]
    went = asyncio.run(_tell(site, seen, due, rules.policy, now, copy))
    unpublished = _publish(site, seen, rules.status_page, Round(seen.checks, due, went.on, now, BY))
    told = [
        Notification(notice.alert, notice.what.value, channels)
        for notice, channels in zip(went.notices, went.went, strict=True)
    ]
    delivered = went.delivered or not went.ours
    return Watched(seen, rules.window, due, told, delivered, went.ours, unpublished, went.faults)


def _publish(site: Site, seen: Seen, page: StatusPage | None, told: Round) -> str:
    """Keep what the public status page shows; return why it could not be kept, or nothing."""
    if page is None:
        return ""
    try:
        kept = replace(told, mounted=seen.mounted)
        asyncio.run(status_record.keep(page, execute(site.database), kept))
    except DatabaseError as error:
        return str(error)
    return ""


def dashboard(site: Site, rules: Rules) -> str:
    """Return the address of the figures: invoke.yaml's, else the Worker's own page."""
    return rules.dashboard or status_page(site.settings)


async def _tell(
    site: Site, seen: Seen, due: Sequence[Alert], policy: Policy, now: float, copy: Copy | None
) -> Evaluation:
    """Keep the state in the database; while that is away, in a file, or here where none can be."""
    store = DatabaseAlertStore(execute(site.database)) if seen.remembering else None
    notifier = notify.notifier(site.settings)
    file = FileAlertStore(_file(site))
    return await evaluate_with_fallback(
        due, store, file, notifier, now, policy=policy, by=BY, copy=copy
    )


def _file(site: Site) -> Path:
    return site.settings.path(FOLDER) / f"alerts-{site.settings.environment}.json"


def window_seconds(text: str) -> float:
    """Read a length of time, such as ``5m`` or ``2h``, in seconds.

    Raises:
        Refused: it is none.
    """
    try:
        return seconds(str(text))
    except BadRequest as error:
        raise Refused("this is no length of time", str(error), "write 30m, 2h or 1d") from None
