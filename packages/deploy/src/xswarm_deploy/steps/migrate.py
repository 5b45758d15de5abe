"""Bring the database's schema to what the files in migrations/ say, or back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xswarm_deploy.database import downs, migrate, migration_history, migrations, schema
from xswarm_deploy.database.client import Statement
from xswarm_deploy.database.migrate import Group, Outcome, State
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.steps import applied

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site

NAME = "migrate"


def state(site: Site) -> State:
    """Read the files and the ledger, side by side."""
    found = State(files(site), migration_history.read(site.database), site.worker)
    if not _generates_downs(site.settings) or not found.pending:
        return found
    wanted = {item.name for item in found.pending}
    return found._replace(files=downs.complete(found.files, wanted))


def _generates_downs(settings: Settings) -> bool:
    """Return whether down parts are made for files that have none."""
    how = settings.project.migrations.down
    if how not in ("written", "generated"):
        raise Refused(
            f"deploy.migrations.down is {how!r}", "", "write down: written, or down: generated"
        )
    return how == "generated"


def files(site: Site) -> list[Migration]:
    """Read the migration files, in the order they run; none where no folder is named."""
    directory = site.settings.project.migrations.directory
    return migrations.read(site.settings.path(directory)) if directory else []


def overview(site: Site) -> list[dict[str, Any]]:
    """Return a row for every migration that there is a file or an entry of."""
    found = state(site)
    rows = {row.filename: row for row in found.applied}
    known = {item.filename for item in found.files}
    own = {row.filename for row in found.own}
    listed = [_overview_row(item, rows.get(item.filename)) for item in found.files]
    gone = [_overview_row(None, row) for row in found.applied if row.filename not in known]
    for row in gone:
        if row["filename"] not in own:
            row["status"] = f"of the Worker {rows[row['filename']].owner}"
    return listed + gone


def pending_groups(site: Site) -> list[Group]:
    """Return the pending migrations, checked, a group for each transaction."""
    return migrate.groups(_checked(site).pending)


def rows_by_table(site: Site) -> dict[str, int]:
    """Count the rows of every table."""
    return schema.rows_by_table(site.database)


def by_kind(labels: Sequence[str]) -> list[str]:
    """Gather labels such as ``table users`` into a line for each kind."""
    kinds: dict[str, list[str]] = {}
    for label in labels:
        kind, _, name = label.partition(" ")
        kinds.setdefault(kind, []).append(name)
    return [f"{kind}: {', '.join(names)}" for kind, names in kinds.items()]


def write_new(settings: Settings, name: str, depends: str = "") -> Path:
    """Write an empty migration file, and return its path.

    Args:
        settings: of any environment.
        name: words; the file's name is made of them.
        depends: what must come before; empty: the last file there is.

    Raises:
        Refused: there is such a file already, or it depends on none there is; or no folder
            is named.
    """
    if not settings.project.migrations.directory:
        raise Refused(
            "no folder of migrations is named",
            "deploy.migrations.directory is empty",
            "write directory: migrations under deploy.migrations in invoke.yaml",
        )
    folder = settings.path(settings.project.migrations.directory)
    folder.mkdir(exist_ok=True)
    found = migrations.read(folder)
    filename = re.sub(r"[^a-z0-9_]+", "-", name.lower().removesuffix(".sql")).strip("-") + ".sql"
    depends = depends or (found[-1].name if found else "")
    header = f"-- name: {name}\n" + (f"-- depends: {depends}\n" if depends else "")
    text = f"{header}-- compatible: yes\n\n-- migrate:up\n\n\n-- migrate:down\n\n"
    migrations.order([*found, migrations.parse(filename, text)])
    try:
        with (folder / filename).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Refused(f"{filename} is there already", "", "choose another name") from None
    return folder / filename


def plan(site: Site) -> list[Change]:
    """Return which pending migrations would be applied; a change is one transaction."""
    found = _checked(site)
    before = [row.name for row in found.applied]
    changes = []
    for group in migrate.groups(found.pending):
        changes.append(_up(group, before))
        before = [*before, *(item.name for item in group.migrations)]
    return changes


def plan_down(site: Site, *, steps: int = 1, to: str = "") -> list[Change]:
    """Return which applied migrations would be taken back, in one transaction.

    Args:
        site: the environment.
        steps: how many, where ``to`` is not given.
        to: the migration that becomes the last one.
    """
    found = state(site)
    chosen = migrate.chosen_down(found.own, steps=steps, to=to)
    migrate.require_ours(found, chosen)
    return _down(found.applied, chosen)


def plan_back(site: Site, then: Sequence[str]) -> list[Change]:
    """Report that whatever was applied since would be taken back, in one transaction.

    Args:
        site: the environment.
        then: the names of the migrations that stay.

    Raises:
        Refused: one of the others cannot be taken back.
    """
    found = _applied(site)
    chosen = migrate.chosen_back(found.own, then)
    migrate.require_ours(found, chosen)
    return _down(found.applied, chosen)


def plan_baseline(site: Site, to: str = "") -> list[Change]:
    """Return which files would be entered as applied without being run.

    Args:
        site: the environment, whose schema is there already.
        to: the last file that is; all, where it is not given.
    """
    found = state(site)
    entered = _up_to(found.files, to)
    known = {row.filename: row for row in found.applied}
    names = [
        item.name
        for item in entered
        if not _is_entered(item, known.get(item.filename), site.worker)
    ]
    return [_stamp("baseline", names, found)] if names else []


def plan_restamp(site: Site, name: str) -> list[Change]:
    """Report that an edited file would be accepted as what was applied.

    Raises:
        Refused: it is not applied, or not edited.
    """
    found = state(site)
    wanted = name.removesuffix(".sql")
    file = next((item for item in found.files if item.name == wanted), None)
    row = next((item for item in found.applied if item.name == wanted), None)
    if file is None or row is None:
        raise Refused(f"{name} is not applied", "", "inv migrate.status")
    if file.checksum == row.checksum:
        return []
    return [_stamp("restamp", [wanted], found)]


def apply(site: Site, change: Change) -> Facts:
    """Make one change; where it was made already, only say so."""
    if change.action in ("baseline", "restamp"):
        return _enter(site, change)
    if change.action == "take back":
        names = change.undo["apply"]
        return _facts("taken back", _take_back(site, names))
    names = [name for name in change.after if name not in change.before]
    with _live_held(site, names):
        return _facts("applied", _apply(site, names))


def _live_held(site: Site, names: Sequence[str]) -> AbstractContextManager[None]:
    """Hold the live version to working on the new schema, unless a file says that it does not."""
    from xswarm_deploy.verification import compatibility

    declared = any(item.name in names and not item.compatible for item in files(site))
    return nullcontext() if declared else compatibility.held(site)


def undo(site: Site, change: Change, outcome: Facts) -> None:
    """Bring the schema back to before: nothing, where another run did the change."""
    if outcome.get("by_other"):
        return
    if change.action == "apply":
        _undo_applied(site, change)
    elif "apply" in change.undo:
        _apply_again(site, change.undo["apply"], change.undo["checksums"])
    else:
        _restore_entries(site, change.undo["entries"])


def drift(site: Site) -> list[str]:
    """Return where the schema differs from what the applied files give, as lines of a diff.

    SQL that only the server can read is judged by the schema that the server had after the last
    run; where that was not kept, the rest is compared.
    """
    now = schema.read(site.database)
    expected, refused = schema.of_migrations(_as_applied(state(site)))
    if not refused:
        return schema.difference(expected, now)
    kept = migration_history.kept_schema(site.database)
    if kept is not None:
        return schema.difference(schema.objects(kept), now)
    return schema.difference(schema.without(expected, refused), schema.without(now, refused))


def _as_applied(found: State) -> list[Migration]:
    """Return the applied migrations, those of other Workers too, in the order they ran."""
    files = {(file.filename, file.checksum): file for file in found.files}
    edited = {file.filename: file for file in found.files}
    return [
        files.get((row.filename, row.checksum))
        or (migrations.parse(row.filename, row.text) if row.text else edited[row.filename])
        for row in found.applied
        if row.text or row.filename in edited
    ]


def integrity(site: Site) -> list[str]:
    """Return what SQLite finds wrong with the database itself; empty: nothing."""
    found = [str(row[0]) for row in site.database.query("PRAGMA integrity_check")]
    broken = site.database.query("SELECT * FROM pragma_foreign_key_check LIMIT 20")
    rows = [f"row {row[1]!r} of {row[0]!r} points at no row of {row[2]!r}" for row in broken]
    return [line for line in found if line != "ok"] + rows


def require_sound(site: Site) -> None:
    """Refuse a database that is not what the files say.

    Raises:
        DeployError: with every difference.
    """
    wrong = [*drift(site), *integrity(site)]
    if wrong:
        raise DeployError("The database is not what the migrations say", "\n".join(wrong))


def _checked(site: Site) -> State:
    """Read the files and the ledger, and refuse what must not run."""
    found = state(site)
    migrate.check(found)
    migrate.foresee(site.database, found.pending)
    return found


def _applied(site: Site) -> State:
    """Read the ledger, and the files only where they are needed to know whose entries are."""
    rows = migration_history.read(site.database)
    known = all(row.owner == site.worker for row in rows)
    return State([] if known else files(site), rows, site.worker)


def _apply(site: Site, names: Sequence[str]) -> Outcome:
    found = state(site)
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


def _undo_applied(site: Site, change: Change) -> None:
    """Take migrations back: by their down parts, else by the backup where nothing is lost.

    Raises:
        DeployError: neither can be; it says what a person can do.
    """
    names = [name for name in change.after if name not in change.before]
    if not set(names) & set(applied.names(site)):
        return
    try:
        _take_back(site, names)
    except DeployError as error:
        _put_backup_back(site, error)


def _put_backup_back(site: Site, cause: DeployError) -> None:
    from xswarm_deploy.steps import restore

    try:
        site.facts["_put_back"] = restore.undo_release(site)
    except DeployError as error:
        name = site.facts.get("backup") or "FILE"
        raise DeployError(
            "the schema is as the release made it",
            f"{cause}; and the backup was not put back: {error}",
            f"inv backup.restore {name} (it says first what would be lost)",
        ) from None


def _apply_again(site: Site, names: Sequence[str], checksums: Mapping[str, str]) -> None:
    """Apply what was taken back as it was applied before: this checkout need not have its files.

    Raises:
        DeployError: what a file said was not kept.
    """
    there = applied.names(site)
    texts = migration_history.texts(site.database)
    missing = [name for name in names if name not in there]
    for name in missing:
        if checksums[name] not in texts:
            raise DeployError(f"What {name} said is not kept", "", f"inv migrate, with {name}.sql")
    parsed = [migrations.parse(f"{name}.sql", texts[checksums[name]]) for name in missing]
    for group in migrate.groups(parsed):
        migrate.apply(site.database, group, site.worker)


def _take_back(site: Site, names: Sequence[str]) -> Outcome:
    rows = [row for row in reversed(migration_history.read(site.database)) if row.name in names]
    return migrate.take_back(site.database, rows) if rows else Outcome(names, by_other=True)


def _enter(site: Site, change: Change) -> Facts:
    names = change.undo["names"]
    entered = [item for item in files(site) if item.name in names]
    migrate.stamp(site.database, entered, site.worker)
    return {"entered": names}


def _restore_entries(site: Site, entries: Sequence[Sequence[Any]]) -> None:
    """Bring the ledger's rows back to what they were."""
    statements = []
    for filename, checksum, status in entries:
        if checksum is None:
            statements.append(migration_history.removing(filename))
        else:
            sql = "UPDATE _migrations SET checksum = ?, status = ? WHERE filename = ?"
            statements.append(Statement(sql, (checksum, status, filename)))
    site.database.transaction(statements)


def _down(rows: Sequence[Applied], chosen: Sequence[Applied]) -> list[Change]:
    if not chosen:
        return []
    names = [row.name for row in chosen]
    return [
        Change(
            NAME,
            f"database, {_count(names)}",
            "take back",
            before=[row.name for row in rows],
            after=[row.name for row in rows if row.name not in names],
            undo={
                "apply": list(reversed(names)),
                "checksums": {row.name: row.checksum for row in chosen},
            },
        )
    ]


def _up(group: Group, before: Sequence[str]) -> Change:
    names = [item.name for item in group.migrations]
    one_way = [item for item in group.migrations if not item.down]
    reasons = "; ".join(f"{item.filename}: {item.irreversible}" for item in one_way)
    return Change(
        NAME,
        f"database, {_count(names)}",
        "apply",
        before=list(before),
        after=[*before, *names],
        undo={"take back": list(reversed(names))},
        irreversible=reasons,
    )


def _stamp(action: str, names: Sequence[str], found: State) -> Change:
    rows = {row.name: row for row in found.applied}
    entries: list[list[str | None]] = []
    for name in names:
        row = rows.get(name)
        old = [row.checksum, row.status] if row else [None, None]
        entries.append([f"{name}.sql", *old])
    return Change(
        NAME,
        f"ledger of migrations, {_count(names)}",
        action,
        before={name: rows[name].checksum for name in names if name in rows},
        after={item.name: item.checksum for item in found.files if item.name in names},
        undo={"names": list(names), "entries": entries},
    )


def _up_to(found: Sequence[Migration], to: str) -> Sequence[Migration]:
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
