"""Publish what is wrong: ``inv monitor.incident``, ``monitor.incidents``, ``status-page``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Refused
from xswarm_deploy.monitor import incidents as told
from xswarm_deploy.monitor import tables
from xswarm_deploy.monitor.watch import window_seconds
from xswarm_deploy.release.noted import note
from xswarm_deploy.settings.settings import alerting_rules
from xswarm_deploy.site import Site
from xswarm_monitoring.incident import Incident
from xswarm_monitoring.status_page import StatusPage


@task(
    auto_shortflags=False,
    help={
        "id": "the incident's number; without one, a new incident is opened",
        "title": "what customers read in one line; a new incident needs one",
        "text": "what customers read: what is known, and what is being done",
        "state": "investigating, identified, monitoring or resolved",
        "severity": "maintenance, minor, major or critical",
        "components": "what is affected: names of monitor.status_page.components, by comma",
        "since": "how long ago a new incident began: 25m, 2h",
        "remove": "remove an incident that was none",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def incident(
    c: Context,
    id: int = 0,
    title: str = "",
    text: str = "",
    state: str = "",
    severity: str = "",
    components: str = "",
    since: str = "",
    remove: bool = False,
    yes: bool = False,
) -> None:
    """Show customers an incident on the public status page: open, go on with, or resolve it."""
    site, page, now = context.open_site(c), _status_page(c), time.time()
    said = told.Said(title, text, state, severity, components)
    if remove:
        _remove_incident(c, site, id, yes=yes)
        return
    go: Callable[[], Incident]
    if id:
        before = told.known(site, id)
        more, impact = told.update(before, said, now)
        title_, go = before.title, partial(told.go_on, site, before, more, impact)
    else:
        made = told.draft(page, said, now - (window_seconds(since) if since else 0), now)
        title_, go = made.title, partial(told.add, site, made)
    if context.dry(c):
        return
    note(site, "monitor.incident", {"message": f"{title_}: {text}"})
    done = go()
    Console().line(f"✓ incident {done.id}, {done.updates[-1].state}: {done.title}")
    if done.resolved is None:
        Console().line(f"  next: inv monitor.incident --id {done.id} --text …", "dim")


@task(
    auto_shortflags=False,
    help={"window": "how far back: 30d; open ones are always shown", "json": "print as JSON"},
)
def incidents(c: Context, window: str = "90d", json: bool = False) -> None:
    """List the incidents of the public status page, the newest first."""
    site, names = context.open_site(c, quiet=json), _status_page(c).components
    found = told.listed(site, time.time() - window_seconds(window))

    def printed(out: Console) -> None:
        opened = [each for each in found if each.resolved is None]
        out.line(f"{len(opened)} open, {len(found) - len(opened)} resolved", "bold")
        if found:
            out.line()
            out.table(tables.INCIDENTS, tables.incidents(found, names))

    console.show([asdict(e) | {"severity": e.severity.name} for e in found], printed, json=json)


@task(
    name="status-page",
    auto_shortflags=False,
    help={"to": "the folder"},
)
def status_page_(c: Context, to: str = "status") -> None:
    """Write the public status page as files, to be served where the Worker is not."""
    site = context.open_site(c)
    for path in told.write(site, _status_page(c), Path(to), time.time()):
        Console().line(f"✓ {path}")


def _remove_incident(c: Context, site: Site, number: int, *, yes: bool) -> None:
    found = told.known(site, number)
    if context.dry(c):
        return
    console.confirm(f"Remove incident {number} ({found.title}) from the status page?", yes=yes)
    note(site, "monitor.incident", {"message": f"incident {number} removed: {found.title}"})
    told.remove(site, number)
    Console().line(f"✓ incident {number} is removed")


def _status_page(c: Context) -> StatusPage:
    """Return the settings of the status page.

    Raises:
        Refused: there is none.
    """
    found = alerting_rules(context.settings(c).monitor).status_page
    if found is None:
        raise Refused(
            "there is no public status page",
            "invoke.yaml has no monitor.status_page",
            "add `status_page: {components: {worker: Service}}` under `monitor:`",
        )
    return found
