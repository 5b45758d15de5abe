"""Apply migrations and take them back: one transaction, one round trip, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

from xswarm_deploy import fence
from xswarm_deploy.database import (
    guards,
    limits,
    migration_history,
    other_ledgers,
    own,
    pending,
    schema,
    script,
)
from xswarm_deploy.database.client import Database, DatabaseError, Result
from xswarm_deploy.database.foresight import Foresight, Part
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.pending import State
from xswarm_deploy.database.rows import Row
from xswarm_deploy.database.script import Script
from xswarm_deploy.errors import DeployError, Refused

_WRITES: Final = re.compile(r"\b(?:insert|replace)\b")
_MAKES: Final = re.compile(r"\b(?:values|recursive|json_\w+|generate_series)\b")
_SELECT, _FROM = re.compile(r"\bselect\b"), re.compile(r"\bfrom\b")
_LEDGERS: Final = ("sqlite_", "_cf_", "d1_migrations", "__drizzle_migrations")
"""How the names begin of tables that a new database has: SQLite's, D1's, of who migrated."""


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


class _Run(NamedTuple):
    """A transaction that was run."""

    before: script.Before
    script: Script
    results: Sequence[Result]


def groups(waiting: Sequence[Migration]) -> list[Group]:
    """Gather pending migrations into as few transactions as there can be."""
    found: list[list[Migration]] = []
    for migration in waiting:
        if found and migration.transactional and found[-1][-1].transactional:
            found[-1].append(migration)
        else:
            found.append([migration])
    return [Group(members) for members in found]


def apply(database: Database, group: Group, owner: str = "") -> Outcome:
    """Apply a group, wholly or not at all.

    Args:
        database: where.
        group: migrations that were checked.
        owner: the Worker whose they are, for the ledger; empty: that is not recorded.

    Raises:
        DeployError: with the file and line that failed; nothing of the group remains
            (of a migration without transaction: what its statements had done).
    """
    if not group.transactional:
        return _apply_alone(database, group.migrations[0], owner)
    parts = script.up_parts(group.migrations)
    try:
        run = _run(database, parts, partial(script.up, group.migrations, owner))
    except script.Failure as failure:
        if _is_applied(database, group.migrations, failure.cause):
            by_other = not failure.cause.in_doubt
            return Outcome([item.name for item in group.migrations], by_other=by_other)
        raise failure.told from None
    return _outcome(database, group.migrations, run)


def rehearse(database: Database, group: Group) -> list[tuple[str, str, float]]:
    """Run a group on the real data and roll it back.

    Returns:
        For each statement its origin, its SQL, and the seconds it took.

    Raises:
        DeployError: with the file and line that would fail.
    """
    parts = script.up_parts(group.migrations)
    try:
        run = _run(database, parts, partial(script.up, group.migrations, ""), keep=False)
    except script.Failure as failure:
        raise failure.told from None
    rows = zip(run.script.origins, run.script.statements, run.results, strict=True)
    return [(origin, found.sql, result.seconds) for origin, found, result in rows if ":" in origin]


def require_ours(state: State, chosen: Sequence[Applied]) -> None:
    """Refuse to take back what may be another Worker's.

    Raises:
        Refused: an entry that is not recorded as this Worker's has no file here.
    """
    here = {file.filename for file in state.files}
    for row in chosen:
        if row.owner != state.worker and row.filename not in here:
            raise pending.gone(row)


def require_adopted(database: Database, state: State) -> None:
    """Refuse to apply once more what another tool has applied here.

    Raises:
        Refused: nothing of ours was ever applied, and its ledger names some of the files.
    """
    if state.applied or not state.files:
        return
    taken = other_ledgers.applied(database, state.files)
    if not taken.files:
        return
    first, last = taken.files[0].name, taken.files[-1].name
    has = f"its ledger has {last if first == last else f'{first} to {last}'}"
    remedy = f"enter them without running them: inv migrate.baseline --to {last}"
    if taken.unknown:
        has += f"; {taken.unknown} more of it have no file here, or were edited since"
        remedy = f"bring those files back as they were; or, where the schema fits, {remedy}"
    if taken.missing:
        names = ", ".join(file.name for file in taken.missing)
        has += f", but not {names}"
        remedy = f"apply {names} by {taken.tool} first; then {remedy}"
    count = "1 of these files was" if first == last else f"{len(taken.files)} of these files were"
    raise Refused(f"{count} applied by {taken.tool}", has, remedy)


def foresee(database: Database, waiting: Sequence[Migration]) -> None:
    """Refuse pending migrations that cannot run on a database as it is, before anything runs.

    Raises:
        Refused: a foreign key would name a table that is not there, a text stands for a column, or
            the database takes no such statement.
    """
    faults = [fault for file in waiting for fault in limits.faults(file, database.limits)]
    if faults:
        raise Refused("Migrations cannot run as they are", "; ".join(faults), "correct the files")
    parts = script.up_parts(waiting)
    conditional = any(file.conditional and _drops(file) for file in waiting)
    if not conditional and not guards.may_refuse(parts):
        return
    rows = database.query(schema.SELECT.sql)
    if conditional:
        _require_made(rows, waiting)
    foreseen_on(database, rows, parts)


def _drops(file: Migration) -> bool:
    """Return whether the down part that its author wrote may drop something."""
    return not file.made_down and any("drop" in each.sql.lower() for each in file.down)


def _require_made(rows: Sequence[Row], waiting: Sequence[Migration]) -> None:
    """Refuse files that found a table there, and whose down parts would drop it."""
    from xswarm_deploy.database import downs  # with a copy of the schema, which few need

    if found := downs.passed_over(rows, waiting):
        file = found[0].partition(".sql:")[0]
        raise Refused(
            "Migrations cannot run as they are",
            "; ".join(found),
            f"where the database has all that the file says: inv migrate.baseline --to {file}; else"
            " leave IF NOT EXISTS out, or DROP TABLE of the down part",
        )


def chosen_down(applied: Sequence[Applied], *, steps: int = 1, to: str = "") -> list[Applied]:
    """Choose what to take back, the last applied first.

    Args:
        applied: in the order they ran.
        steps: how many, where ``to`` is not given.
        to: the migration that becomes the last one.

    Raises:
        Refused: there is no such migration, or one that cannot be taken back; or so many are none.
    """
    newest_first = list(reversed(applied))
    if steps < 1:
        raise Refused(f"--steps is {steps}", "", "write how many to take back, from 1 on")
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
    try:
        run = _run(database, script.down_parts(chosen), partial(script.down, chosen))
    except script.Failure as failure:
        if failure.cause.in_doubt and not _still_applied(database, chosen):
            return Outcome([row.name for row in chosen])
        raise failure.told from None
    after = schema.read(database)
    return Outcome(
        [row.name for row in chosen],
        _labels(after, run.before.objects),
        _labels(run.before.objects, after),
        script.times(run.script, run.results),
    )


def stamp(database: Database, files: Sequence[Migration], owner: str = "") -> None:
    """Enter files as applied without running them, whatever was entered before."""
    entered = [found for file in files for found in migration_history.stamping(file, owner)]
    database.transaction([*migration_history.CREATE, *entered])


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
    migration = script.parsed(row)
    if not migration.down:
        reason = migration.irreversible or "its down part is missing or empty"
        raise Refused(f"{row.filename} cannot be taken back", reason, "inv backup.restore")


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


def foreseen_on(database: Database, rows: Sequence[Row], parts: Sequence[Part]) -> Foresight:
    """Find out what parts do to the rows of a database.

    Raises:
        Refused: they cannot run as they are, or not there.
    """
    found = guards.foresee(rows, parts, lifts=database.limits.lifts_keys)
    if found.refusals:
        why = "; ".join(found.refusals)
        raise Refused("Migrations cannot run as they are", why, "correct the files")
    rowless = _is_new(rows) and not _makes_rows(parts)
    if found.lifted and found.acting and not database.limits.lifts_keys and not rowless:
        raise Refused(
            f"{database.limits.home} cannot lift foreign keys, and a table is dropped that they"
            " name: rows would go along",
            "; ".join(dict.fromkeys(found.acting)),
            "ALTER TABLE where it can do it; or first, in a file of its own, make those tables anew"
            " without the key, and give it back in a later one",
        )
    return found


def _is_new(schema: Sequence[Row]) -> bool:
    """Return whether a database has no table but ledgers: no row is there that could go.

    Such as the twin's, to which a history is applied that D1 has had long since: drizzle makes
    tables anew in it by dropping them.
    """
    tables = (str(row["name"]) for row in schema if row["type"] == "table")
    return all(name in own.ALL or name.startswith(_LEDGERS) for name in tables)


def _makes_rows(parts: Sequence[Part]) -> bool:
    """Return whether parts may write a row that is no copy of another: seeds."""
    texts = (fragment.sql.lower() for part in parts for fragment in part.fragments)
    written = (text for text in texts if _WRITES.search(text))
    return any(_MAKES.search(text) or not _copies(text) for text in written)


def _copies(text: str) -> bool:
    """Return whether a statement selects from somewhere."""
    selects = _SELECT.search(text)
    return selects is not None and _FROM.search(text, selects.end()) is not None


def _run(
    database: Database,
    parts: Sequence[Part],
    make: Callable[[script.Before, Foresight], Script],
    *,
    keep: bool = True,
) -> _Run:
    """Run parts in one transaction that guards every row they do not name.

    Raises:
        Failure: nothing remains.
    """
    for last in (False, False, True):  # the schema may change between a look and the transaction
        before = script.before(database)
        foreseen = foreseen_on(database, before.schema, parts)
        made = make(before, foreseen)
        try:
            results = database.transaction(
                made.statements, foreign_keys=not foreseen.lifted, keep=keep
            )
        except DatabaseError as error:
            if last or not made.is_outdated(error):
                raise script.Failure(made, error) from None
        else:
            return _Run(before, made, results)
    raise AssertionError("the last round returns or raises")


def _outcome(database: Database, group: Sequence[Migration], run: _Run) -> Outcome:
    before, after = run.before.objects, schema.read(database)
    times = script.times(run.script, run.results)
    names = [migration.name for migration in group]
    return Outcome(names, _labels(after, before), _labels(before, after), times)


def _labels(present: schema.Objects, absent: schema.Objects) -> list[str]:
    return [f"{kind} {name}" for kind, name in present if (kind, name) not in absent]


def _apply_alone(database: Database, migration: Migration, owner: str) -> Outcome:
    """Run a migration that asked for no transaction; the ledger says where it stopped."""
    before = script.before(database)
    foreseen = foreseen_on(database, before.schema, script.up_parts([migration]))
    _require_unguarded(migration, foreseen)
    entered = [
        migration_history.keeping([migration]),
        migration_history.recording(migration, migration_history.RUNNING),
    ]
    if owner:
        entered.append(migration_history.owning([migration.filename], owner))
    database.transaction([*migration_history.CREATE, *entered])
    seconds = 0.0
    for fragment in migration.up:
        fence.require_held()
        try:
            seconds += database.execute(fragment.sql).seconds
        except DatabaseError as error:
            raise DeployError(
                f"{migration.filename}:{fragment.line} failed outside a transaction;"
                " what came before it remains",
                error.why,
                f"fix it by hand, then: inv migrate.baseline --to {migration.name}",
            ) from None
    told = other_ledgers.entering(before.objects, [migration.filename])
    database.transaction([migration_history.timing([migration]), *told])
    after, times = schema.read(database), {migration.filename: seconds * 1000}
    return Outcome(
        [migration.name], _labels(after, before.objects), _labels(before.objects, after), times
    )


def _require_unguarded(migration: Migration, foreseen: Foresight) -> None:
    """Refuse what could remove rows where no transaction guards them."""
    if foreseen.lifted or foreseen.guarded:
        raise Refused(
            f"{migration.filename} may remove rows, and runs outside a transaction",
            "only in a transaction can rows be counted, and foreign keys be lifted",
            f"leave out its line -- transaction: none{_or_say_so(foreseen)}",
        )


def _or_say_so(foreseen: Foresight) -> str:
    tables = sorted({step.table for step in foreseen.comparisons})
    if foreseen.lifted or not tables:
        return ""
    return f", or say which tables lose rows: -- removes: {', '.join(tables)}"
