"""Whether an environment's schema is what its migrations give, and the database is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.database import migration_history, migrations, other_ledgers, schema
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.pending import State
from xswarm_deploy.errors import DeployError
from xswarm_deploy.steps import pending

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment


def rows_by_table(environment: Environment) -> dict[str, int]:
    """Count the rows of every table."""
    return schema.rows_by_table(environment.database)


def drift(environment: Environment) -> list[str]:
    """Return where the schema differs from what the applied files give, as lines of a diff.

    SQL that only the server can read is judged by the schema that the server had after the last
    run; where that was not kept, the rest is compared. The ledgers of other tools are no drift.
    """
    now = _without_ledgers(schema.read(environment.database))
    expected, refused = schema.of_migrations(_as_applied(pending.state(environment)))
    expected = _without_ledgers(expected)
    if not refused:
        return schema.difference(expected, now)
    kept = migration_history.kept_schema(environment.database)
    if kept is not None:
        return schema.difference(_without_ledgers(schema.objects(kept)), now)
    return schema.difference(schema.without(expected, refused), schema.without(now, refused))


def _without_ledgers(found: schema.Objects) -> schema.Objects:
    ledgers = other_ledgers.ledgers(found)
    return {key: sql for key, sql in found.items() if key not in ledgers}


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


def integrity(environment: Environment) -> list[str]:
    """Return what SQLite finds wrong with the database itself; empty: nothing."""
    check = environment.database.limits.integrity
    found = [str(row[0]) for row in environment.database.query(f"PRAGMA {check}")]
    broken = environment.database.query("SELECT * FROM pragma_foreign_key_check LIMIT 20")
    rows = [f"row {row[1]!r} of {row[0]!r} points at no row of {row[2]!r}" for row in broken]
    return [line for line in found if line != "ok"] + rows


def require_sound(environment: Environment) -> None:
    """Refuse a database that is not what the files say.

    Raises:
        DeployError: with every difference.
    """
    wrong = [*drift(environment), *integrity(environment)]
    if wrong:
        raise DeployError("The database is not what the migrations say", "\n".join(wrong))
