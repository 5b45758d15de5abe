"""What a round leaves for the status page: the history of components, and incidents of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import Entry
from xswarm_monitoring.health import FAIL, PASS, WARN, Check
from xswarm_monitoring.incident import RESOLVED, STATES, Impact, Incident, Incidents, Update
from xswarm_monitoring.status_page import WORKER, StatusPage
from xswarm_monitoring.storage import Execute
from xswarm_monitoring.uptime import Outage, Uptime

_DEGRADING = ("high-error-rate", "slow-responses")
_COMPONENTS = {"database-error": "database"}  # of alerts that are about one without saying so
_IMPACTS = {
    Severity.INFO: Impact.MINOR,
    Severity.WARNING: Impact.MINOR,
    Severity.ERROR: Impact.MAJOR,
    Severity.CRITICAL: Impact.CRITICAL,
}


@dataclass(frozen=True)
class Round:
    """Hold what one round saw.

    Args:
        checks: what the probes found.
        due: the alerts that are due.
        on: the alerts that people were told of and that are not over; None: another round knows.
        now: seconds since 1970.
        by: who watches.
        mounted: whether the service has a monitor, which answered; else its checks alone tell.
    """

    checks: Sequence[Check]
    due: Sequence[Alert]
    on: Sequence[Entry] | None
    now: float
    by: str
    mounted: bool = True


async def keep(page: StatusPage, execute: Execute, seen: Round) -> None:
    """Note what a round saw, and open and resolve incidents where the settings say so.

    Raises:
        Exception: what ``execute`` raised.
    """
    outages = _outages(seen.on or ())
    await Uptime(execute).record(statuses(page, seen), seen.now, seen.by, outages)
    if page.severity is not None and seen.on is not None:
        await _reconcile(page, page.severity, execute, seen.on, seen.now)


def _outages(on: Iterable[Entry]) -> dict[str, Outage]:
    """Return from when to when components were down, as far as the state of the alerts knows."""
    return {
        each.alert.labels["component"]: Outage(each.since, each.last_due)
        for each in on
        if each.alert.name == "service-outage" and "component" in each.alert.labels
    }


def statuses(page: StatusPage, seen: Round) -> dict[str, str]:
    """Return the status of each component that the page shows and that was looked at."""
    found = {each.name: each.status for each in seen.checks}
    service = _service(seen)
    if service:
        found.setdefault(WORKER, service)
    return {name: status for name, status in found.items() if name in page.components}


def _service(seen: Round) -> str:
    """Return the status of the service itself; empty where nothing was asked."""
    if seen.mounted:
        slow = any(each.name in _DEGRADING for each in seen.due)
        return WARN if slow else PASS
    failed = [each.status == FAIL for each in seen.checks]
    if not failed:
        return ""
    return FAIL if all(failed) else WARN if any(failed) else PASS


async def _reconcile(
    page: StatusPage, least: Severity, execute: Execute, on: Iterable[Entry], now: float
) -> None:
    incidents, wanted = Incidents(execute), _by_component(page, least, on)
    if not await incidents.are_kept():
        if not wanted:
            return
        await incidents.prepare()
    opened = await incidents.opened_by_alerts()
    for component, entry in wanted.items():
        known, impact = opened.get(component), _IMPACTS[entry.alert.severity]
        if known is None:
            await incidents.add(_incident(page, component, entry, now))
        elif impact > known.severity:
            worse = Update(now, known.updates[-1].state, "This has become worse.")
            await incidents.update(known, worse, impact)
    over = Update(now, RESOLVED, "It works again.")
    for component, incident in opened.items():
        if component not in wanted:
            await incidents.update(incident, over, incident.severity)


def _by_component(page: StatusPage, least: Severity, on: Iterable[Entry]) -> Mapping[str, Entry]:
    """Return the gravest alert of each component that is shown: one incident for one cause."""
    found: dict[str, Entry] = {}
    for entry in sorted(on, key=lambda each: (-each.alert.severity, each.since)):
        named = _COMPONENTS.get(entry.alert.name, WORKER)
        component = entry.alert.labels.get("component", named)
        if entry.alert.severity >= least and component in page.components:
            found.setdefault(component, entry)
    return found


def _incident(page: StatusPage, component: str, entry: Entry, now: float) -> Incident:
    """Return the incident of an alert; nothing of the alert's own words is in it."""
    impact = _IMPACTS[entry.alert.severity]
    said = Update(now, STATES[0], "Our monitoring noticed this. We are looking into it.")
    title = f"{page.components[component]}: disruption"
    return Incident(title, impact, (component,), entry.since, (said,), source=component)
