"""Read what the database has for the status page."""

from __future__ import annotations

from xswarm_monitoring.incident import Incidents
from xswarm_monitoring.status_report import DAYS, History
from xswarm_monitoring.storage import Execute
from xswarm_monitoring.uptime import DAY, Uptime


async def read(execute: Execute, now: float) -> History:
    """Return the history of the last days: 90 rows at most, and the incidents.

    Args:
        execute: runs one statement.
        now: seconds since 1970.

    Raises:
        Exception: what ``execute`` raised.
    """
    incidents = Incidents(execute)
    days = await Uptime(execute).read(now, DAYS)
    kept = await incidents.recent(now - DAYS * DAY) if await incidents.are_kept() else []
    return History(days, kept)
