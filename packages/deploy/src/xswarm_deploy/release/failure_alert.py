"""Notify people of a failed release by its severity: beside Slack, by mail and telephone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import DeployError, ExitCode
from xswarm_deploy.monitor import notify
from xswarm_deploy.services.monitor import status_page
from xswarm_monitoring.alert import Alert, Severity, deployment_failed
from xswarm_monitoring.alert_state import Notice, What
from xswarm_monitoring.notifier import Notifier, Patience, Route
from xswarm_monitoring.surroundings import Surroundings

if TYPE_CHECKING:
    from xswarm_deploy.release.release import Release

_ROUTES: Final = {
    **dict.fromkeys(Severity, Route(())),
    Severity.ERROR: Route(("email",), ("sms",)),
    Severity.CRITICAL: Route(("email", "sms")),
}
"""Slack hears of every release by its own line."""


def severity(ended: DeployError) -> Severity:
    """Return how much a failure matters.

    What a person stopped and was brought back is no news to anybody else; what could not be
    brought back wakes people.
    """
    if ended.exit_code == ExitCode.NOT_ROLLED_BACK:
        return Severity.CRITICAL
    return Severity.INFO if ended.exit_code == ExitCode.INTERRUPTED else Severity.ERROR


def tell(failed: Release, ended: DeployError) -> dict[str, str]:
    """Notify people that a release failed; return how each channel took it, none of them Slack.

    Args:
        failed: the release, undone as far as it could be.
        ended: how it ended.
    """
    settings, record = failed.site.settings, failed.record
    channels = [each for each in notify.channels(settings) if each.name != "slack"]
    level = severity(ended)
    if not channels or level is Severity.INFO:
        return {}
    kind = f"{record.kind} {record.release}"
    made = deployment_failed(kind, str(ended.what), str(ended.why))
    told = Surroundings(dashboard=status_page(settings)).around(replace(made, severity=level))
    notifier = Notifier(
        channels, notify.send, sleep=asyncio.sleep, routes=_ROUTES, patience=Patience(attempts=2)
    )
    return asyncio.run(_sent(notifier, told, time.time()))


async def _sent(notifier: Notifier, alert: Alert, now: float) -> dict[str, str]:
    (went,) = await notifier.by_channels([Notice(What.HAPPENED, alert, now, now)])
    return {name: outcome for name, outcome in went.items() if outcome != notify.MISSING}
