"""What a transaction counts while migrations run, so that no row goes that they do not name.

Rows can go without a word: by a foreign key's action, a trigger, a conflict clause, or a table
that is made anew with fewer rows. What may do so is found beforehand (``effects``); the
transaction then notes numbers before, compares them after, and fails where one is smaller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from xswarm_deploy.database import double_quotes
from xswarm_deploy.database.client import Row
from xswarm_deploy.database.counting import Compared, Guard, Held, Matched, Noted, Released
from xswarm_deploy.database.effects import Effect, Measure, SchemaCopy, values_of
from xswarm_deploy.database.rebuilds import ColumnRebuild, Follower, Rebuild
from xswarm_deploy.database.statements import Fragment, folded

_WORDS: Final = ("drop", "delete", "update", "replace", "alter", "trigger", "foreign_keys")
"""Without one of these words nothing that SQLite takes removes or changes a row."""


class Part(NamedTuple):
    """The statements of one file that run together.

    Args:
        filename: e.g. ``teams.sql``.
        fragments: its up part, or its down part.
        removes: tables, in small letters, of which the file says that rows go along.
        changes: tables, or columns as ``table.column``, of which it says that values change.
    """

    filename: str
    fragments: Sequence[Fragment]
    removes: Collection[str] = ()
    changes: Collection[str] = ()

    def may_change(self, table: str, column: str, *, is_key: bool = False) -> bool:
        """Return whether the file says that values of a column change.

        The name of a table stands for all its columns, but for its primary key.
        """
        whole = not is_key and folded(table) in self.changes
        return whole or f"{folded(table)}.{folded(column)}" in self.changes


Step = Fragment | Noted | Held | Released | Guard


@dataclass
class Foresight:
    """What parts will do together, found without running them on the database.

    Args:
        parts: the steps of each, guards among them.
        lifted: foreign keys must not be enforced meanwhile: their actions would remove rows.
        rebuilt: tables that are made anew.
        anew: columns of them that are written anew, e.g. ``users.email``.
        acting: foreign keys whose actions would change rows, if they were not lifted.
        refusals: why they cannot run.
        examined: it holds for the schema that was looked at only.
    """

    parts: list[list[Step]] = field(default_factory=list)
    lifted: bool = False
    rebuilt: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    acting: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    examined: bool = False

    @property
    def guarded(self) -> bool:
        """Return whether anything has to be counted."""
        return any(self.comparisons)

    @property
    def comparisons(self) -> list[Guard]:
        """Return what is compared."""
        return [step for part in self.parts for step in part if isinstance(step, Guard)]

    @property
    def counted(self) -> bool:
        """Return whether numbers have to be noted."""
        return any(isinstance(step, Noted) for part in self.parts for step in part)


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
            watch.anew,
            watch.acting,
            watch.refusals() if copy.exact else [],
            examined=True,
        )


class _Told(NamedTuple):
    """What a part does: the effect of each fragment, and what is made anew."""

    effects: list[Effect]
    rebuilds: Sequence[Rebuild]
    columns: Sequence[ColumnRebuild]


class _Watch:
    """Read parts one after the other, and weave what guards their rows between the statements."""

    def __init__(self, copy: SchemaCopy) -> None:
        self._copy = copy
        self._follower = Follower(copy)
        self._dangling = copy.dangling()
        self._moved: dict[str, tuple[str, str]] = {}  # a table's last name → file, first name
        self._numbers = count(1)
        self._texts: list[str] = []
        self.referenced = self.changes = self.off = False
        self.rebuilt: list[str] = []
        self.anew: list[str] = []
        self.acting: list[str] = []

    def read(self, part: Part) -> _Told:
        """Read a part, and change the copy as it would the database."""
        effects = []
        self._follower.begin()
        for place, fragment in enumerate(part.fragments):
            acting = self._copy.acting_keys() if "drop" in fragment.sql.lower() else {}
            texts = self._copy.taken_as_text(fragment.sql)
            effect, dropped = self._follower.run(place, fragment)
            effects.append(effect)
            self._texts += self._for_columns(f"{part.filename}:{fragment.line}", texts, effect)
            self.changes = self.changes or effect.changes
            self.off = self.off or effect.keys == "OFF"
            for name, children in effect.dropped.items():
                self.referenced = self.referenced or bool(children)
                self.acting += acting.get(folded(name), [])
            for name, first in dropped.items():
                self._moved[folded(name)] = (part.filename, first)
        rebuilds, columns = self._follower.end(len(part.fragments))
        self.rebuilt += [found.table for found in rebuilds]
        self.anew += [
            f"{found.table}.{found.old.shape.fields[column].name}"
            for found in rebuilds
            for column in found.columns
            if column in found.anew
        ]
        return _Told(effects, rebuilds, columns)

    def woven(self, part: Part, told: _Told, *, lifted: bool) -> list[Step]:
        """Return a part's statements, with what is noted and compared between them."""
        before: dict[int, list[Step]] = {}
        after: dict[int, list[Step]] = {}
        for found in told.rebuilds:
            if folded(found.table) not in part.removes:
                self._guard_rebuild(part, found, before)
        for column in told.columns:
            if not part.may_change(column.table, column.column):
                self._guard(
                    part,
                    values_of(column.table, column.name, [column.column]),
                    values_of(column.table, column.table, [column.column]),
                    0,
                    (
                        before.setdefault(column.gone, []),
                        before.setdefault(len(part.fragments), []),
                    ),
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

    def _guard_rebuild(self, part: Part, found: Rebuild, before: dict[int, list[Step]]) -> None:
        """Compare the rows of a table that is made anew."""
        there = before.setdefault(found.gone, [])
        columns = found.columns
        if not columns:  # a virtual table, or none of its columns is left
            complete = before.setdefault(found.complete, [])
            old, new = (values_of(found.table, name, []) for name in (found.old.name, found.table))
            self._guard(part, old, new, 0, (there, complete))
            return
        keys = found.old.shape.keys[:1]
        keyed = [name for key in keys for name in key.columns]
        changed = {
            name for name in columns if part.may_change(found.table, name, is_key=name in keyed)
        }
        free = frozenset(changed | found.anew)
        if not found.held:
            there.append(Matched(found.table, found.old, found.new, columns, free))
            return
        held = Held(next(self._numbers), found.old, columns)
        there.append(held)
        kept = found.old._replace(name=held.name)
        before.setdefault(found.complete, []).extend(
            [Matched(found.table, kept, found.new, columns, free), Released(held.name)]
        )

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

    def _for_columns(self, place: str, texts: Sequence[str], effect: Effect) -> Iterator[str]:
        """Return which texts were meant to be columns: the table that is written to has them."""
        written = [*effect.inserts, *(table for table, _ in effect.updates), *effect.made]
        for name in texts if effect.reads else ():
            for table in written:
                if name in self._copy.shape(table).fields:
                    yield (
                        f"{place} writes the text '{name}' into {table}: \"{name}\" is no column of"
                        " what it reads, and SQLite takes it as text; leave it out of both lists,"
                        " or write NULL in its place"
                    )

    def refusals(self) -> list[str]:
        """Return what texts stand for columns, and which foreign keys would name no table."""
        return self._texts + [
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


def may_refuse(parts: Sequence[Part]) -> bool:
    """Return whether parts may be refused by what they say: no table, or a text for a column."""
    return any(
        any(word in fragment.sql.lower() for word in ("drop", "alter"))
        or _may_copy_texts(fragment.sql)
        for part in parts
        for fragment in part.fragments
    )


def _is_harmless(schema: Sequence[Row], parts: Sequence[Part]) -> bool:
    """Return whether nothing can happen that is worth a look, from the words that it would need."""
    texts = [fragment.sql for part in parts for fragment in part.fragments]
    texts += [str(row["sql"]) for row in schema if _fires(str(row["sql"]))]
    text = "\n".join(texts).lower()
    return not any(word in text for word in _WORDS) and not any(map(_may_copy_texts, texts))


def _may_copy_texts(sql: str) -> bool:
    """Return whether a statement may copy rows, with names in double quotes."""
    return '"' in sql and "select" in sql.lower() and double_quotes.may_have(sql)


def _fires(sql: str) -> bool:
    """Return whether an object of the schema may do something when rows are written."""
    text = sql.lower()
    return "trigger" in text or "replace" in text
