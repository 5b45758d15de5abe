"""Back the database up, prove it, and put it back: ``inv backup``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context, steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.console import Console
from xswarm_deploy.database.backup import Backup
from xswarm_deploy.database.manifest import Content
from xswarm_deploy.model.report import WRITTEN_SINCE
from xswarm_deploy.release import restore_preview
from xswarm_deploy.release.noted import note
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.settings.variables import PRODUCTION
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup as step
from xswarm_deploy.tasks import ns

_COLUMNS = ("file", "created", "bytes", "rows", "tables", "encrypted", "signed")


@task(
    klass=Step,
    pre=[ns["check"]],
    auto_shortflags=False,
    help={"format": "db: a SQLite file; sql: text, which any SQLite reads"},
)
def backup(c: Context, format: str = "db") -> None:
    """Make a backup of one moment, restore it into a scratch file, compare, and keep it."""
    if format == "db":
        steps.perform(c, "backup")
        return
    site = context.open_site(c)
    changes = step.always(site, format)
    if steps.show_only(c, changes):
        return
    with transaction(site, "backup") as running, running.console.step("backup") as line:
        running.make(changes)
        line.detail = str(running.site.facts["backup"])


@task(auto_shortflags=False, name="list", help={"json": "print the list as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """List the backups, the newest first."""
    site = context.open_site(c, quiet=json)
    listed = step.listed(site)
    found = [_row(site, each) for each in listed]
    rows = [["" if row[k] is None else row[k] for k in _COLUMNS] for row in found]
    console.show(found, console.Table(_COLUMNS, rows), json=json)
    for each in listed if not json else ():
        if error := each.unreadable:
            console.Console().warn(f"{error}; next: {error.remedy}")


@task(auto_shortflags=False, help={"file": "a file, its name in the folder, or 'latest'"})
def verify(c: Context, file: str = "latest") -> None:
    """Restore a backup into a scratch file, and compare it row by row with its manifest."""
    site, out = context.open_site(c), Console()
    with out.step("verify") as line:
        found = step.chosen(site, file)
        line.detail = _summary(found, step.verify(_shown(site, out), found))
    for doubt in step.doubts(site, found):
        out.warn(doubt)


@task(
    auto_shortflags=False,
    help={
        "file": "a file, its name in the folder, or 'latest'",
        "table": "restore only this table",
        "to": "restore into another database: its URL",
        "yes": context.YES,
    },
)
def restore(c: Context, file: str, table: str = "", to: str = "", yes: bool = False) -> None:
    """Replace the database, or one table, by a backup; a fresh backup is made first."""
    site = context.open_site(c)
    changes = restore_preview.planned(Console(), site, file, table=table, to=to)
    if steps.show_only(c, changes):
        return
    what = f"Replace the {changes[-1].resource} of {site.settings.environment} by {file}?"
    production = site.settings.environment == PRODUCTION
    console.confirm(
        f"{what} What was written since is lost.",
        yes=context.agreed(c, yes),
        type_name=PRODUCTION if production else None,
    )
    with transaction(site, "restore") as running, running.console.step("restore") as line:
        running.make(changes)
        line.detail = f"{running.site.facts['rows']} rows"
    if since := running.site.facts.get(WRITTEN_SINCE):
        running.console.warn(since)


@task(auto_shortflags=False, help={"yes": context.YES})
def prune(c: Context, yes: bool = False) -> None:
    """Remove backups that are no longer to be kept; never the last good one."""
    site, out = context.open_site(c), Console()
    found = step.expired(site, step.now(site))
    for item in found:
        out.line(f"  {item.path.name}")
    if not found or context.dry(c):
        out.line("nothing to do" if not found else f"{len(found)} backups would be removed")
        return
    console.confirm(f"Remove these {len(found)} backups?", yes=context.agreed(c, yes))
    note(site, "backup.prune", {"message": f"{len(found)} backups", "files": _names(found)})
    step.remove(found)
    out.line(f"✓ removed {len(found)} backups")


@task
def drill(c: Context) -> None:
    """Practise: restore the latest backup into a scratch file; say how long, and how old."""
    site, out = context.open_site(c), Console()
    latest = step.chosen(site, "latest")
    age = datetime.now(UTC) - latest.created
    with out.step("drill") as line:
        line.detail = _summary(latest, step.verify(_shown(site, out), latest))
    out.line(f"  the backup is {age.total_seconds() / 3600:.1f} h old: so much would be lost")


def _names(found: Sequence[Backup]) -> list[str]:
    return [item.path.name for item in found]


def _shown(site: Site, out: Console) -> Site:
    """Return the environment with a progress that is shown."""
    return site.holding(replace(site.state, progress=out.progress))


def _row(site: Site, found: Backup) -> dict[str, object]:
    held = None if found.unreadable else found.manifest
    return {
        "file": found.path.name,
        "created": found.created.isoformat(timespec="seconds"),
        "bytes": found.path.stat().st_size,
        "rows": held.rows if held else None,
        "tables": len(held.content.tables) if held else None,
        "encrypted": held.encrypted if held else None,
        "signed": _signed(site, found),
        "sha256": held.sha256 if held else None,
        "migrations": list(held.ledger) if held else None,
        "worker_version": held.worker_version if held else None,
    }


def _signed(site: Site, found: Backup) -> object:
    """Return what is to be told of the signature; None: there is no manifest."""
    if found.unreadable:
        return "unreadable"
    state = step.signature_state(site, found)
    return {"good": True, "none": False}.get(state, state) if found.manifest else None


def _summary(found: Backup, content: Content) -> str:
    rows = sum(count for count, _ in content.tables.values())
    proof = "as the manifest says" if found.manifest else "sound, but without a manifest"
    return f"{rows} rows in {len(content.tables)} tables, {proof}"
