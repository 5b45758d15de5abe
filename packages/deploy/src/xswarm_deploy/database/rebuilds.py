"""Which tables are made anew by statements, in whatever spelling: followed by where rows are.

A table that is dropped, or emptied after it was copied, and that is there again at the end, has to
hold its rows then. Where the table that takes its place is there and filled already when the old
one goes, the two are compared at that moment; else the rows are held until the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from xswarm_deploy.database import contents, copies
from xswarm_deploy.database.contents import Table
from xswarm_deploy.database.effects import Effect, SchemaCopy
from xswarm_deploy.database.schema import lexed
from xswarm_deploy.database.statements import Fragment, first_words, folded


class Rebuild(NamedTuple):
    """A table that is made anew.

    Args:
        table: its name.
        gone: the place of the statement by which its rows go.
        old: the table with these rows, as it is called there.
        complete: the place of the statement before which all of them have to be there again.
        new: the table that has to hold them, as it is called where the two are compared.
        held: they are compared only there, so that the rows have to be held meanwhile.
        anew: the columns, in small letters, whose values the statements write anew in their words.
    """

    table: str
    gone: int
    old: Table
    complete: int
    new: Table
    held: bool
    anew: frozenset[str]

    @property
    def columns(self) -> list[str]:
        """Return the columns that both have, in small letters."""
        return contents.common(self.old.shape, self.new.shape)


class ColumnRebuild(NamedTuple):
    """A column that is dropped, and is there again at the end.

    Args:
        table: its table's name at the end.
        column: its name.
        gone: the place of the statement that drops it.
        name: of the table there.
    """

    table: str
    column: str
    gone: int
    name: str


class _Gone(NamedTuple):
    """A table before the statement by which its rows go; ``names`` of all tables at that moment."""

    place: int
    step: int
    table: Table
    names: Mapping[int, str]


@dataclass
class _Part:
    """What is known of the part that is read.

    Args:
        origins: the name of each table, in small letters → what it was called at the beginning.
        left: tables that were dropped, by that first name.
        emptied: tables that were emptied after they were copied.
        filled: those of them that were filled again from a copy.
        columns: that were dropped, by their table: the place, and the table's name there.
        found: what is known to be made anew already.
    """

    origins: dict[str, str]
    left: dict[str, _Gone] = field(default_factory=dict)
    emptied: dict[int, _Gone] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)
    columns: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    found: list[Rebuild] = field(default_factory=list)


class Follower:
    """Follow tables through parts; a table is a number, whatever it is called.

    Args:
        copy: the empty copy of the schema that the statements change.
    """

    def __init__(self, copy: SchemaCopy) -> None:
        self._copy = copy
        self._numbers = count()
        self._tables = {folded(name): next(self._numbers) for name in copy.homes}
        self._fed: dict[int, set[int]] = {}
        self._last_fed: dict[int, int] = {}
        self._anew: dict[int, set[str]] = {}
        self._step = self._last_altered = 0
        self._part = _Part({})

    def begin(self) -> None:
        """Begin a part."""
        self._part = _Part({folded(name): name for name in self._copy.homes})

    def run(self, place: int, fragment: Fragment) -> tuple[Effect, dict[str, str]]:
        """Let the copy do a statement.

        Returns:
            Its effect, and the tables that it drops: name → what it was called at the beginning of
            the part.
        """
        self._step += 1
        before = self._named_in(fragment.sql)
        names = {number: name for name, number in self._tables.items()}
        effect = self._copy.effect(fragment.sql)
        gone = {name: _Gone(place, self._step, table, names) for name, table in before.items()}
        self._note_emptied(effect, gone)
        self._note_columns(fragment, place, before, effect)
        for name in [name for name in self._part.left if name in effect.deletes]:
            self._part.found.append(self._rebuilt(name, self._part.left.pop(name), place))
            self._part.origins[folded(name)] = name  # what it holds from here on is its own again
        self._note_copied(fragment.sql, effect)
        return effect, self._note_names(effect, gone)

    def end(self, length: int) -> tuple[list[Rebuild], list[ColumnRebuild]]:
        """End a part that has so many statements."""
        part = self._part
        for name, gone in part.left.items():
            if folded(name) in self._tables:
                part.found.append(self._rebuilt(name, gone, length))
        for number in part.filled:
            gone = part.emptied[number]
            name = part.origins.get(self._name(number), "")
            if name:
                part.found.append(self._rebuilt(name, gone, length))
        return part.found, list(self._columns_again())

    def _rebuilt(self, table: str, gone: _Gone, complete: int) -> Rebuild:
        number = self._tables[folded(table)]
        ready = self._last_fed.get(number, -1) < gone.step and self._last_altered < gone.step
        held = not (
            number in gone.names and ready and gone.names[number] != folded(gone.table.name)
        )
        name = table if held else gone.names[number]
        new = Table(name, self._copy.shape(table))
        return Rebuild(table, gone.place, gone.table, complete, new, held, self._said(number))

    def _named_in(self, sql: str) -> dict[str, Table]:
        """Return the tables that a statement names, if it may remove their rows or columns."""
        text = sql.lower()
        if "drop" not in text and "delete" not in text:
            return {}
        words = {folded(word.strip("'") if kind == "text" else word) for kind, word in lexed(sql)}
        return {
            folded(name): Table(name, self._copy.shape(name))
            for name in self._copy.homes
            if folded(name) in words or "''" in sql
        }

    def _note_emptied(self, effect: Effect, gone: Mapping[str, _Gone]) -> None:
        for name in map(folded, effect.empties):
            number = self._tables.get(name)
            if number is not None and name in gone and self._is_copied(number):
                self._part.emptied.setdefault(number, gone[name])

    def _note_columns(
        self, fragment: Fragment, place: int, before: Mapping[str, Table], effect: Effect
    ) -> None:
        if first_words(fragment.sql, 1) != ("ALTER",) or effect.renamed:
            return
        self._last_altered = self._step
        for name, table in before.items():
            now = self._copy.shape(table.name).fields
            if len(now) < len(table.shape.fields):
                for column in table.shape.fields.keys() - now.keys():
                    key = (self._tables[name], column)
                    self._part.columns.setdefault(key, (place, table.name))

    def _columns_again(self) -> Iterator[ColumnRebuild]:
        for (number, column), (place, name) in self._part.columns.items():
            now = self._name(number)
            if now and column in (fields := self._copy.shape(now).fields):
                yield ColumnRebuild(now, fields[column].name, place, name)

    def _note_copied(self, sql: str, effect: Effect) -> None:
        """Note which tables were filled from which, and what of it was written anew."""
        for name in effect.made:
            self._tables[folded(name)] = next(self._numbers)
        for table, column in effect.updates:
            if table in self._tables:
                self._anew.setdefault(self._tables[table], set()).add(column)
        reads = set(map(folded, effect.reads))
        if effect.inserts and not reads:  # SQLite tells none where it copies a table page by page
            reads = {folded(word) for _, word in lexed(sql)}
        sources = {number for name, number in self._tables.items() if name in reads}
        for name in (*effect.inserts, *effect.made):
            number = self._tables.get(folded(name))
            if number is None or not sources - {number}:
                continue
            self._fed.setdefault(number, set()).update(sources - {number})
            self._last_fed[number] = self._step
            stored = [each.name for each in self._copy.shape(name).fields.values() if each.stored]
            self._anew.setdefault(number, set()).update(copies.written_anew(sql, stored))
            if number in self._part.emptied and number in self._sources(number):
                self._part.filled.add(number)

    def _note_names(self, effect: Effect, gone: Mapping[str, _Gone]) -> dict[str, str]:
        """Note which tables have another name or are gone; return those of the beginning."""
        part = self._part
        for old, new in effect.renamed.items():
            self._tables[folded(new)] = self._tables.pop(folded(old), next(self._numbers))
            if folded(old) in part.origins:
                part.origins[folded(new)] = part.origins.pop(folded(old))
        dropped = {}
        for name in effect.dropped:
            number = self._tables.pop(folded(name), -1)
            first = part.origins.pop(folded(name), None)
            if first is not None:
                dropped[name] = first
                part.left[first] = part.emptied.pop(number, gone[folded(name)])
                part.filled.discard(number)
        return dropped

    def _is_copied(self, number: int) -> bool:
        return any(number in self._sources(other) for other in self._fed if other != number)

    def _sources(self, number: int) -> set[int]:
        """Return the tables that a table's rows came from, by whatever way."""
        found: set[int] = set()
        waiting = [number]
        while waiting:
            new = self._fed.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    def _said(self, number: int) -> frozenset[str]:
        """Return the columns that were written anew on the way into a table."""
        on_the_way = {number, *self._sources(number)}
        return frozenset[str]().union(*(self._anew.get(each, ()) for each in on_the_way))

    def _name(self, number: int) -> str:
        return next((name for name, each in self._tables.items() if each == number), "")
