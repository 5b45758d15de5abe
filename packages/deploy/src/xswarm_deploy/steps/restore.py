"""Put a backup back into the database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.database import backup as backups
from xswarm_deploy.database import (
    restore,
    restore_marker,
    safe_restore,
    schema,
    snapshot,
    staging,
    table_restore,
)
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.loss import Loss, losses
from xswarm_deploy.database.workspace import workspace
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.report import WRITTEN_SINCE
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.steps import applied, backup

if TYPE_CHECKING:
    from xswarm_deploy.database.backup import Backup
    from xswarm_deploy.database.client import Database
    from xswarm_deploy.database.manifest import Content
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.site import Site

NAME: Final = "restore"
INPUTS: Final = ("settings",)


@dataclass(frozen=True)
class Restored:
    """What is put back.

    Args:
        backup: the file.
        table: only this table; empty: the whole database.
        to: the URL of another database to restore into; empty: the environment's.
        doubts: what a person should know of the backup.
        lost: what the tables would lose.
    """

    backup: str
    table: str
    to: str
    doubts: tuple[str, ...] = ()
    lost: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class Part:
    """What of the database was replaced: one table; empty: all of it."""

    table: str


def observe(_site: Site) -> Facts:
    """Return nothing: the schema is what the migrate step observes."""
    return {}


def plan(site: Site) -> list[Change]:
    """Return what would change by the restore that a person chose (fact ``restore``), if any."""
    wish = site.facts.get("restore")
    return plan_of(site, **wish) if wish else []


def plan_of(site: Site, name: str, *, table: str = "", to: str = "") -> list[Change]:
    """Return what a restore would change: a fresh backup first, then the restore.

    The backup is unpacked into a scratch database and compared with its manifest now, so
    that nothing begins with one that cannot be restored.

    Args:
        site: the environment.
        name: a file, its name in the folder, or ``latest``.
        table: only this table; empty: the whole database.
        to: the URL of another database to restore into; empty: the environment's.

    Raises:
        Refused: there is no such backup, it is damaged, or is not what its manifest says; the table
            cannot be restored alone; or the other database is the environment's, or none.
    """
    found = backup.chosen(site, name)
    what = f"table {table}" if table else "database"
    doubts = _doubts(site, found, backup.verify(site, found))
    with _target(site, to) as database:
        lost, otherwise = _compared(site, database, found, table)
    doubts += otherwise
    after = Restored(str(found.path.absolute()), table, to, tuple(doubts), tuple(lost))
    if to:
        reason = f"what {to} holds is not backed up first"
        return [RESTORE.change(f"{what} at {to}", after=after, irreversible=reason)]
    return [*backup.always(site), RESTORE.change(what, after=after, undo=Part(table))]


def doubts(changes: Sequence[Change]) -> list[str]:
    """Return what a person should know of the backup that a plan restores; empty: nothing."""
    return [doubt for restored in _restored(changes) for doubt in restored.doubts]


def lost(changes: Sequence[Change]) -> list[Loss]:
    """Return what the tables would lose by a plan that restores."""
    return [loss for restored in _restored(changes) for loss in restored.lost]


def _restored(changes: Sequence[Change]) -> list[Restored]:
    return [RESTORE.after_of(change) for change in changes if RESTORE.owns(change)]


def apply(site: Site, change: Change) -> Facts:
    """Replace what the database holds, once a release, and compare what it holds then."""
    wanted = RESTORE.after_of(change)
    name, table, to = wanted.backup, wanted.table, wanted.to
    outcome = {"restored": name, "before": site.facts.get("backup")}
    if to:
        with _target(site, to) as other:
            return {**outcome, **_put_back(site, other, name, table)}
    release = str(site.facts["release"])
    if restore_marker.is_made(site.database, release):  # only its reply was lost
        staging.sweep(site.database)
        return outcome
    making = restore_marker.making(release)
    return {**outcome, **_put_back(site, site.database, name, table, making)}


def undo(site: Site, change: Change, outcome: Facts) -> str:
    """Put the fresh backup back that was made just before; nothing where nothing was restored."""
    release = str(site.facts["release"])
    if not restore_marker.is_to_undo(site.database, release):
        staging.sweep(site.database)  # what it had sent, before it was killed
        return ""
    fresh = outcome.get("before") or site.facts.get("backup")
    if not fresh:
        raise DeployError("The database is as the restore left it", "no backup was made before it")
    table = RESTORE.undo_of(change).table
    undoing = restore_marker.undoing(release)
    return str(_put_back(site, site.database, str(fresh), table, undoing).get(WRITTEN_SINCE, ""))


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: a person chose to replace whatever the database holds."""


def undo_release(site: Site) -> str:
    """Put the release's own backup back, if nobody but the release has written since.

    Returns:
        The backup's name.

    Raises:
        DeployError: it made none, or somebody wrote: nothing was changed.
    """
    name = str(site.facts.get("backup") or "")
    if not name:
        raise Refused("the release made no backup")
    found = backup.chosen(site, name)
    if found.manifest is None:
        raise Refused(f"{name} has no manifest")
    since = applied.since(site, found.manifest.ledger)
    with workspace(backup.folder(site)) as work:
        source = backups.unpack(found, work, backup.identities(site), site.progress)
        safe_restore.put_back(site.database, source, since, work, found.manifest.beside)
    return name


def _target(site: Site, to: str) -> AbstractContextManager[Database]:
    """Return the database that is restored into.

    Raises:
        Refused: it is the environment's own by another way, which would be replaced without a
            backup of what it holds; or its file has no folder.
    """
    if not to:
        return nullcontext(site.database)
    other = connect(to, site.settings.secret("TURSO_AUTH_TOKEN"), site.d1)
    if _place(other) == _place(site.database):
        raise Refused(
            f"--to names the database of {site.settings.environment} itself",
            "what another database holds is not backed up first, and what this one holds is",
            "leave --to out",
        )
    if isinstance(other, FileDatabase) and not other.path.parent.is_dir():
        raise Refused(f"There is no folder {other.path.parent}", "", "make it, or name another")
    return other


def _place(database: Database) -> str:
    """Return where a database is, however its URL says so."""
    if isinstance(database, FileDatabase):
        return str(database.path.resolve())
    url = database.url.lower()
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}" if parts.hostname else url


def _compared(
    site: Site, database: Database, found: Backup, table: str
) -> tuple[list[Loss], list[str]]:
    """Return what the tables would lose, and what is said of a schema that would be another."""
    with workspace(backup.folder(site)) as work:
        then = backups.unpack(found, work, backup.identities(site), site.progress)
        if table:
            table_restore.require_fits(database, then, table)
        if isinstance(database, FileDatabase) and not database.path.exists():
            return [], []
        now = work / "now.db"
        snapshot.take(database, now, site.progress)
        changed = [] if table else _changed(now, then)
        return losses(now, then, table), changed


def _changed(now: Path, then: Path) -> list[str]:
    """Return what the schema of a backup lacks, and what is another in it."""
    with FileDatabase(now) as held, FileDatabase(then) as kept:
        here, there = schema.read(held), schema.read(kept)
    gone = [" ".join(key) for key in here if key not in there]
    others = [
        " ".join(key)
        for key in here
        if key in there and schema.tokens(here[key]) != schema.tokens(there[key])
    ]
    told = [("goes, which the backup does not have", gone), ("is another in the backup", others)]
    return [f"of the schema {what}: {', '.join(names)}" for what, names in told if names]


def _put_back(
    site: Site, database: Database, name: str, table: str, along: Sequence[str] = ()
) -> Facts:
    found = backup.chosen(site, name)
    with workspace(backup.folder(site)) as work:
        source = backups.unpack(found, work, backup.identities(site), site.progress)
        if table:
            rows = table_restore.one_table(database, source, table, along, site.progress)
            return {"rows": rows, WRITTEN_SINCE: ""}
        made = restore.whole(
            database, source, work, proven=found.manifest, along=along, progress=site.progress
        )
    return {"rows": made.rows, WRITTEN_SINCE: "; ".join(made.told)}


def _doubts(site: Environment, found: Backup, content: Content) -> list[str]:
    """Return what nothing vouches for, although the backup can be restored."""
    name, environment = found.path.name, site.settings.environment
    if found.manifest:
        of = found.manifest.environment
        other = [f"{name} is a backup of {of}, not of {environment}"] if of != environment else []
        return [*other, *backup.doubts(site, found)]
    said = [
        f"{name} has no manifest: SQLite finds it sound ({content.rows} rows in"
        f" {len(content.tables)} tables), but nothing tells whether it is whole, or whose it is"
    ]
    if content.violations:
        said.append(f"{name}: {content.violations} foreign keys in it point nowhere")
    return said


RESTORE: Final = Action(NAME, "restore", NoneType, Restored, Part, effect="schema")
ACTIONS: Final = (RESTORE,)
