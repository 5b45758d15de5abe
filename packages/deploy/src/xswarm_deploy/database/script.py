"""The statements of one transaction, and for each where it comes from, for the error that names it.

The ledger's statements come first, so that of several runners one goes on; the guards come
between those of the files; what has to hold of foreign keys is asked last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from xswarm_deploy.database import (
    counting,
    engine,
    foreign_keys,
    migration_history,
    migrations,
    other_ledgers,
    schema,
)
from xswarm_deploy.database.client import Database, DatabaseError, Result, Row, Statement
from xswarm_deploy.database.counting import Guard, Matched
from xswarm_deploy.database.foresight import Foresight, Part, Step
from xswarm_deploy.database.limits import LONGEST_TRANSACTION
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects
from xswarm_deploy.database.statements import Fragment
from xswarm_deploy.errors import DeployError, Refused

_CHANGED: Final = "the schema, which has changed meanwhile"

_NO_MORE: Final = counting.failing(
    "(SELECT ifnull(sum(rows), 0) FROM found) > ? OR EXISTS (SELECT 1 FROM found"
    " JOIN json_each(?) AS known ON known.key = found.key WHERE rows > known.value)",
    "(SELECT group_concat(rows || ' of ' || found.key, ', ') FROM found"
    " LEFT JOIN json_each(?) AS known ON known.key = found.key"
    " WHERE rows > ifnull(known.value, 0))",
)
_DANGLING: Final = (
    "FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key"
    " WHERE child.type = 'table' AND lower(key.\"table\") NOT IN"
    " (SELECT lower(name) FROM sqlite_schema WHERE type = 'table')"
)
_LIST_DANGLING: Final = f"group_concat(DISTINCT child.name || ' → ' || key.\"table\") {_DANGLING}"
_SHAPE: Final = (
    "(SELECT count(*) || ' ' || ifnull(sum(length(sql)), 0) || ' ' || ifnull(sum(rootpage), 0)"
    " FROM sqlite_schema)"
)


class Before(NamedTuple):
    """How the database is before a transaction.

    Args:
        schema: rows of type, name, tbl_name and sql.
        violations: foreign key → how many rows it leads nowhere from already.
        dangling: how many foreign keys name a table that is not there.
        shape: changes with the schema.
        left_out: tables whose foreign keys SQLite cannot ask.
    """

    schema: Sequence[Row]
    violations: Mapping[str, int]
    dangling: int
    shape: str
    left_out: Sequence[str] = ()

    @property
    def objects(self) -> Objects:
        """Return the tables, indexes, views and triggers."""
        return schema.objects(self.schema)


@dataclass(frozen=True)
class Script:
    """Statements, and for each where it comes from.

    Args:
        statements: in the order they run.
        origins: of each, e.g. ``teams.sql:3``.
        compared: the place of a comparison → it, and its file.
    """

    statements: list[Statement] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    compared: dict[int, tuple[str, Guard]] = field(default_factory=dict)

    def add(self, origin: str, *added: Statement) -> None:
        """Append statements of one origin."""
        self.statements.extend(added)
        self.origins.extend([origin] * len(added))

    def add_steps(self, filename: str, steps: Sequence[Step]) -> None:
        """Append the statements of a file, and what guards them."""
        for step in steps:
            if isinstance(step, Fragment):
                self.add(f"{filename}:{step.line}", Statement(step.sql))
            else:
                if isinstance(step, Guard):
                    self.compared[len(self.statements)] = filename, step
                self.add("the numbers of rows", step.statement)

    def is_outdated(self, error: DatabaseError) -> bool:
        """Return whether the schema changed after it was looked at, which was to be foreseen."""
        return error.statement is not None and self.origins[error.statement] == _CHANGED

    def told(self, error: DatabaseError) -> DeployError:
        """Return the error that names the file and line."""
        if error.kind == "busy" and "timed out" in error.why.lower():
            return _too_long(error)
        if error.statement is None:
            return error
        if error.statement in self.compared:
            return _fewer(*self.compared[error.statement], counting.told(error))
        origin = self.origins[error.statement]
        if ":" in origin:
            remedy = "correct it, then: inv migrate.plan"
            return DeployError(f"{origin} failed; nothing remains of it", error.why, remedy)
        if foreign_keys.MISMATCH in error.why:
            what = "The migration would leave a foreign key to columns that are not unique"
            return DeployError(what, error.why, "make them unique: CREATE UNIQUE INDEX …")
        what = "The migration would leave" if error.kind == "syntax" else "Refused by"
        why = counting.told(error) or error.why
        return DeployError(f"{what} {origin}; nothing remains of it", why, error.remedy)


class Failure(Exception):
    """A script failed.

    Args:
        script: which.
        cause: what the database said.
    """

    def __init__(self, script: Script, cause: DatabaseError) -> None:
        self.cause = cause
        self.told = script.told(cause)
        super().__init__(str(cause))


def before(database: Database) -> Before:
    """Read the schema, and which foreign keys lead nowhere already, as of one moment.

    Raises:
        Refused: the database has an engine that cannot tell the keys.
    """
    try:
        return _before(database)
    except DatabaseError as error:
        if foreign_keys.MISMATCH not in error.why:
            raise engine.refusal(database, error) from None
    return _before(database, foreign_keys.of_schema(database.query(schema.SELECT.sql)))


def _before(database: Database, left_out: Sequence[str] = ()) -> Before:
    asked = [
        schema.SELECT,
        Statement(_violations(left_out)),
        Statement(f"SELECT (SELECT count(*) {_DANGLING}), {_SHAPE}"),
    ]
    found, broken, rest = database.snapshot(asked)
    violations = {row.text(0): row.integer(1) for row in broken.rows}
    (numbers,) = rest.rows
    return Before(found.rows, violations, numbers.integer(0), numbers.text(1), left_out)


def _violations(left_out: Sequence[str]) -> str:
    return (
        """SELECT "table" || ' → ' || parent AS key, count(*) AS rows"""  # noqa: S608
        f" FROM {foreign_keys.broken(left_out)} GROUP BY 1"
    )


def up_parts(group: Sequence[Migration]) -> list[Part]:
    """Return what applies migrations."""
    return [Part(item.filename, item.up, item.removes, item.changes) for item in group]


def down_parts(chosen: Sequence[Applied]) -> list[Part]:
    """Return what takes applied migrations back, as they were applied."""
    return [
        Part(item.filename, item.down, item.removes, item.changes) for item in map(parsed, chosen)
    ]


def parsed(row: Applied) -> Migration:
    """Return an applied migration as it was applied."""
    return replace(migrations.parse(row.filename, row.text or ""), made_down=row.made_down)


def up(group: Sequence[Migration], owner: str, found: Before, foreseen: Foresight) -> Script:
    """Return the script that applies migrations.

    Args:
        group: what is applied.
        owner: the Worker whose they are; empty: that is not recorded.
        found: the database before it.
        foreseen: what they will do.
    """
    script = Script()
    _open(script, found, foreseen)
    script.add("the ledger", *migration_history.CREATE, migration_history.keeping(group))
    script.add("the ledger", *migration_history.keeping_downs(group))
    filenames = [item.filename for item in group]
    if owner:
        script.add("the ledger", migration_history.owning(filenames, owner))
    for migration, steps in zip(group, foreseen.parts, strict=True):
        script.add("the ledger", migration_history.recording(migration))
        script.add_steps(migration.filename, steps)
    script.add("the ledger", migration_history.timing(group))
    script.add("another tool's ledger", *other_ledgers.entering(found.objects, filenames))
    _close(script, found)
    return script


def down(chosen: Sequence[Applied], found: Before, foreseen: Foresight) -> Script:
    """Return the script that takes applied migrations back."""
    script = Script()
    _open(script, found, foreseen)
    places = ", ".join("?" for _ in chosen)
    present = f"(SELECT count(*) FROM _migrations WHERE filename IN ({places}))"  # noqa: S608
    script.add(
        "the ledger, which another run has changed",
        Statement(
            counting.failing(f"{present} <> ?", "'changed'"),
            [*(row.filename for row in chosen), len(chosen)],
        ),
    )
    for row, steps in zip(chosen, foreseen.parts, strict=True):
        script.add_steps(row.filename, steps)
        script.add("the ledger", migration_history.removing(row.filename))
    filenames = [row.filename for row in chosen]
    script.add("another tool's ledger", *other_ledgers.leaving(found.objects, filenames))
    _close(script, found)
    return script


def times(script: Script, results: Sequence[Result]) -> dict[str, float]:
    """Return how long each file took, in milliseconds."""
    found: dict[str, float] = {}
    for origin, result in zip(script.origins, results, strict=True):
        filename, colon, _ = origin.partition(":")
        if colon:
            found[filename] = found.get(filename, 0.0) + result.seconds * 1000
    return found


def _open(script: Script, found: Before, foreseen: Foresight) -> None:
    if foreseen.examined:
        sql = counting.failing(f"{_SHAPE} <> ?", "'changed'")
        script.add(_CHANGED, Statement(sql, (found.shape,)))


def _close(script: Script, found: Before) -> None:
    """Let the transaction fail if it made more foreign keys point nowhere."""
    script.add("the ledger", migration_history.keeping_schema(schema.SELECT))
    known = json.dumps(dict(found.violations))
    total = sum(found.violations.values())
    no_more = f"WITH found AS MATERIALIZED ({_violations(found.left_out)}) {_NO_MORE}"
    script.add("rows whose foreign key points nowhere", Statement(no_more, (total, known, known)))
    sql = counting.failing(f"(SELECT count(*) {_DANGLING}) > ?", f"(SELECT {_LIST_DANGLING})")
    script.add("foreign keys to a table that is not there", Statement(sql, (found.dangling,)))


def _too_long(error: DatabaseError) -> DeployError:
    """Report that the server ended the transaction."""
    return DeployError(
        f"The server ended the transaction, which takes more than {LONGEST_TRANSACTION:g} s while"
        " another writer waits; nothing remains of it",
        error.why,
        "inv migrate.plan (it says how long each file takes); then split the migration, or choose"
        " a quiet hour",
    )


def _fewer(filename: str, guard: Guard, told: str) -> DeployError:
    """Return which rows or values a file would remove or change without a word of it.

    Args:
        filename: of the migration.
        guard: what failed.
        told: how many of how many of what, e.g. ``2 of 3 rows``; of a table made anew what
            becomes of them before it, e.g. ``remove 2 of 3 rows``.
    """
    table = guard.table
    where = f"{filename}:{guard.line}" if guard.line else filename
    what = f"{told if isinstance(guard, Matched) else f'remove {told}'} of {table}"
    if guard.line:
        why = "a foreign key, a trigger or REPLACE removes them along, and the file does not say so"
    else:
        why = f"{table} is made anew, and not all of what it held is copied into it"
    said = f"-- removes: {table}"
    column = told.partition(" values of ")[2]
    if column and not guard.line:
        why = f"{column} is made anew, and not all of it is copied as it was"
        said = f"-- changes: {table}.{column}"
    return Refused(
        f"{where} would {what}; nothing remains of it",
        why,
        f"if that is meant, write among the first lines of the file: {said}",
    )
