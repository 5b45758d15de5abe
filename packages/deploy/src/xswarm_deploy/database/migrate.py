"""Apply migrations and take them back: one transaction, one round trip, or nothing."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from xswarm_deploy.database import migration_history, migrations, schema
from xswarm_deploy.database.client import Database, DatabaseError, Result, Statement
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.statements import Fragment
from xswarm_deploy.errors import DeployError, Refused

_LONGEST_WRITE = 5  # seconds after which sqld ends a write while another one waits


class State(NamedTuple):
    """The files and the ledger, side by side.

    Args:
        files: in the order they run.
        applied: in the order they ran.
    """

    files: Sequence[Migration]
    applied: Sequence[Applied]

    @property
    def pending(self) -> list[Migration]:
        """Return the files that were not applied, in the order they run."""
        done = {row.filename for row in self.applied}
        return [file for file in self.files if file.filename not in done]


class Group(NamedTuple):
    """Migrations that run in one transaction, or the one that runs in none."""

    migrations: Sequence[Migration]

    @property
    def transactional(self) -> bool:
        """Return whether this group is a transaction."""
        return all(migration.transactional for migration in self.migrations)


class Outcome(NamedTuple):
    """What a run did.

    Args:
        names: the migrations applied or taken back.
        made: objects that are there now and were not before, e.g. ``table users``.
        gone: objects that were there before.
        milliseconds: by file.
        by_other: another run had done it already.
    """

    names: Sequence[str]
    made: Sequence[str] = ()
    gone: Sequence[str] = ()
    milliseconds: Mapping[str, float] = MappingProxyType({})
    by_other: bool = False


@dataclass(frozen=True)
class Script:
    """Statements, and for each where it comes from, for the error that names it."""

    statements: list[Statement] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)

    def add(self, origin: str, *added: Statement) -> None:
        """Append statements of one origin."""
        self.statements.extend(added)
        self.origins.extend([origin] * len(added))

    def add_fragments(self, filename: str, fragments: Sequence[Fragment]) -> None:
        """Append the statements of a file."""
        self.statements.extend([Statement(fragment.sql) for fragment in fragments])
        self.origins.extend([f"{filename}:{fragment.line}" for fragment in fragments])


def check(state: State) -> None:
    """Refuse, before anything runs, what must not run.

    Raises:
        Refused: an applied file was edited or is gone; an earlier run was left
            unfinished; a pending file says what it must not.
    """
    for row in state.applied:
        _require_finished(row)
    _require_unedited(state)
    found = [fault for migration in state.pending for fault in migrations.faults(migration)]
    if found:
        raise Refused("Migrations cannot run as they are", "; ".join(found), "correct the files")


def groups(pending: Sequence[Migration]) -> list[Group]:
    """Gather pending migrations into as few transactions as there can be."""
    found: list[list[Migration]] = []
    for migration in pending:
        if found and migration.transactional and found[-1][-1].transactional:
            found[-1].append(migration)
        else:
            found.append([migration])
    return [Group(members) for members in found]


def apply(database: Database, group: Group) -> Outcome:
    """Apply a group, wholly or not at all.

    Args:
        database: where.
        group: migrations that were checked.

    Raises:
        DeployError: with the file and line that failed; nothing of the group remains
            (of a migration without transaction: what its statements had done).
    """
    if not group.transactional:
        return _apply_alone(database, group.migrations[0])
    before, violations = _before(database)
    script = _up_script(group.migrations, violations)
    fragments = [fragment for item in group.migrations for fragment in item.up]
    try:
        results = database.transaction(script.statements, foreign_keys=not _lifted(fragments))
    except DatabaseError as error:
        if _is_applied(database, group.migrations, error):
            return Outcome([item.name for item in group.migrations], by_other=not error.in_doubt)
        raise _failed(script, error) from None
    return _outcome(database, group.migrations, before, _times(script, results))


def rehearse(database: Database, group: Group) -> list[tuple[str, str, float]]:
    """Run a group on the real data and roll it back.

    Returns:
        For each statement its origin, its SQL, and the seconds it took.

    Raises:
        DeployError: with the file and line that would fail.
    """
    _, violations = _before(database)
    script = _up_script(group.migrations, violations)
    fragments = [fragment for item in group.migrations for fragment in item.up]
    try:
        results = database.transaction(
            script.statements, foreign_keys=not _lifted(fragments), keep=False
        )
    except DatabaseError as error:
        raise _failed(script, error) from None
    rows = zip(script.origins, script.statements, results, strict=True)
    return [(origin, found.sql, result.seconds) for origin, found, result in rows if ":" in origin]


def chosen_down(applied: Sequence[Applied], *, steps: int = 1, to: str = "") -> list[Applied]:
    """Choose what to take back, the last applied first.

    Args:
        applied: in the order they ran.
        steps: how many, where ``to`` is not given.
        to: the migration that becomes the last one.

    Raises:
        Refused: there is no such migration, or one that cannot be taken back.
    """
    newest_first = list(reversed(applied))
    if to:
        names = [row.name for row in newest_first]
        if to.removesuffix(".sql") not in names:
            raise Refused(f"{to} is not applied", "", "inv migrate.status")
        steps = names.index(to.removesuffix(".sql"))
    return _with_downs(newest_first[:steps])


def chosen_back(applied: Sequence[Applied], then: Collection[str]) -> list[Applied]:
    """Choose what to take back for an earlier schema, the last applied first.

    Args:
        applied: in the order they ran.
        then: the names of the earlier schema's migrations, which stay.

    Raises:
        Refused: one of the others cannot be taken back.
    """
    return _with_downs([row for row in reversed(applied) if row.name not in then])


def take_back(database: Database, chosen: Sequence[Applied]) -> Outcome:
    """Run the down parts of applied migrations, wholly or not at all.

    What is run is what the file said when it was applied.

    Raises:
        DeployError: with the file and line that failed, or the one without a down part; nothing
            was taken back.
    """
    for row in chosen:
        _require_down(row)
    before, violations = _before(database)
    script = _down_script(chosen, violations)
    fragments = [fragment for row in chosen for fragment in _parsed(row).down]
    try:
        results = database.transaction(script.statements, foreign_keys=not _lifted(fragments))
    except DatabaseError as error:
        if error.in_doubt and not _still_applied(database, chosen):
            return Outcome([row.name for row in chosen])
        raise _failed(script, error) from None
    after = schema.read(database)
    return Outcome(
        [row.name for row in chosen],
        _labels(after, before),
        _labels(before, after),
        _times(script, results),
    )


def stamp(database: Database, files: Sequence[Migration]) -> None:
    """Enter files as applied without running them, whatever was entered before."""
    entered = [found for file in files for found in migration_history.stamping(file)]
    database.transaction([*migration_history.CREATE, *entered])


def notes(group: Group) -> list[str]:
    """Return in advance what a person should know about a group."""
    found = []
    tables = migrations.rebuilt([fragment for item in group.migrations for fragment in item.up])
    if tables:
        found.append(
            f"rebuilds {', '.join(tables)}: foreign keys are lifted meanwhile,"
            " and checked before COMMIT"
        )
    if not group.transactional:
        found.append(f"{group.migrations[0].filename} runs outside a transaction: not atomic")
    found += [
        f"{item.filename} cannot be taken back: {item.irreversible}"
        for item in group.migrations
        if item.irreversible and not item.down
    ]
    found += [
        f"{item.filename}: the code of before does not work with the schema of after"
        for item in group.migrations
        if not item.compatible
    ]
    return found


def slow(seconds: float) -> str:
    """Return what follows where a rehearsal took long; empty: nothing."""
    if seconds < _LONGEST_WRITE / 2:
        return ""
    return (
        f"this took {seconds:.1f} s; libSQL's server ends a write after {_LONGEST_WRITE} s"
        " while another writer waits: choose a quiet hour, or split the migration"
    )


def _require_finished(row: Applied) -> None:
    if row.status != migration_history.SUCCESS:
        raise Refused(
            f"{row.filename} was left unfinished (status {row.status!r})",
            "an earlier run outside a transaction stopped in the middle",
            f"bring the schema to what the file says, then: inv migrate.baseline --to {row.name}",
        )


def _require_unedited(state: State) -> None:
    files = {file.filename: file for file in state.files}
    for row in state.applied:
        file = files.get(row.filename)
        if file is None:
            raise Refused(
                f"{row.filename} was applied, and its file is gone",
                f"applied at {row.applied_at}",
                "bring the file back from version control, or take it back: inv migrate.down",
            )
        if file.checksum != row.checksum:
            raise Refused(
                f"{row.filename} was edited after it was applied",
                _edit(row, file),
                _after_edit(state, row),
            )


def _after_edit(state: State, row: Applied) -> str:
    """Return what to type about an edited file."""
    if row.text is not None:
        return f"undo the edit and write a new migration, or: inv migrate.restamp {row.name}"
    names = {other.name for other in state.applied}
    last = [file.name for file in state.files if file.name in names][-1]
    return f"inv migrate.baseline --to {last}; it says what the files would give"


def _edit(row: Applied, file: Migration) -> str:
    if row.text is None:
        return "what it said then was not kept (it was applied by another tool)"
    lines = difflib.unified_diff(
        row.text.splitlines(),
        file.text.splitlines(),
        f"{row.filename} (applied)",
        f"{row.filename} (now)",
        lineterm="",
    )
    return "\n".join(["the difference:", *lines])


def _with_downs(chosen: list[Applied]) -> list[Applied]:
    for row in chosen:
        _require_down(row)
    return chosen


def _require_down(row: Applied) -> None:
    if row.text is None:
        raise Refused(
            f"{row.filename} cannot be taken back",
            "what it said when it was applied was not kept",
            "inv migrate.baseline",
        )
    migration = _parsed(row)
    if not migration.down:
        reason = migration.irreversible or "its down part is missing or empty"
        raise Refused(f"{row.filename} cannot be taken back", reason, "inv backup.restore")


def _parsed(row: Applied) -> Migration:
    return migrations.parse(row.filename, row.text or "")


def _lifted(fragments: Sequence[Fragment]) -> bool:
    return bool(migrations.rebuilt(fragments))


_VIOLATIONS = "(SELECT count(*) FROM pragma_foreign_key_check)"
_DANGLING = (
    "(SELECT count(*) FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key"
    " WHERE child.type = 'table' AND lower(key.\"table\") NOT IN"
    " (SELECT lower(name) FROM sqlite_schema WHERE type = 'table'))"
)
_REFUSE = "abs(-9223372036854775807 - 1)"  # an integer overflow: SQL has no RAISE out here


def _before(database: Database) -> tuple[schema.Objects, tuple[int, int]]:
    """Read the schema, and how many foreign keys point nowhere already."""
    found, broken = database.snapshot(
        [schema.SELECT, Statement(f"SELECT {_VIOLATIONS}, {_DANGLING}")]
    )
    row = broken.rows[0]
    return schema.objects(found.rows), (row.integer(0), row.integer(1))


def _guards(script: Script, violations: tuple[int, int]) -> None:
    """Let the transaction fail if it made more foreign keys point nowhere."""
    for origin, count, allowed in (
        ("rows whose foreign key points nowhere", _VIOLATIONS, violations[0]),
        ("foreign keys to a table that is not there", _DANGLING, violations[1]),
    ):
        guard = f"SELECT CASE WHEN {count} > ? THEN {_REFUSE} END"
        script.add(origin, Statement(guard, (allowed,)))


def _up_script(group: Sequence[Migration], violations: tuple[int, int]) -> Script:
    script = Script()
    script.add("the ledger", *migration_history.CREATE, migration_history.keeping(group))
    for migration in group:
        script.add("the ledger", migration_history.recording(migration))
        script.add_fragments(migration.filename, migration.up)
    script.add("the ledger", migration_history.timing(group))
    _guards(script, violations)
    return script


def _down_script(chosen: Sequence[Applied], violations: tuple[int, int]) -> Script:
    script = Script()
    places = ", ".join("?" for _ in chosen)
    present = f"(SELECT count(*) FROM _migrations WHERE filename IN ({places}))"  # noqa: S608
    script.add(
        "the ledger, which another run has changed",
        Statement(
            f"SELECT CASE WHEN {present} <> ? THEN {_REFUSE} END",
            [*(row.filename for row in chosen), len(chosen)],
        ),
    )
    for row in chosen:
        script.add_fragments(row.filename, _parsed(row).down)
        script.add("the ledger", migration_history.removing(row.filename))
    _guards(script, violations)
    return script


def _failed(script: Script, error: DatabaseError) -> DeployError:
    """Name the file and line in an error."""
    if error.statement is None:
        return error
    origin = script.origins[error.statement]
    if ":" not in origin:
        what = "The migration would leave" if error.kind == "syntax" else "Refused by"
        return DeployError(f"{what} {origin}; nothing remains of it", error.why, error.remedy)
    return DeployError(
        f"{origin} failed; nothing remains of it", error.why, "correct it, then: inv migrate.plan"
    )


def _is_applied(database: Database, group: Sequence[Migration], error: DatabaseError) -> bool:
    """Return, after a failure, whether all is applied nevertheless.

    So it is where only the reply was lost, and where another runner was faster.
    """
    if not error.in_doubt and error.kind != "constraint":
        return False
    checksums = {row.filename: row.checksum for row in _settled(database)}
    return all(checksums.get(item.filename) == item.checksum for item in group)


def _still_applied(database: Database, chosen: Sequence[Applied]) -> bool:
    names = {row.filename for row in _settled(database)}
    return any(row.filename in names for row in chosen)


def _settled(database: Database) -> list[Applied]:
    """Read the ledger under the write lock: a request still under way has ended then."""
    (found,) = database.transaction([*migration_history.CREATE, migration_history.SELECT])[-1:]
    return migration_history.rows(found.rows)


def _times(script: Script, results: Sequence[Result]) -> dict[str, float]:
    times: dict[str, float] = {}
    for origin, result in zip(script.origins, results, strict=True):
        filename, colon, _ = origin.partition(":")
        if colon:
            times[filename] = times.get(filename, 0.0) + result.seconds * 1000
    return times


def _outcome(
    database: Database,
    group: Sequence[Migration],
    before: schema.Objects,
    times: Mapping[str, float],
) -> Outcome:
    after = schema.read(database)
    names = [migration.name for migration in group]
    return Outcome(names, _labels(after, before), _labels(before, after), times)


def _labels(present: schema.Objects, absent: schema.Objects) -> list[str]:
    return [f"{kind} {name}" for kind, name in present if (kind, name) not in absent]


def _apply_alone(database: Database, migration: Migration) -> Outcome:
    """Run a migration that asked for no transaction; the ledger says where it stopped."""
    before = schema.read(database)
    entered = [
        migration_history.keeping([migration]),
        migration_history.recording(migration, migration_history.RUNNING),
    ]
    database.transaction([*migration_history.CREATE, *entered])
    seconds = 0.0
    for fragment in migration.up:
        try:
            seconds += database.execute(fragment.sql).seconds
        except DatabaseError as error:
            raise DeployError(
                f"{migration.filename}:{fragment.line} failed outside a transaction;"
                " what came before it remains",
                error.why,
                f"fix it by hand, then: inv migrate.baseline --to {migration.name}",
            ) from None
    database.transaction([migration_history.timing([migration])])
    return _outcome(database, [migration], before, {migration.filename: seconds * 1000})
