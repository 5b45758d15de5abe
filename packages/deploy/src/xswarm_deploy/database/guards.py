"""What a transaction counts while migrations run, so that no row goes that they do not name.

Rows can go without a word: by a foreign key's action, a trigger, a conflict clause, or a table
that is made anew with fewer rows. What may do so is found beforehand (``effects``); the
transaction then notes numbers before, compares them after, and fails where one is smaller.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from xswarm_deploy.database.client import Row, Statement
from xswarm_deploy.database.effects import Column, Effect, Measure, SchemaCopy, values_of
from xswarm_deploy.database.statements import Fragment, folded

_NUMBERS: Final = "_migration_numbers"
CREATE: Final = Statement(f"CREATE TABLE {_NUMBERS} (place INTEGER PRIMARY KEY, number INTEGER)")
DROP: Final = Statement(f"DROP TABLE {_NUMBERS}")
_WORDS: Final = ("drop", "delete", "update", "replace", "alter", "trigger", "foreign_keys")
"""Without one of these words nothing that SQLite takes removes or changes a row."""


def failing(condition: str, message: str) -> str:
    """Return SQL that fails with a message where a condition holds.

    SQL has no RAISE outside a trigger; SQLite quotes a path that is none in its error.

    Args:
        condition: an SQL expression.
        message: an SQL expression that gives text without quotes.
    """
    return f"SELECT CASE WHEN {condition} THEN json_extract('{{}}', '!' || {message}) END"


class Part(NamedTuple):
    """The statements of one file that run together.

    Args:
        filename: e.g. ``teams.sql``.
        fragments: its up part, or its down part.
        removes: tables, in small letters, of which the file says that rows go along.
    """

    filename: str
    fragments: Sequence[Fragment]
    removes: Collection[str] = ()


class Noted(NamedTuple):
    """Note a number in the transaction."""

    place: int
    measure: Measure

    @property
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        return Statement(f"INSERT INTO {_NUMBERS} VALUES ({self.place}, {self.measure.sql})")  # noqa: S608


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
    def statement(self) -> Statement:
        """Return the SQL that does it."""
        now, what = self.measure.sql, self.measure.what
        before = f"(SELECT number FROM {_NUMBERS} WHERE place = {self.place})"  # noqa: S608
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


Step = Fragment | Noted | Compared


@dataclass
class Foresight:
    """What parts will do together, found without running them on the database.

    Args:
        parts: the steps of each, guards among them.
        lifted: foreign keys must not be enforced meanwhile: their actions would remove rows.
        rebuilt: tables that are made anew.
        acting: foreign keys whose actions would change rows, if they were not lifted.
        refusals: why they cannot run.
        examined: it holds for the schema that was looked at only.
    """

    parts: list[list[Step]] = field(default_factory=list)
    lifted: bool = False
    rebuilt: list[str] = field(default_factory=list)
    acting: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    examined: bool = False

    @property
    def guarded(self) -> bool:
        """Return whether anything has to be counted."""
        return any(self.comparisons)

    @property
    def comparisons(self) -> list[Compared]:
        """Return what is compared."""
        return [step for part in self.parts for step in part if isinstance(step, Compared)]


def foresee(schema: Sequence[Row], parts: Sequence[Part], *, lifts: bool = True) -> Foresight:
    """Find out what parts do to the rows and tables of a database.

    Args:
        schema: of the database: rows of type, name, tbl_name and sql.
        parts: in the order they run.
        lifts: the database can lift foreign keys, so that they do nothing meanwhile.
    """
    if _is_harmless(schema, parts):
        return Foresight([list(part.fragments) for part in parts])
    with SchemaCopy(schema) as copy:
        watch = _Watch(copy)
        told = [watch.read(part) for part in parts]
        lifted = watch.referenced or watch.off or (not copy.exact and watch.changes)
        return Foresight(
            [
                watch.woven(part, found, lifted=lifted and lifts)
                for part, found in zip(parts, told, strict=True)
            ],
            lifted,
            watch.rebuilt,
            watch.acting,
            watch.refusals() if copy.exact else [],
            examined=True,
        )


class _Dropped(NamedTuple):
    """A table that is dropped: the place of the statement, its name and columns there."""

    place: int
    name: str
    columns: Sequence[Column]


class _Rebuild(NamedTuple):
    """A table that is dropped and made anew.

    Args:
        table: its name.
        dropped: where its rows go.
        complete: the place of the statement before which it has to hold as many rows again.
        kept: the columns that it has there, too, and which have to hold as many values.
    """

    table: str
    dropped: _Dropped
    complete: int
    kept: Sequence[str]


class _Told(NamedTuple):
    """What a part does: the effect of each fragment, and the tables made anew."""

    effects: list[Effect]
    rebuilds: list[_Rebuild]


class _Watch:
    """Follow tables through the statements of parts, by where their rows are."""

    def __init__(self, copy: SchemaCopy) -> None:
        self._copy = copy
        self._dangling = copy.dangling()
        self._moved: dict[str, tuple[str, str]] = {}  # a table's last name → file, first name
        self._numbers = count(1)
        self.referenced = self.changes = self.off = False
        self.rebuilt: list[str] = []
        self.acting: list[str] = []

    def read(self, part: Part) -> _Told:
        """Read a part, and change the copy as it would the database."""
        origins: dict[str, str | None] = {folded(name): name for name in self._copy.homes}
        told = _Told([], [])
        left: dict[str, _Dropped] = {}  # by the first name
        for place, fragment in enumerate(part.fragments):
            drops = "drop" in fragment.sql.lower()
            had, acting = (self._copy.columns(), self._copy.acting_keys()) if drops else ({}, {})
            effect = self._copy.effect(fragment.sql)
            told.effects.append(effect)
            self.changes = self.changes or effect.changes
            self.off = self.off or effect.keys == "OFF"
            for old, new in effect.renamed.items():
                origins[folded(new)] = origins.pop(folded(old), None)
            for name, children in effect.dropped.items():
                self.referenced = self.referenced or bool(children)
                self.acting += acting.get(folded(name), [])
                first = origins.pop(folded(name), None)
                if first is not None:
                    left[first] = _Dropped(place, name, had.get(name, ()))
                    self._moved[folded(name)] = (part.filename, first)
            for name in [name for name in left if name in effect.deletes]:
                told.rebuilds.append(self._rebuild(name, left.pop(name), place))
                origins[folded(name)] = name  # what it holds from here on is its own again
        present = {folded(name) for name in self._copy.homes}
        ended = [name for name in left if folded(name) in present]
        told.rebuilds.extend(self._rebuild(n, left[n], len(part.fragments)) for n in ended)
        self.rebuilt += [found.table for found in told.rebuilds]
        return told

    def _rebuild(self, table: str, dropped: _Dropped, complete: int) -> _Rebuild:
        made = (
            columns
            for name, columns in self._copy.columns().items()
            if folded(name) == folded(table)
        )
        there = {folded(column.name) for columns in made for column in columns}
        kept = [each.name for each in dropped.columns if folded(each.name) in there]
        return _Rebuild(table, dropped, complete, kept)

    def woven(self, part: Part, told: _Told, *, lifted: bool) -> list[Step]:
        """Return a part's statements, with what is noted and compared between them."""
        before: dict[int, list[Step]] = {}
        after: dict[int, list[Step]] = {}
        for found in told.rebuilds:
            self._guard(
                part,
                values_of(found.table, found.dropped.name, found.kept),
                values_of(found.table, found.table, found.kept),
                0,
                (before.setdefault(found.dropped.place, []), before.setdefault(found.complete, [])),
            )
        for place, effect in enumerate(told.effects):
            for measure in dict.fromkeys((*effect.unsaid, *(() if lifted else effect.followed))):
                self._guard(
                    part,
                    measure,
                    measure,
                    part.fragments[place].line,
                    (before.setdefault(place, []), after.setdefault(place, [])),
                )
        steps: list[Step] = []
        for place, fragment in enumerate(part.fragments):
            run = [] if told.effects[place].keys else [fragment]  # it is done before BEGIN
            steps += [*before.get(place, ()), *run, *after.get(place, ())]
        return steps + before.get(len(part.fragments), [])

    def _guard(
        self,
        part: Part,
        noted: Measure,
        compared: Measure,
        line: int,
        where: tuple[list[Step], list[Step]],
    ) -> None:
        """Note a number and compare it, unless the file says that rows go."""
        if folded(compared.table) in part.removes:
            return
        number = next(self._numbers)
        where[0].append(Noted(number, noted))
        where[1].append(Compared(number, compared, line))

    def refusals(self) -> list[str]:
        """Return which foreign keys would name a table that is not there."""
        return [
            self._refusal(parent, child)
            for parent, child in sorted(self._copy.dangling().items())
            if parent not in self._dangling
        ]

    def _refusal(self, parent: str, child: str) -> str:
        filename, first = self._moved.get(folded(parent), ("", parent))
        if first == parent:
            return (
                f"the foreign key of {child} would name {parent}, a table that is not there:"
                f" make {parent}, or rebuild {child} without the key, in the same file"
            )
        new = f"{first}_new"
        return (
            f"{filename} renames {first} to {parent} and drops it, and the foreign key of {child}"
            f" goes along with the name; instead: CREATE TABLE {new} (…), INSERT INTO {new} …,"
            f" DROP TABLE {first}, ALTER TABLE {new} RENAME TO {first}"
        )


def may_drop(parts: Sequence[Part]) -> bool:
    """Return whether parts have a word without which no table is dropped or renamed."""
    return any(
        word in fragment.sql.lower()
        for part in parts
        for fragment in part.fragments
        for word in ("drop", "alter")
    )


def _is_harmless(schema: Sequence[Row], parts: Sequence[Part]) -> bool:
    """Return whether nothing can happen that is worth a look, from the words that it would need."""
    texts = [fragment.sql for part in parts for fragment in part.fragments]
    texts += [str(row["sql"]) for row in schema if _fires(str(row["sql"]))]
    text = "\n".join(texts).lower()
    return not any(word in text for word in _WORDS)


def _fires(sql: str) -> bool:
    """Return whether an object of the schema may do something when rows are written."""
    text = sql.lower()
    return "trigger" in text or "replace" in text
