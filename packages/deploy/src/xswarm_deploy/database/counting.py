"""The statements that count rows in a transaction, and that fail it where one is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy.database.client import DatabaseError, Statement
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import folded

if TYPE_CHECKING:
    from xswarm_deploy.database.contents import Table
    from xswarm_deploy.database.effects import Measure


def failing(condition: str, message: str) -> str:
    """Return SQL that fails with a message where a condition holds.

    SQL has no RAISE outside a trigger; SQLite quotes a path that is none in its error.

    Args:
        condition: an SQL expression.
        message: an SQL expression that gives text without quotes.
    """
    return f"SELECT CASE WHEN {condition} THEN json_extract('{{}}', '!' || {message}) END"


def told(error: DatabaseError) -> str:
    """Return the message of a guard that failed; empty: it was none."""
    found = _MESSAGE.search(error.why)
    return found[1].replace("''", "'") if found else ""


_MESSAGE: Final = re.compile(r"'!(.*)'", re.DOTALL)


class Noted(NamedTuple):
    """Note a number in the transaction, in a table of its own.

    An INSERT would give the statement after it another ``last_insert_rowid()`` and ``changes()``.
    """

    place: int
    measure: Measure

    @property
    def name(self) -> str:
        """Return the name of the table that has the number."""
        return _number(self.place)

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        return Statement(f"CREATE TABLE {self.name} AS SELECT {self.measure.sql} AS number")


class Compared(NamedTuple):
    """Fail the transaction where a number is smaller than it was noted.

    Args:
        place: of the note.
        measure: what is compared.
        line: of the statement in question, from 1; 0: the file as a whole.
    """

    place: int
    measure: Measure
    line: int

    @property
    def table(self) -> str:
        """Return whose rows are in question."""
        return self.measure.table

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        now, what = self.measure.sql, self.measure.what
        before = f"(SELECT number FROM {_number(self.place)})"  # noqa: S608
        if isinstance(what, str):
            fewer = f"{now} < {before}{' - changes()' * self.measure.own}"
            told = f"({before} - {now}) || ' of ' || {before} || ' ' || ?"
            return Statement(failing(fewer, told), [what])
        fewer = (
            f"FROM json_each({before}) AS was JOIN json_each({now}) AS now ON now.key = was.key"
            " WHERE now.value < was.value"
        )
        told = (
            "(SELECT (was.value - now.value) || ' of ' || was.value || ' '"
            f" || json_extract(?, '$[' || was.key || ']') {fewer} ORDER BY was.key LIMIT 1)"
        )
        return Statement(failing(f"EXISTS (SELECT 1 {fewer})", told), [json.dumps(what)])


class Held(NamedTuple):
    """Hold rows until they are there again.

    Args:
        place: a number of its own.
        table: which has them.
        columns: in small letters.
    """

    place: int
    table: Table
    columns: Sequence[str]

    @property
    def name(self) -> str:
        """Return the name of the table that holds them."""
        return f"_migration_rows_{self.place}"

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        listed = ", ".join(quoted(self.table.shape.fields[each].name) for each in self.columns)
        rows = f"SELECT {listed} FROM {quoted(self.table.name)}"  # noqa: S608
        return Statement(f"CREATE TABLE {self.name} AS {rows}")


class Released(NamedTuple):
    """Let a table go in which rows were held, or a number noted."""

    name: str

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        return Statement(f"DROP TABLE {self.name}")


class Matched(NamedTuple):
    """Fail the transaction where a table that was made anew lacks rows or values.

    Args:
        table: its name.
        old: what has the rows of before.
        new: what has to have them.
        columns: that both have, in small letters.
        free: those of them whose values may be others.
    """

    table: str
    old: Table
    new: Table
    columns: Sequence[str]
    free: Collection[str] = ()
    line: int = 0

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        from xswarm_deploy.database import contents

        counted = contents.counts(self.old, self.new, self.columns, self.free)
        fixed = [
            place
            for place, name in enumerate(counted.columns, start=2)
            if folded(name) not in self.free
        ]
        where = f"key IN ({', '.join(map(str, [1, *fixed]))}) AND value > 0"
        lacking = f"FROM json_each(counts) WHERE {where}"
        told = (
            "(SELECT iif(key = 1, 'remove ', 'change ') || value || ' of '"
            " || json_extract(counts, '$[0]') || ' ' || json_extract(?, '$[' || key || ']')"
            f" {lacking} ORDER BY key LIMIT 1)"
        )
        what = ["", "rows", *(f"values of {name}" for name in counted.columns)]
        found = f"WITH found AS MATERIALIZED (SELECT {counted.sql} AS counts)"
        failed = failing(f"EXISTS (SELECT 1 {lacking})", told)
        return Statement(f"{found} {failed} FROM found", [json.dumps(what)])


Guard = Compared | Matched


def _number(place: int) -> str:
    return f"_migration_number_{place}"
