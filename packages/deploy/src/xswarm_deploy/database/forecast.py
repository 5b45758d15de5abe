"""What a person should know before migrations run, and after they were rehearsed."""

from __future__ import annotations

from collections.abc import Mapping

from xswarm_deploy.database import migrate, script
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.limits import LONGEST_TRANSACTION
from xswarm_deploy.database.migrate import Group


def notes(database: Database, group: Group) -> list[str]:
    """Return in advance what a person should know about a group.

    Raises:
        Refused: it cannot run as it is.
    """
    found = []
    parts = script.up_parts(group.migrations)
    foreseen = migrate.foreseen_on(database, script.before(database).schema, parts)
    if foreseen.rebuilt:
        lifted = "foreign keys are lifted meanwhile and checked before COMMIT, " * foreseen.lifted
        tables = ", ".join(foreseen.rebuilt)
        found.append(
            f"rebuilds {tables}: {lifted}and every row of before has to be there then, as it was"
        )
    if foreseen.anew:
        found.append(f"writes {', '.join(foreseen.anew)} anew, by its own words")
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


def slow(seconds: float, by_file: Mapping[str, float]) -> str:
    """Return what follows where a rehearsal took long; empty: nothing.

    Args:
        seconds: of the whole transaction.
        by_file: of each file.
    """
    if seconds < LONGEST_TRANSACTION / 2:
        return ""
    longest = max(by_file, key=lambda name: by_file[name])
    split = f"the longest is {longest} ({by_file[longest]:.1f} s)"
    if len(by_file) > 1 and by_file[longest] < LONGEST_TRANSACTION / 2:
        split = "each file alone is short: release them one after the other"
    return (
        f"this took {seconds:.1f} s; libSQL's server (Turso's, too) ends a transaction after"
        f" {LONGEST_TRANSACTION:g} s while another writer waits, and nothing of it remains: choose"
        f" a quiet hour, or split it ({split})"
    )
