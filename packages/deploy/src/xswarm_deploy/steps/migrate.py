"""Bring the database's schema to what the files in migrations/ say, or back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.database import (
    migrate,
    migration_history,
    migrations,
    schema,
    timing,
)
from xswarm_deploy.database.client import DatabaseError, Statement
from xswarm_deploy.database.migrate import Group, Outcome
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.pending import State
from xswarm_deploy.errors import DeployError, Locked, Refused
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.steps import applied
from xswarm_deploy.steps.pending import checked, files, state
from xswarm_deploy.verification import compatibility

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.site import Site

NAME: Final = "migrate"
INPUTS: Final = ("settings", "migrations")
_FEW: Final = 20_000  # rows in all tables: nothing that is done to them takes long
Names = tuple[str, ...]
"""Migrations by their names, in the order they ran."""
Checksums = dict[str, str]
"""A migration's name → the checksum of its file."""


Entry = tuple[str, str | None, str | None]
"""A row of the ledger: its file, checksum and status; None for both where there was none."""


@dataclass(frozen=True)
class TakeBack:
    """Undo of applying: which are taken back, in this order."""

    names: Names = field(metadata={"json": "take back"})


@dataclass(frozen=True)
class ApplyAgain:
    """Undo of taking back: which are applied once more, and what their files said."""

    names: Names = field(metadata={"json": "apply"})
    checksums: Checksums


@dataclass(frozen=True)
class Entries:
    """Undo of entering without running.

    Args:
        names: what was entered.
        entries: how each was.
    """

    names: Names
    entries: tuple[Entry, ...]


def observe(environment: Environment) -> Facts:
    """Return the names of the applied migrations."""
    return {"migrations": applied.names(environment)}


def overview(environment: Environment) -> list[dict[str, Any]]:
    """Return a row for every migration that there is a file or an entry of."""
    found = state(environment)
    rows = {row.filename: row for row in found.applied}
    known = {item.filename for item in found.files}
    own = {row.filename for row in found.own}
    listed = [_overview_row(item, rows.get(item.filename)) for item in found.files]
    gone = [_overview_row(None, row) for row in found.applied if row.filename not in known]
    for row in gone:
        if row["filename"] not in own:
            row["status"] = f"of the Worker {rows[row['filename']].owner}"
    return listed + gone


def pending_groups(environment: Environment) -> list[Group]:
    """Return the pending migrations, checked, a group for each transaction.

    Raises:
        Refused: they cannot run as they are, or not in the time that the database gives them.
    """
    return _in_time(environment.database, migrate.groups(_checked(environment).pending))


def _in_time(database: Database, groups: Sequence[Group]) -> list[Group]:
    """Divide groups that would take longer than the database lets a transaction take."""
    pending = [file for group in groups for file in group.migrations]
    if database.limits.transaction is None or not timing.may_walk(pending):
        return list(groups)
    rows = schema.rows_by_table(database)
    if sum(rows.values()) < _FEW:
        return list(groups)
    made = database.query(schema.SELECT.sql)
    durations = iter(timing.durations(made, pending, rows))
    found: list[Group] = []
    for group in groups:
        told = [next(durations) for _ in group.migrations]
        parts = timing.divided(told, database.limits) if group.transactional else [group.migrations]
        found += [Group(part) for part in parts]
    return found


def plan(site: Site) -> list[Change]:
    """Return which pending migrations would be applied; a change is one transaction."""
    found = _checked(site)
    before = [row.name for row in found.applied]
    changes = []
    for group in _in_time(site.database, migrate.groups(found.pending)):
        changes.append(_up(group, before))
        before = [*before, *(item.name for item in group.migrations)]
    return changes


def plan_down(environment: Environment, *, steps: int = 1, to: str = "") -> list[Change]:
    """Return which applied migrations would be taken back, in one transaction.

    Args:
        environment: the environment.
        steps: how many, where ``to`` is not given.
        to: the migration that becomes the last one.
    """
    found = state(environment)
    chosen = migrate.chosen_down(found.own, steps=steps, to=to)
    migrate.require_ours(found, chosen)
    return _down(environment, found.applied, chosen)


def plan_back(environment: Environment, then: Sequence[str]) -> list[Change]:
    """Report that whatever was applied since would be taken back, in one transaction.

    Args:
        environment: the environment.
        then: the names of the migrations that stay.

    Raises:
        Refused: one of the others cannot be taken back.
    """
    found = _applied(environment)
    chosen = migrate.chosen_back(found.own, then)
    migrate.require_ours(found, chosen)
    return _down(environment, found.applied, chosen)


def plan_baseline(environment: Environment, to: str = "") -> list[Change]:
    """Return which files would be entered as applied without being run.

    Args:
        environment: the environment, whose schema is there already.
        to: the last file that is; all, where it is not given.
    """
    found = state(environment)
    entered = up_to(found.files, to)
    known = {row.filename: row for row in found.applied}
    names = [
        item.name
        for item in entered
        if not _is_entered(item, known.get(item.filename), environment.worker)
    ]
    return [_stamp(BASELINE, names, found)] if names else []


def plan_restamp(environment: Environment, name: str) -> list[Change]:
    """Report that an edited file would be accepted as what was applied.

    Raises:
        Refused: it is not applied, or not edited.
    """
    found = state(environment)
    wanted = name.removesuffix(".sql")
    file = next((item for item in found.files if item.name == wanted), None)
    row = next((item for item in found.applied if item.name == wanted), None)
    if file is None or row is None:
        raise Refused(f"{name} is not applied", "", "inv migrate.status")
    if file.checksum == row.checksum:
        return []
    return [_stamp(RESTAMP, [wanted], found)]


def apply(site: Site, change: Change) -> Facts:
    """Make one change; where it was made already, only say so."""
    if APPLY.owns(change):
        names = _applied_by(change)
        found = state(site)
        with _live_held(site, found, names):
            return _facts("applied", _apply(site, found, names))
    if DOWN.owns(change):
        return _facts("taken back", _take_back(site, DOWN.undo_of(change).names))
    return _enter(site, _stamping(change).undo_of(change).names)


def _live_held(site: Site, found: State, names: Sequence[str]) -> AbstractContextManager[None]:
    """Hold the live version to working on the new schema, unless a file says that it does not."""
    before = site.state.taken(NAME, compatibility.Looked)
    declared = _is_incompatible(found.files, names)
    return nullcontext() if declared else compatibility.held(site, before)


def _is_incompatible(found: Iterable[Migration], names: Collection[str]) -> bool:
    """Return whether one of these files says that the live version does not work with it."""
    return any(item.name in names and not item.compatible for item in found)


def prepare(site: Site, changes: Sequence[Change]) -> compatibility.Looked | None:
    """Ask the live version how it answers before the first change; that changes nothing."""
    if not APPLY.owns(changes[0]) or _is_incompatible(files(site), _applied_by(changes[0])):
        return None
    return compatibility.looked(site)


def undo(site: Site, change: Change, outcome: Facts) -> str:
    """Bring the schema back to before: nothing, where another run did the change.

    Returns:
        Which backup was put back, where one was.
    """
    if outcome.get("by_other"):
        return ""
    if APPLY.owns(change):
        return _undo_applied(site, change)
    if DOWN.owns(change):
        again = DOWN.undo_of(change)
        _apply_again(site, again.names, again.checksums)
    else:
        _restore_entries(site, _stamping(change).undo_of(change).entries)
    return ""


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: applying asks the database which migrations are applied."""


def _checked(environment: Environment) -> State:
    """Read the files and the ledger, and refuse what must not run."""
    found = checked(environment)
    migrate.require_adopted(environment.database, found)
    migrate.foresee(environment.database, found.pending)
    return found


def _applied(environment: Environment) -> State:
    """Read the ledger, and the files only where they are needed to know whose entries are."""
    rows = migration_history.read(environment.database)
    known = all(row.owner == environment.worker for row in rows)
    return State([] if known else files(environment), rows, environment.worker)


def _apply(site: Site, found: State, names: Sequence[str]) -> Outcome:
    pending = [item for item in found.pending if item.name in names]
    if not pending:
        return Outcome(names, by_other=True)
    made: list[str] = []
    times: dict[str, float] = {}
    for number, group in enumerate(migrate.groups(pending)):
        site.progress("migrations", number, len(pending), "files")
        outcome = migrate.apply(site.database, group, site.worker)
        made += outcome.made
        times |= outcome.milliseconds
        if outcome.by_other:
            return outcome
    site.progress("migrations", len(pending), len(pending), "files")
    return Outcome([item.name for item in pending], made, milliseconds=times)


def _applied_by(change: Change) -> list[str]:
    before = APPLY.before_of(change)
    return [name for name in APPLY.after_of(change) if name not in before]


def _stamping(change: Change) -> Action[Checksums, Checksums, Entries]:
    return BASELINE if BASELINE.owns(change) else RESTAMP


def _undo_applied(site: Site, change: Change) -> str:
    """Take migrations back: by their down parts, else by the backup where nothing is lost.

    What the down parts drop although it holds something is backed up first.

    Raises:
        DeployError: neither can be; it says what a person can do.
    """
    names = _applied_by(change)
    if not set(names) & set(applied.names(site)):
        return ""
    said = _kept_what_goes(site, names)
    try:
        _take_back(site, names)
    except DeployError as error:
        if _says_nothing(error):
            raise
        return f"{_put_backup_back(site, error)} was put back"
    return said


def _says_nothing(error: Exception) -> bool:
    """Return whether an error is not about what was tried: it is to be tried again, or left.

    An outage is waited out; what another deployer has taken over is the other's to settle.
    """
    outage = isinstance(error, DatabaseError) and error.kind == "unavailable"
    return outage or isinstance(error, Locked)


def _kept_what_goes(site: Site, names: Sequence[str]) -> str:
    """Back up what goes with migrations that are taken back: users may have written since.

    Returns:
        What goes, and the backup that has it; empty: nothing does.

    Raises:
        DeployError: no backup could be made; the schema is left.
    """
    from xswarm_deploy.database import going  # few releases come this way
    from xswarm_deploy.steps import backup

    rows = _taken_back(site, names)
    gone = going.of(site.database, rows)
    if not gone:
        return ""
    try:
        name = backup.fresh(site)
    except (DeployError, OSError) as error:
        if _says_nothing(error):
            raise
        raise DeployError(
            "the schema is as the release made it",
            f"{', '.join(gone)} would go with it, and no backup could be made: {error}",
            f"inv migrate.down --steps {len(rows)}",
        ) from None
    return f"{', '.join(gone)} went with it, which {name} has"


def _put_backup_back(site: Site, cause: DeployError) -> str:
    from xswarm_deploy.steps import restore  # with backups; few releases come this way

    try:
        return restore.undo_release(site)
    except DeployError as error:
        if _says_nothing(error):
            raise
        name = site.facts.get("backup") or "FILE"
        raise DeployError(
            "the schema is as the release made it",
            f"{cause}; and the backup was not put back: {error}",
            f"inv backup.restore {name} (it says first what would be lost)",
        ) from None


def _apply_again(
    environment: Environment, names: Sequence[str], checksums: Mapping[str, str]
) -> None:
    """Apply what was taken back as it was applied before: this checkout need not have its files.

    Raises:
        DeployError: what a file said was not kept.
    """
    there = applied.names(environment)
    texts = migration_history.texts(environment.database)
    missing = [name for name in names if name not in there]
    for name in missing:
        if checksums[name] not in texts:
            raise DeployError(f"What {name} said is not kept", "", f"inv migrate, with {name}.sql")
    parsed = [migrations.parse(f"{name}.sql", texts[checksums[name]]) for name in missing]
    for group in migrate.groups(parsed):
        migrate.apply(environment.database, group, environment.worker)


def _take_back(environment: Environment, names: Sequence[str]) -> Outcome:
    rows = _taken_back(environment, names)
    return migrate.take_back(environment.database, rows) if rows else Outcome(names, by_other=True)


def _taken_back(environment: Environment, names: Sequence[str]) -> list[Applied]:
    """Return the entries of migrations, the last applied first."""
    rows = migration_history.read(environment.database)
    return [row for row in reversed(rows) if row.name in names]


def _enter(environment: Environment, names: Names) -> Facts:
    entered = [item for item in files(environment) if item.name in names]
    migrate.stamp(environment.database, entered, environment.worker)
    return {"entered": list(names)}


def _restore_entries(environment: Environment, entries: Iterable[Entry]) -> None:
    """Bring the ledger's rows back to what they were."""
    statements = []
    for filename, checksum, status in entries:
        if checksum is None:
            statements.append(migration_history.removing(filename))
        else:
            sql = "UPDATE _migrations SET checksum = ?, status = ? WHERE filename = ?"
            statements.append(Statement(sql, (checksum, status, filename)))
    environment.database.transaction(statements)


def _down(
    environment: Environment, rows: Sequence[Applied], chosen: Sequence[Applied]
) -> list[Change]:
    if not chosen:
        return []
    from xswarm_deploy.database import going  # few come this way

    gone = going.of(environment.database, chosen)
    names = [row.name for row in chosen]
    return [
        DOWN.change(
            f"database, {_count(names)}",
            before=tuple(row.name for row in rows),
            after=tuple(row.name for row in rows if row.name not in names),
            undo=ApplyAgain(tuple(reversed(names)), {row.name: row.checksum for row in chosen}),
            irreversible=_told(gone),
        )
    ]


def _told(gone: Sequence[str]) -> str:
    """Return what a person should know of what goes along; empty: nothing does."""
    return f"it drops {', '.join(gone)}; the backup made before it has them" if gone else ""


def _up(group: Group, before: Sequence[str]) -> Change:
    names = [item.name for item in group.migrations]
    one_way = [item for item in group.migrations if not item.down]
    reasons = "; ".join(f"{item.filename}: {item.irreversible}" for item in one_way)
    return APPLY.change(
        f"database, {_count(names)}",
        before=tuple(before),
        after=(*before, *names),
        undo=TakeBack(tuple(reversed(names))),
        irreversible=reasons,
    )


def _stamp(
    action: Action[Checksums, Checksums, Entries], names: Sequence[str], found: State
) -> Change:
    rows = {row.name: row for row in found.applied}
    entries: list[Entry] = []
    for name in names:
        row = rows.get(name)
        file = f"{name}.sql"
        entries.append((file, row.checksum, row.status) if row else (file, None, None))
    return action.change(
        f"ledger of migrations, {_count(names)}",
        before={name: rows[name].checksum for name in names if name in rows},
        after={item.name: item.checksum for item in found.files if item.name in names},
        undo=Entries(tuple(names), tuple(entries)),
    )


def up_to(found: Sequence[Migration], to: str) -> Sequence[Migration]:
    """Return the files up to one, with it; all where none is named.

    Raises:
        Refused: there is no such file.
    """
    if not to:
        return found
    names = [item.name for item in found]
    wanted = to.removesuffix(".sql")
    if wanted not in names:
        raise Refused(f"There is no migration {to}", "", "inv migrate.status")
    return found[: names.index(wanted) + 1]


def _is_entered(file: Migration, row: Applied | None, worker: str) -> bool:
    if row is None or row.text is None or row.owner != worker:
        return False
    return row.checksum == file.checksum and row.status == migration_history.SUCCESS


def _overview_row(file: Migration | None, row: Applied | None) -> dict[str, Any]:
    return {
        "filename": file.filename if file else row.filename if row else "",
        "name": file.title if file else row.title if row else "",
        "status": _status(file, row),
        "applied_at": row.applied_at if row else None,
        "milliseconds": row.milliseconds if row else None,
        "depends": list(file.depends) if file else [],
    }


def _status(file: Migration | None, row: Applied | None) -> str:
    if row is None:
        return "pending"
    if row.status != migration_history.SUCCESS:
        return f"unfinished ({row.status})"
    if file is None:
        return "file is gone"
    return "applied" if file.checksum == row.checksum else "edited"


def _facts(verb: str, outcome: Outcome) -> Facts:
    return {
        "migrations_" + verb.replace(" ", "_"): list(outcome.names),
        "by_other": outcome.by_other,
        "made": list(outcome.made),
        "gone": list(outcome.gone),
        "milliseconds": {name: round(time, 1) for name, time in outcome.milliseconds.items()},
    }


def _count(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} migrations"


def _held(_after: Names) -> str:
    return "then the live version is asked; if it fails, the schema goes back at once"


APPLY: Final = Action(NAME, "apply", Names, Names, TakeBack, effect="schema", describe=_held)
DOWN: Final = Action(NAME, "take back", Names, Names, ApplyAgain, effect="schema")
BASELINE: Final = Action(NAME, "baseline", Checksums, Checksums, Entries, effect="schema")
RESTAMP: Final = Action(NAME, "restamp", Checksums, Checksums, Entries, effect="schema")
ACTIONS: Final = (APPLY, DOWN, BASELINE, RESTAMP)
