"""Read the audit trail: who changed what, when, from where: ``inv audit``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context
from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.release import audit as trail
from xswarm_deploy.release import audit_tags, history

_COLUMNS = ("#", "time", "who", "event", "what")


@task(
    auto_shortflags=False,
    help={"last": "how many events, the newest last", "json": "print the events as JSON"},
)
def audit(c: Context, last: int = 30, json: bool = False) -> None:
    """Show who changed what, when, and from where."""
    site = context.open_site(c, quiet=json)
    there = trail.exists(site.database)
    events = trail.read(site.database, site.settings.environment, last) if there else []
    rows = [(e.number, e.time[:19], f"{e.who}@{e.host}", e.event, trail.summary(e)) for e in events]
    console.show([event._asdict() for event in events], console.Table(_COLUMNS, rows), json=json)


@task(
    auto_shortflags=False,
    help={"head": "a hash noted earlier, e.g. from a notification: it must be in the trail"},
)
def verify(c: Context, head: str = "") -> None:
    """Prove that no event was edited, inserted or removed since it was written."""
    found = history.audited(context.open_site(c), head)
    if found.faults:
        raise CheckFailed(
            "the audit trail was touched",
            "; ".join(found.faults),
            "compare with the hashes in the notifications, and with .deployments/audit.jsonl",
        )
    anchored = "".join(
        f"; anchored in {place} up to event {number}"
        for place, number in (("R2", found.anchor), ("git", found.tag))
        if number
    )
    console.Console().line(
        f"✓ {found.events} events, {found.keyed} of them keyed, unbroken{anchored};"
        f" head {found.head or '(none)'}"
    )


@task(auto_shortflags=False)
def tag(c: Context) -> None:
    """Leave the trail's last event in a git tag, for audit.verify to compare with."""
    name = audit_tags.leave(context.open_site(c))
    shown = console.Console()
    shown.line(f"✓ {name} holds the end of the audit trail")
    shown.line(f"  next: git push origin {name}")
