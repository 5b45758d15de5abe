"""How long migrations will take, told from the numbers of rows before they run.

What SQLite would walk through whole is asked of its own query plan, on an empty copy of the schema;
what a statement searches by an index costs nothing here. It is an estimate for one quiet core:
``inv migrate.plan`` measures, on the real rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xswarm_deploy.database.client import Row
from xswarm_deploy.database.limits import Limits
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.statements import first_words, folded
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.database.effects import SchemaCopy

ROWS_A_SECOND: Final = 250_000
"""Rows that are copied, changed or indexed; measured with sqld 0.24, 400,000 rows of four columns:
330,000 copied (160,000 with an index of text), 680,000 changed, 520,000 to 690,000 indexed."""

MOVED_A_SECOND: Final = 10_000
"""Rows that change their place in an index, by the same measurement."""

ACCEPTED: Final = "long-transaction"
"""What ``-- accepts:`` takes where a quiet hour is chosen."""

_WALKS: Final = re.compile(r"\b(update|delete|select|index|alter|drop)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Duration:
    """How long a file will take.

    Args:
        file: the migration.
        rows: that it walks through, whole tables only.
        moved: those of them whose place in an index changes.
    """

    file: Migration
    rows: int
    moved: int = 0

    @property
    def seconds(self) -> float:
        """Return the time."""
        return self.rows / ROWS_A_SECOND + self.moved / MOVED_A_SECOND


def may_walk(files: Sequence[Migration]) -> bool:
    """Return whether files have a word without which no statement walks through a table."""
    return any(_WALKS.search(fragment.sql) for file in files for fragment in file.up)


def durations(
    schema: Sequence[Row], files: Sequence[Migration], rows: Mapping[str, int]
) -> list[Duration]:
    """Return how long files will take, one after the other.

    Args:
        schema: of the database: rows of type, name, tbl_name and sql.
        files: in the order they run.
        rows: how many each table has.
    """
    from xswarm_deploy.database.effects import SchemaCopy

    held = {folded(table): count for table, count in rows.items()}
    with SchemaCopy(schema) as copy:
        return [_duration(copy, file, held) for file in files]


def _duration(copy: SchemaCopy, file: Migration, held: dict[str, int]) -> Duration:
    """Return how long a file takes, and note what its tables hold then."""
    walked = moved = 0
    for fragment in file.up:
        scanned = sum(held.get(table, 0) for table in copy.scanned(fragment.sql))
        if scanned and copy.moves_in_indexes(fragment.sql):
            moved += scanned
        before = set(copy.tables)
        effect = copy.effect(fragment.sql)
        verb = "".join(first_words(fragment.sql, 1))
        filled = effect.writes - effect.deletes if verb in ("INSERT", "REPLACE", "WITH") else set()
        for table in {*filled, *(set(copy.tables) - before)}:
            held[folded(table)] = held.get(folded(table), 0) + scanned
        for old, new in effect.renamed.items():
            held[folded(new)] = held.pop(folded(old), 0)
        for name in effect.dropped:
            held.pop(folded(name), None)
        walked += scanned
    return Duration(file, walked, moved)


def divided(found: Sequence[Duration], limits: Limits) -> list[list[Migration]]:
    """Return which files run in one transaction, so that none takes too long.

    A transaction ends where the next file would make it too long, and only behind files that can be
    taken back: should a later one fail, the earlier ones are.

    Args:
        found: of files that all want a transaction, in their order.
        limits: of the home.

    Raises:
        Refused: a file alone takes too long, or one before the last cannot be taken back.
    """
    files = [each.file for each in found]
    total = sum(each.seconds for each in found)
    if limits.transaction is None or total <= limits.transaction:
        return [files]
    if not limits.always and all(ACCEPTED in each.file.accepts for each in found if each.rows):
        return [files]
    for each in found:
        _require_short(each, limits)
    parts: list[list[Duration]] = [[]]
    for each in found:
        if sum(other.seconds for other in parts[-1]) + each.seconds > limits.transaction:
            parts.append([])
        parts[-1].append(each)
    _require_return([each for part in parts[:-1] for each in part], total, limits)
    return [[each.file for each in part] for part in parts]


def _require_short(found: Duration, limits: Limits) -> None:
    if found.seconds <= (limits.transaction or found.seconds):
        return
    if ACCEPTED in found.file.accepts and not limits.always:
        return
    raise Refused(
        f"{found.file.filename} would take about {found.seconds:.0f} s ({found.rows:,} rows)",
        _limit(limits),
        "split it into files that each do a part of the rows"
        + ("" if limits.always else f"; or choose a quiet hour, and write -- accepts: {ACCEPTED}"),
    )


def _require_return(before: Sequence[Duration], total: float, limits: Limits) -> None:
    one_way = [each.file.filename for each in before if not each.file.down]
    if one_way:
        raise Refused(
            f"the pending migrations would take about {total:.0f} s together",
            f"{_limit(limits)}, and they cannot be divided: {', '.join(one_way)} cannot be taken"
            " back if a later one fails",
            "give it a down part, or release the files one after the other"
            + ("" if limits.always else f"; or write -- accepts: {ACCEPTED} into each"),
        )


def _limit(limits: Limits) -> str:
    waits = "" if limits.always else " while another writer waits"
    return f"{limits.home} ends a transaction after {limits.transaction:g} s{waits}"
