"""What of an environment's migrations is pending; nothing that applies them is imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xswarm_deploy.database import migration_history, migrations, pending
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.pending import State
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.database.migrations import Migration
    from xswarm_deploy.database.schema import Objects
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.settings.settings import Settings


NO_FOLDER: Final = "no folder is named (deploy.migrations.directory in invoke.yaml)"


def state(environment: Environment) -> State:
    """Read the files and the ledger, side by side."""
    found = State(
        files(environment), migration_history.read(environment.database), environment.worker
    )
    if not generates_downs(environment.settings) or not found.pending:
        return found
    from xswarm_deploy.database import downs  # it makes schemas, to take them back

    wanted = {item.name for item in found.pending}
    conditional = any(item.conditional for item in found.pending)
    there = _there(environment) if conditional else None  # else SQLite itself refuses it
    return found._replace(files=downs.complete(found.files, wanted, there))


def _there(environment: Environment) -> Objects:
    """Return what the database holds."""
    from xswarm_deploy.database import engine, schema

    try:
        return schema.read(environment.database)
    except DatabaseError as error:
        raise engine.refusal(environment.database, error) from None


def generates_downs(settings: Settings) -> bool:
    """Return whether down parts are made for files that have none."""
    how = settings.project.migrations.down
    if how not in ("written", "generated"):
        raise Refused(
            f"deploy.migrations.down is {how!r}", "", "write down: written, or down: generated"
        )
    return how == "generated"


def nothing(environment: Environment) -> str:
    """Return that there is nothing to do, and why, where no folder is looked into."""
    return "nothing to do" if _folder(environment) else f"nothing to do: {NO_FOLDER}"


def files(environment: Environment) -> list[Migration]:
    """Read the migration files, in the order they run; none where no folder is named."""
    directory = _folder(environment)
    return migrations.read(environment.settings.path(directory)) if directory else []


def _folder(environment: Environment) -> str:
    return environment.settings.project.migrations.directory


def checked(environment: Environment) -> State:
    """Read the files and the ledger, and refuse what does not fit together.

    Raises:
        Refused: an applied file was edited or is gone; a pending one says what it must not.
    """
    found = state(environment)
    pending.check(found)
    return found
