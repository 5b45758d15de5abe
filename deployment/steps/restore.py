"""Put a backup back into the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployment.database import backup as backups
from deployment.database import restore
from deployment.database.workspace import workspace
from deployment.errors import DeployError
from deployment.steps import backup
from deployment.steps.step import Change, Facts

if TYPE_CHECKING:
    from pathlib import Path

    from deployment.database.backup import Backup
    from deployment.database.client import Database
    from deployment.steps.site import Site

NAME = "restore"


def plan(site: Site) -> list[Change]:
    """Say what would change by the restore that a person chose (fact ``restore``), if any."""
    wish = site.facts.get("restore")
    return plan_of(site, **wish) if wish else []


def plan_of(site: Site, name: str, *, table: str = "", to: str = "") -> list[Change]:
    """Say what a restore would change: a fresh backup first, then the restore.

    Args:
        site: the environment.
        name: a file, its name in the folder, or ``latest``.
        table: only this table; empty: the whole database.
        to: the URL of another database to restore into; empty: the environment's.

    Raises:
        Refused: there is no such backup.
    """
    found = backup.chosen(site, name)
    what = f"table {table}" if table else "database"
    after = {"backup": str(found.path.absolute()), "table": table, "to": to}
    if to:
        reason = f"what {to} holds is not backed up first"
        return [Change(NAME, f"{what} at {to}", "restore", after=after, irreversible=reason)]
    undo = {"table": table}
    return [*backup.always(site), Change(NAME, what, "restore", after=after, undo=undo)]


def apply(site: Site, change: Change) -> Facts:
    """Replace what the database holds, and compare what it holds then."""
    rows = _put_back(site, change.after["backup"], change.after["table"], change.after["to"])
    return {"restored": change.after["backup"], "rows": rows, "before": site.facts.get("backup")}


def undo(site: Site, change: Change, outcome: Facts) -> None:
    """Put the fresh backup back that was made just before."""
    fresh = outcome.get("before") or site.facts.get("backup")
    if not fresh:
        raise DeployError("The database is as the restore left it", "no backup was made before it")
    _put_back(site, str(fresh), change.undo["table"], "")


def _put_back(site: Site, name: str, table: str, to: str) -> int:
    found = backup.chosen(site, name)
    with workspace(backup.folder(site)) as work:
        source = backups.unpack(found, work, backup.identities(site), site.progress)
        if not to:
            return _into(site, site.database, found, source, work, table)
        from deployment.database.client import connect

        with connect(to, site.settings.secret("TURSO_AUTH_TOKEN")) as other:
            return _into(site, other, found, source, work, table)


def _into(
    site: Site, database: Database, found: Backup, source: Path, work: Path, table: str
) -> int:
    if table:
        return restore.one_table(database, source, table)
    held = restore.whole(database, source, work, proven=found.manifest, progress=site.progress)
    return sum(rows for rows, _ in held.tables.values())
