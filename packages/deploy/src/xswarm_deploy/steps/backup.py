"""Back the database up, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Final, cast, get_args

from xswarm_deploy import fence
from xswarm_deploy.database import archive, backup, retention, signature
from xswarm_deploy.database.backup import Backup, BackupRequest, Format
from xswarm_deploy.database.backup_ahead import BackupAhead
from xswarm_deploy.database.manifest import Content
from xswarm_deploy.database.retention import RetentionPolicy
from xswarm_deploy.database.workspace import workspace
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.step import Action, Change, Facts

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

    from xswarm_deploy.environment import Environment
    from xswarm_deploy.site import Site

NAME: Final = "backup"
INPUTS: Final = ("settings",)
_SMALL: Final = 64 << 20  # bytes of a database that is read although the check may still fail
_FRESH: Final = 60.0  # seconds; what was written since then an older one would lack


@dataclass(frozen=True)
class Kind:
    """What kind of backup is made: its format, and the folder it goes to."""

    format: str
    folder: str


def observe(_site: Site) -> Facts:
    """Return nothing: going back to a release needs no backup that is there."""
    return {}


def plan(site: Site) -> list[Change]:
    """Report that a backup would be made; nothing where BACKUP_ENABLED is false."""
    return always(site) if site.settings.text("BACKUP_ENABLED") == "true" else []


def always(environment: Environment, format: str = "db") -> list[Change]:
    """Report that a backup would be made, whatever BACKUP_ENABLED says.

    Raises:
        Refused: there is no such format.
    """
    if format not in get_args(Format):
        raise Refused(f"There is no format {format!r}", "", "inv backup --format db, or sql")
    wanted = Kind(format, environment.settings.project.backup.directory)
    return [CREATE.change("backup of the database", after=wanted)]


def apply(site: Site, change: Change) -> Facts:
    """Make a backup and prove it; a failure stops the release."""
    wanted = _request(site, cast(Format, CREATE.after_of(change).format))
    fence.require_own()  # a file is no provider, whose calls are held back by themselves
    made = _begun_ahead(site, wanted) or backup.make(
        site.database, folder(site), wanted, site.progress
    )
    facts: dict[str, object] = {"backup": made.path.name}
    if made.manifest:
        facts |= {"backup_bytes": made.manifest.size, "backup_rows": made.manifest.rows}
    return facts


def fresh(site: Site) -> str:
    """Make a backup whatever BACKUP_ENABLED says, and return its name."""
    fence.require_own()
    made = backup.make(site.database, folder(site), _request(site, "db"), site.progress)
    return made.path.name


def _request(site: Site, format: Format) -> BackupRequest:
    settings = site.settings
    return BackupRequest(
        settings.environment,
        format,
        archive.recipient(settings.text("BACKUP_AGE_RECIPIENT")),
        str(site.facts.get("version", "")),
        settings.secret(signature.NAME),
    )


def begin_ahead(site: Site) -> None:
    """Begin to make the backup of a small database while that is checked.

    How large it is, the newest backup of it tells; without one, or where its manifest cannot be
    read, it is made at its turn.
    """
    told = (found.manifest for found in listed(site) if not found.unreadable)
    newest = next(filter(None, told), None)
    if not plan(site) or newest is None or newest.database_size > _SMALL:
        return
    making = backup.prepared(site.database, folder(site), _request(site, "db"))
    site.state.begun[NAME] = BackupAhead(making, folder(site))


def _begun_ahead(site: Site, wanted: BackupRequest) -> Backup | None:
    """Return the backup that was begun before its turn; None: there is none that is good."""
    begun = site.state.begun.pop(NAME, None)
    if not isinstance(begun, BackupAhead):
        return None
    if begun.age > _FRESH or wanted.format != "db":
        begun.remove()
        return None
    try:
        return begun.keep()
    except DeployError:  # at its turn it is made anew, or says so itself
        return None


def forget_ahead(site: Site) -> None:
    """Remove a backup that was begun, and is not wanted: nothing was changed."""
    begun = site.state.begun.pop(NAME, None)
    if isinstance(begun, BackupAhead):
        begun.remove()


def undo(_site: Site, _change: Change, _outcome: Facts) -> str:
    """Leave the backup where it is: it harms nobody, and may be needed now."""
    return ""


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: a backup is one of its own."""


def folder(environment: Environment) -> Path:
    """Return where the backups are."""
    return environment.settings.path(environment.settings.project.backup.directory)


def listed(site: Environment) -> list[Backup]:
    """Return the environment's backups, the newest first, and those another tool made."""
    own = ("", site.settings.environment)
    return [item for item in backup.read_folder(folder(site)) if item.environment in own]


def proven(environment: Environment) -> Backup | None:
    """Return the environment's newest backup that a manifest vouches for; None: there is none.

    Where some are signed by a key that is set here, the others do not count: since there is a key,
    every backup that this tool makes is signed.
    """
    found = listed(environment)
    keyed = found if environment.settings.secret(signature.NAME) else ()
    signed = (item for item in keyed if signature_state(environment, item) == "good")
    return next(signed, None) or next((item for item in found if item.manifest), None)


def signature_state(environment: Environment, found: Backup) -> signature.State:
    """Return what is to be held of the signature of a backup's manifest."""
    if found.manifest is None:
        return "none"
    return signature.state(found.manifest, environment.settings.secret(signature.NAME))


def chosen(environment: Environment, name: str) -> Backup:
    """Return the backup a person names: a file, its name in the folder, or ``latest``.

    ``latest`` is never one without a manifest: such a one must be named.

    Raises:
        Refused: there is none; or its manifest is not what was signed, or is signed by a key that
            is not set.
    """
    found = _chosen(environment, name)
    _require_believed(environment, found)
    return found


def _chosen(environment: Environment, name: str) -> Backup:
    if name == "latest":
        good = proven(environment)
        if good is None:
            raise Refused("There is no backup yet", _without_manifest(environment), "inv backup")
        return good
    inside = folder(environment) / name
    return backup.of_path(inside if inside.is_file() else Path(name))


def _require_believed(environment: Environment, found: Backup) -> None:
    name, held = found.path.name, found.manifest
    state = signature_state(environment, found)
    if held is None or held.signature is None or state in ("good", "unchecked"):
        return
    if state == "changed":
        raise Refused(
            f"The manifest of {name} is not what was signed",
            "somebody changed it, or the backup's own key is another",
            "inv backup.list, and name another",
        )
    raise Refused(
        f"The manifest of {name} is signed by another key ({held.signature.key})",
        f"that key is not in {signature.NAME}",
        f"add the earlier key to {signature.NAME}, after a comma",
    )


def doubts(environment: Environment, found: Backup) -> list[str]:
    """Return what a person should know of who vouches for a backup; empty: a key does, or need not.

    Args:
        environment: whose keys count.
        found: one with a manifest.
    """
    if found.manifest is None:
        return []
    name, state = found.path.name, signature_state(environment, found)
    if state == "unchecked":
        return [f"{name} is signed, and {signature.NAME} is not set here: nobody checked it"]
    if state == "none" and environment.settings.secret(signature.NAME):
        return [f"the manifest of {name} is not signed: whoever can write the folder can make one"]
    if state == "good" and found.manifest.file != name:
        return [f"{name} was made as {found.manifest.file}"]
    return []


def identities(environment: Environment) -> Sequence[Identity]:
    """Return the key that opens encrypted backups, where it is set."""
    return archive.identity(environment.settings.secret("BACKUP_AGE_IDENTITY"))


def verify(site: Site, found: Backup) -> Content:
    """Restore a backup into a scratch file, and compare it with its manifest.

    Raises:
        Refused: it is damaged, or is not what its manifest says.
    """
    with workspace(folder(site)) as work:
        return backup.verify(found, work, identities(site), site.progress)


def now(environment: Environment) -> datetime:
    """Return the time by the database's clock: what this machine's wrong one calls old is gone."""
    asked = "SELECT CAST(strftime('%s', 'now') AS INTEGER) AS now"
    told = environment.database.query(asked)[0].integer("now")
    return datetime.fromtimestamp(told, UTC)


def expired(environment: Environment, now: datetime) -> list[Backup]:
    """Return the backups that may go by what is to be kept; never the last good one.

    Of those that stay by their name no manifest is read; one with another's name stays.

    Raises:
        Refused: the manifest of one that may go, or for which others may, is none.
    """
    kept = environment.settings.project.backup
    keep = RetentionPolicy(
        int(environment.settings.text("BACKUP_RETENTION_DAYS")),
        kept.keep_daily,
        kept.keep_weekly,
        kept.keep_monthly,
    )
    gone = retention.expired(listed(environment), keep, now)
    return [item for item in gone if item.as_named]


def prune(
    site: Site, now: datetime, before: Callable[[list[Backup]], None] = lambda _: None
) -> list[Backup]:
    """Remove what is no longer to be kept, after a good release; return what was removed.

    Args:
        site: the environment.
        now: with its time zone.
        before: is told what will be removed, where anything is.
    """
    found = expired(site, now) if site.settings.flag("BACKUP_ENABLED") else []
    if found:
        before(found)
        remove(found)
    return found


def remove(found: Sequence[Backup]) -> None:
    """Remove backups with their manifests; the backup first, so that none stays unproven."""
    for item in found:
        item.path.unlink()
        backup.manifest_path(item.path).unlink(missing_ok=True)


def _without_manifest(environment: Environment) -> str:
    names = ", ".join(item.path.name for item in listed(environment))
    return f"what has no manifest must be named: {names}" if names else "none was made here"


CREATE: Final = Action(NAME, "create", NoneType, Kind, NoneType, routine=True, here=True)
ACTIONS: Final = (CREATE,)
