"""Read what migrations do to rows, and weave what notes and compares numbers between them.

Most migrations make tables and columns alone, and need none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from xswarm_deploy.database.client import Row
from xswarm_deploy.database.counting import Compared, Held, Matched, Noted, Released
from xswarm_deploy.database.effects import Effect, Measure, SchemaCopy, values_of
from xswarm_deploy.database.foresight import Foresight, Part, Step
from xswarm_deploy.database.rebuilds import ColumnRebuild, Follower, Rebuild
from xswarm_deploy.database.statements import folded


def foresee(schema: Sequence[Row], parts: Sequence[Part], *, lifts: bool) -> Foresight:
    """Find out what parts do to the rows and tables of a database, on a copy of its schema.

    Args:
        schema: of the database: rows of type, name, tbl_name and sql.
        parts: in the order they run.
        lifts: the database can lift foreign keys, so that they do nothing meanwhile.
    """
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
        note = Noted(next(self._numbers), noted)
        where[0].append(note)
        where[1].extend([Compared(note.place, compared, line), Released(note.name)])

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
