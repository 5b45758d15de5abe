"""What an operator tells customers of an incident, and the status page as files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xswarm_deploy.errors import Refused
from xswarm_deploy.monitor.alert_store import execute
from xswarm_deploy.secret import redact
from xswarm_monitoring import status_feed, status_history, status_html, status_report
from xswarm_monitoring.incident import RESOLVED, STATES, Impact, Incident, Incidents, Update
from xswarm_monitoring.printable import printable
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.status_report import About

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

LONGEST = 2000
"""Characters of a text."""
_AGAIN = "inv monitor.incident --help"
_FILES = ("index.html", "status.json", "status.atom")


@dataclass(frozen=True)
class Said:
    """Hold what an operator wants to say.

    Args:
        title: one line; empty: an incident that is there is meant.
        text: for customers.
        state: one of :data:`xswarm_monitoring.incident.STATES`; empty: as it is.
        severity: the name of an :class:`xswarm_monitoring.incident.Impact`; empty: as it is.
        components: the names of checks, by comma.
    """

    title: str
    text: str
    state: str
    severity: str
    components: str


def draft(page: StatusPage, said: Said, begun: float, now: float) -> Incident:
    """Return a new incident, which is kept nowhere yet.

    Args:
        page: the settings of the status page.
        said: what customers read.
        begun: when it began, seconds since 1970.
        now: likewise.

    Raises:
        Refused: something is missing, unknown, or not for customers.
    """
    state = _state(said.state or STATES[0])
    update = Update(now, state, _text("text", said.text))
    resolved = now if state == RESOLVED else None
    affected, impact = _components(page, said.components), _impact(said.severity or "minor")
    return Incident(_text("title", said.title), impact, affected, begun, (update,), resolved)


def add(site: Site, made: Incident) -> Incident:
    """Keep a new incident, and return it with its number."""
    return asyncio.run(_added(Incidents(execute(site.database)), made))


async def _added(incidents: Incidents, made: Incident) -> Incident:
    await incidents.prepare()
    found = await incidents.get(await incidents.add(made))
    return found or made


def known(site: Site, number: int) -> Incident:
    """Return an incident.

    Raises:
        Refused: there is none of this number.
    """
    found = asyncio.run(_known(Incidents(execute(site.database)), number))
    if found is None:
        raise _unknown(number)
    return found


async def _known(incidents: Incidents, number: int) -> Incident | None:
    await incidents.prepare()
    return await incidents.get(number)


def update(incident: Incident, said: Said, now: float) -> tuple[Update, Impact]:
    """Return what is said next of an incident, and how grave it is then.

    Args:
        incident: as it is.
        said: what customers read; title and components stay as they are.
        now: seconds since 1970.

    Raises:
        Refused: something is missing, unknown, or not for customers.
    """
    if said.title or said.components:
        raise Refused(
            "an incident keeps its title and its components",
            "an update has a text, a state and a severity",
            _AGAIN,
        )
    state = _state(said.state or incident.updates[-1].state)
    impact = _impact(said.severity) if said.severity else incident.severity
    return Update(now, state, _text("text", said.text)), impact


def go_on(site: Site, incident: Incident, more: Update, impact: Impact) -> Incident:
    """Add an update to an incident, and return it as it is then.

    Raises:
        Refused: somebody has removed it meanwhile.
    """
    incidents = Incidents(execute(site.database))
    if not asyncio.run(incidents.update(incident, more, impact)):
        raise _unknown(incident.id)
    return known(site, incident.id)


def remove(site: Site, number: int) -> None:
    """Remove an incident that is none.

    Raises:
        Refused: there is no such incident.
    """
    if not asyncio.run(_removed(Incidents(execute(site.database)), number)):
        raise _unknown(number)


async def _removed(incidents: Incidents, number: int) -> bool:
    await incidents.prepare()
    return await incidents.remove(number)


def listed(site: Site, since: float) -> list[Incident]:
    """Return the incidents that are open or began since a moment, the newest first."""
    return asyncio.run(_listed(Incidents(execute(site.database)), since))


async def _listed(incidents: Incidents, since: float) -> list[Incident]:
    await incidents.prepare()
    return await incidents.recent(since)


def write(site: Site, page: StatusPage, folder: Path, now: float) -> list[Path]:
    """Write the status page, its JSON and its feed as files, and return them.

    Args:
        site: the environment.
        page: the settings of the status page.
        folder: where; it is made where it is missing.
        now: seconds since 1970.
    """
    history = asyncio.run(status_history.read(execute(site.database), now))
    about = About(site.settings.project.worker.name, site.settings.environment)
    report = status_report.report(page, about, history, now)
    texts = (
        status_html.page(report, _FILES[1:]),
        json.dumps(report.as_json(), ensure_ascii=False),
        status_feed.feed(report),
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in _FILES]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8", errors="replace")
    return files


def _text(name: str, given: str) -> str:
    """Return a text that customers may read.

    Raises:
        Refused: it is empty, too long, or holds a secret's value.
    """
    text = printable(given.encode("utf-8", "replace").decode()).strip()
    if not text:
        raise Refused(f"an incident needs a {name}", "customers read it", _AGAIN)
    if len(text) > LONGEST:
        raise Refused(f"the {name} is too long", f"{LONGEST} characters are enough", _AGAIN)
    if redact(text) != text:
        raise Refused(f"the {name} holds a secret's value", "everybody would read it", _AGAIN)
    return " ".join(text.split()) if name == "title" else text


def _state(given: str) -> str:
    if given not in STATES:
        raise Refused(f"{given} is no state of an incident", f"it is {', '.join(STATES)}", _AGAIN)
    return given


def _impact(given: str) -> Impact:
    found = Impact.__members__.get(given.upper())
    if found is None:
        names = ", ".join(each.name.lower() for each in Impact)
        raise Refused(f"{given} is no severity of an incident", f"it is {names}", _AGAIN)
    return found


def _components(page: StatusPage, given: str) -> tuple[str, ...]:
    named = [name.strip() for name in given.split(",") if name.strip()]
    public = {shown.casefold(): key for key, shown in page.components.items()}
    found = [public.get(name.casefold(), name) for name in named]
    for name in found:
        if name not in page.components:
            known = ", ".join(f"{key} ({shown})" for key, shown in page.components.items())
            raise Refused(f"{name} is not on the status page", f"it has {known}", _AGAIN)
    return tuple(dict.fromkeys(found))


def _unknown(number: int) -> Refused:
    return Refused(f"there is no incident {number}", "", "inv monitor.incidents")
