"""The migration files beside the ledger: what is pending, and whether all is as it was applied.

All that a command needs that turns out to have nothing to apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xswarm_deploy.database import migration_folder, migration_history
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.errors import Refused


class State(NamedTuple):
    """The files and the ledger, side by side.

    Args:
        files: in the order they run.
        applied: in the order they ran.
        worker: whose files they are; empty: that does not matter.
    """

    files: Sequence[Migration]
    applied: Sequence[Applied]
    worker: str = ""

    @property
    def own(self) -> list[Applied]:
        """Return the entries but those of other Workers that share the database.

        One that has its file here, unchanged, is no other's: a Worker may get another name.
        """
        if not self.worker or {row.owner for row in self.applied} <= {"", self.worker}:
            return list(self.applied)
        here = {(file.filename, file.checksum) for file in self.files}
        return [
            row
            for row in self.applied
            if row.owner in ("", self.worker) or (row.filename, row.checksum) in here
        ]

    @property
    def pending(self) -> list[Migration]:
        """Return the files that were not applied, in the order they run."""
        done = {row.filename for row in self.applied}
        return [file for file in self.files if file.filename not in done]


def check(state: State) -> None:
    """Refuse, before anything runs, what must not run.

    Raises:
        Refused: an applied file was edited or is gone; an earlier run was left
            unfinished; a pending file says what it must not.
    """
    for row in state.own:
        _require_finished(row)
    _require_unedited(state)
    _require_own_names(state)
    found = [fault for migration in state.pending for fault in migration.faults]
    found += _ways_back(state)
    if found:
        raise Refused("Migrations cannot run as they are", "; ".join(found), "correct the files")


def _ways_back(state: State) -> list[str]:
    """Return which pending files are the way back of another one, by their names."""
    names = {file.name for file in state.files}
    alone = [file for file in state.pending if not file.depends and "down" not in file.parts]
    return [
        f"{file.filename} looks like the way back of {of}, and would run as a migration of its own:"
        f" call the two {of}.up.sql and {of}.down.sql, or write -- depends: {of} into it"
        for file in alone
        if (of := migration_folder.way_back_of(file.name, names))
    ]


def _require_finished(row: Applied) -> None:
    if row.status != migration_history.SUCCESS:
        raise Refused(
            f"{row.filename} was left unfinished (status {row.status!r})",
            "an earlier run outside a transaction stopped in the middle",
            f"bring the schema to what the file says, then: inv migrate.baseline --to {row.name}",
        )


def _require_unedited(state: State) -> None:
    files = {file.filename: file for file in state.files}
    for row in state.own:
        file = files.get(row.filename)
        if file is None:
            raise gone(row)
        if file.checksum != row.checksum:
            raise Refused(
                f"{row.filename} was edited after it was applied",
                _edit(row, file),
                _after_edit(state, row),
            )


def _require_own_names(state: State) -> None:
    """Refuse a file whose name another Worker's migration has in the ledger."""
    own = {row.filename for row in state.own}
    if len(own) == len(state.applied):
        return
    others = {row.filename: row for row in state.applied if row.filename not in own}
    for file in state.files:
        if file.filename in others:
            raise Refused(
                f"{file.filename} has the name of a migration of the Worker"
                f" {others[file.filename].owner}, which shares this database",
                "the ledger keeps one migration of a name",
                f"rename this file, e.g. to {state.worker}-{file.filename}",
            )


def gone(row: Applied) -> Refused:
    """Return the refusal of an entry without its file, which may be another Worker's."""
    return Refused(
        f"{row.filename} was applied, and its file is gone",
        f"applied at {row.applied_at}" + (f" by {row.owner}" if row.owner else ""),
        "bring the file back from version control; if it is the migration of another Worker that"
        " shares this database, record that in the other one's repository: inv migrate.baseline",
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
    import difflib  # for an edited file only

    lines = difflib.unified_diff(
        row.text.splitlines(),
        file.text.splitlines(),
        f"{row.filename} (applied)",
        f"{row.filename} (now)",
        lineterm="",
    )
    return "\n".join(["the difference:", *lines])
