"""Back the database up, prove it, and put it back: ``inv backup``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session

if TYPE_CHECKING:
    from xswarm_deploy.console import Console
    from xswarm_deploy.database.backup import Backup
    from xswarm_deploy.database.manifest import Content
    from xswarm_deploy.site import Site


@task(
    auto_shortflags=False, help={"format": "db: a SQLite file; sql: text, which any SQLite reads"}
)
def backup(c: Context, format: str = "db") -> None:
    """Make a backup of one moment, restore it into a scratch file, compare, and keep it."""
    if format == "db":
        session.perform(c, "backup")
        return
    from xswarm_deploy.console import Console
    from xswarm_deploy.release import preview
    from xswarm_deploy.steps import backup as step

    changes = step.always(session.open_site(c), format)
    if session.dry(c):
        preview.show(Console(), changes)
        return
    with session.release(c, "backup") as running, running.console.step("backup") as line:
        running.make(changes)
        line.detail = str(running.site.facts["backup"])


@task(auto_shortflags=False, name="list", help={"json": "print the list as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """List the backups, the newest first."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import backup as step

    rows = [_row(found) for found in step.listed(session.open_site(c, quiet=json))]
    console = Console()
    if json:
        console.json(rows)
        return
    columns = ("file", "created", "bytes", "rows", "tables", "encrypted")
    console.table(columns, [["" if row[k] is None else row[k] for k in columns] for row in rows])


@task(auto_shortflags=False, help={"file": "a file, its name in the folder, or 'latest'"})
def verify(c: Context, file: str = "latest") -> None:
    """Restore a backup into a scratch file, and compare it row by row with its manifest."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import backup as step

    site, console = session.open_site(c), Console()
    with console.step("verify") as line:
        found = step.chosen(site, file)
        line.detail = _summary(found, step.verify(_shown(site, console), found))


@task(
    auto_shortflags=False,
    help={
        "file": "a file, its name in the folder, or 'latest'",
        "table": "restore only this table",
        "to": "restore into another database: its URL",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def restore(c: Context, file: str, table: str = "", to: str = "", yes: bool = False) -> None:
    """Replace the database, or one table, by a backup; a fresh backup is made first."""
    from xswarm_deploy import console
    from xswarm_deploy.release import preview, restore_preview
    from xswarm_deploy.settings.variables import PRODUCTION

    site = session.open_site(c)
    changes = restore_preview.planned(console.Console(), site, file, table=table, to=to)
    if session.dry(c):
        preview.show(console.Console(), changes)
        return
    what = f"Replace the {changes[-1].resource} of {site.settings.environment} by {file}?"
    production = site.settings.environment == PRODUCTION
    console.confirm(
        f"{what} What was written since is lost.",
        yes=session.agreed(c, yes),
        type_name=PRODUCTION if production else None,
    )
    with session.release(c, "restore") as running, running.console.step("restore") as line:
        running.make(changes)
        line.detail = f"{running.site.facts['rows']} rows"


@task(auto_shortflags=False, help={"yes": "do not ask (without a terminal the answer is NO)"})
def prune(c: Context, yes: bool = False) -> None:
    """Remove backups that are no longer to be kept; never the last good one."""
    from datetime import UTC, datetime

    from xswarm_deploy import console
    from xswarm_deploy.steps import backup as step

    found = step.expired(session.open_site(c), datetime.now(UTC))
    out = console.Console()
    for item in found:
        out.line(f"  {item.path.name}")
    if not found or session.dry(c):
        out.line("nothing to do" if not found else f"{len(found)} backups would be removed")
        return
    console.confirm(f"Remove these {len(found)} backups?", yes=session.agreed(c, yes))
    step.remove(found)
    out.line(f"✓ removed {len(found)} backups")


@task
def drill(c: Context) -> None:
    """Practise: restore the latest backup into a scratch file; say how long, and how old."""
    from datetime import UTC, datetime

    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import backup as step

    site, console = session.open_site(c), Console()
    latest = step.chosen(site, "latest")
    age = datetime.now(UTC) - latest.created
    with console.step("drill") as line:
        line.detail = _summary(latest, step.verify(_shown(site, console), latest))
    console.line(f"  the backup is {age.total_seconds() / 3600:.1f} h old: so much would be lost")


def _shown(site: Site, console: Console) -> Site:
    """Return the environment with a progress that is shown."""
    return site.holding(replace(site.state, progress=console.progress))


def _row(found: Backup) -> dict[str, object]:
    held = found.manifest
    return {
        "file": found.path.name,
        "created": found.created.isoformat(timespec="seconds"),
        "bytes": found.path.stat().st_size,
        "rows": held.rows if held else None,
        "tables": len(held.content.tables) if held else None,
        "encrypted": held.encrypted if held else None,
        "sha256": held.sha256 if held else None,
        "migrations": list(held.ledger) if held else None,
        "worker_version": held.worker_version if held else None,
    }


def _summary(found: Backup, content: Content) -> str:
    rows = sum(count for count, _ in content.tables.values())
    proof = "as the manifest says" if found.manifest else "sound, but without a manifest"
    return f"{rows} rows in {len(content.tables)} tables, {proof}"


ns = Collection("backup")
ns.add_task(backup, default=True)
for each in (list_, verify, restore, prune, drill):
    ns.add_task(each)
