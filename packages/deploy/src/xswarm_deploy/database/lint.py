"""What is dangerous in migrations, found before they run: by SQLite, on a copy of the schema.

While a release goes on, old and new code meet the new schema; so what the live code may use is
first added to (expand), then left (the code), and only then removed (contract).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from xswarm_deploy.database.client import Row
from xswarm_deploy.database.effects import Column, Effect, SchemaCopy
from xswarm_deploy.database.limits import LONGEST_TRANSACTION
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects, quoted, tokens
from xswarm_deploy.database.statements import Fragment, first_words, folded
from xswarm_deploy.database.timing import ROWS_A_SECOND

ADVICE: Final = frozenset({"foreign-key-without-index", "no-way-back"})
"""The rules that are advice: nothing fails, and no row goes."""

INCOMPATIBLE: Final = frozenset({"drops-table", "renames-table", "drops-column", "renames-column"})
"""The rules that find what the code of before may still use."""

_SEQUENCES: Final = "sqlite_sequence"
_EXPAND: Final = (
    "expand, migrate, contract: add the new beside the old, release the code that uses it, and"
    " remove the old in a later release (inv migrate.new NAME --expand TABLE.OLD:NEW)"
)


@dataclass(frozen=True)
class Finding:
    """One thing to think about before a migration runs.

    Args:
        filename: of the migration.
        line: of the statement, from 1; 0: the file as a whole.
        rule: its name, which ``-- accepts:`` takes.
        what: would happen.
        safe: the form that is safe.
    """

    filename: str
    line: int
    rule: str
    what: str
    safe: str

    @property
    def place(self) -> str:
        """Return the file, and the line where there is one."""
        return f"{self.filename}:{self.line}" if self.line else self.filename

    def as_json(self) -> dict[str, str | int]:
        """Return it as data."""
        return asdict(self)


def lint(
    schema: Sequence[Row], files: Sequence[Migration], rows: Mapping[str, int]
) -> list[Finding]:
    """Return what is dangerous, those left out that a file accepts.

    Args:
        schema: of the database before: rows of type, name, tbl_name and sql.
        files: in the order they run.
        rows: how many each table has; a table that is not in it has none that matter.
    """
    found: list[Finding] = []
    with SchemaCopy(schema) as copy:
        for file in files:
            found += [each for each in _File(copy, file, rows).findings() if _counts(file, each)]
    return found


def removals(files: Sequence[Migration]) -> dict[str, list[str]]:
    """Return what applied files took away that the code of before may use, by their names.

    Args:
        files: all of them, in the order they ran.
    """
    with SchemaCopy([]) as copy:
        found = {file.name: _File(copy, file, {}).findings() for file in files}
    return {
        name: [each.what.partition(":")[0] for each in listed if each.rule in INCOMPATIBLE]
        for name, listed in found.items()
    }


def _counts(file: Migration, finding: Finding) -> bool:
    said = not file.compatible and finding.rule in INCOMPATIBLE
    return not said and finding.rule not in file.accepts


class _File:
    """One file on its way through the copy of the schema."""

    def __init__(self, copy: SchemaCopy, file: Migration, rows: Mapping[str, int]) -> None:
        self._copy, self._file = copy, file
        self._rows = {folded(table): count for table, count in rows.items()}
        self._there = set(copy.tables)
        self._owners = copy.tables_of()
        self._writes: set[str] = set()
        self._dropped: set[tuple[str, str]] = set()

    def findings(self) -> list[Finding]:
        """Read the file, and return what is dangerous in it."""
        before, columns = self._copy.objects(), self._copy.columns()
        found: list[Finding] = []
        dropped: dict[str, int] = {}
        for fragment in self._file.up:
            verb = "".join(first_words(fragment.sql, 1))
            # Only ALTER changes the columns of a table, and only CREATE makes an index.
            had = self._copy.columns() if verb == "ALTER" else {}
            indexes = self._copy.unique_indexes() if verb == "CREATE" else {}
            objects = self._copy.objects() if verb == "DROP" else {}
            texts = self._copy.taken_as_text(fragment.sql)
            effect = self._copy.effect(fragment.sql)
            if effect.reads or not effect.inserts:
                found += [self._text(fragment, name) for name in texts]
            self._writes |= effect.writes
            if verb == "DROP" and not effect.dropped:
                self._dropped |= objects.keys() - self._copy.objects().keys()
            if verb == "ALTER":
                found += self._of_columns(fragment, had, effect)
            if verb == "CREATE":
                found += self._of_indexes(fragment, indexes)
            found += self._renamed(fragment, effect)
            dropped |= {name: fragment.line for name in effect.dropped if name in self._there}
        for table, line in dropped.items():
            found += self._gone(table, line, before, columns)
        return [*found, *self._of_keys(columns), *self._of_return()]

    def _finding(self, line: int, rule: str, what: str, safe: str) -> Finding:
        return Finding(self._file.filename, line, rule, what, safe)

    def _text(self, fragment: Fragment, name: str) -> Finding:
        what = f'takes "{name}" as a text: no column here has this name'
        safe = f"'{name}' where the text is meant; else the name of a column"
        return self._finding(fragment.line, "text-in-double-quotes", what, safe)

    def _renamed(self, fragment: Fragment, effect: Effect) -> Iterator[Finding]:
        for old, new in effect.renamed.items():
            if old in self._there:
                what = f"renames the table {old} to {new}: the live code still names {old}"
                yield self._finding(fragment.line, "renames-table", what, _EXPAND)

    def _of_columns(
        self, fragment: Fragment, had: Mapping[str, Sequence[Column]], effect: Effect
    ) -> Iterator[Finding]:
        """Find columns that go, get another name, or are needed of rows that lack them."""
        for table, columns in self._copy.columns().items():
            if table not in had or table not in self._there or table in effect.dropped:
                continue
            gone = [c.name for c in had[table] if c.name not in {n.name for n in columns}]
            new = [c for c in columns if c.name not in {o.name for o in had[table]}]
            if gone and len(columns) == len(had[table]):
                what = f"renames {table}.{gone[0]} to {new[0].name}: the live code still uses it"
                yield self._finding(fragment.line, "renames-column", what, _EXPAND)
            elif gone:
                what = f"drops {table}.{gone[0]}: the live code may still use it"
                yield self._finding(fragment.line, "drops-column", what, _EXPAND)
            else:
                yield from (self._needed(fragment, table, c) for c in new if c.needed)

    def _needed(self, fragment: Fragment, table: str, column: Column) -> Finding:
        what = f"adds {table}.{column.name} NOT NULL without a default: it fails where rows are"
        safe = "give it a DEFAULT; or add it without NOT NULL, fill it, and rebuild the table later"
        return self._finding(fragment.line, "not-null-without-default", what, safe)

    def _of_indexes(self, fragment: Fragment, before: Mapping[str, str]) -> Iterator[Finding]:
        for name, table in self._copy.unique_indexes().items():
            if name in before or table not in self._there or not self._count(table):
                continue
            what = f"makes {table} unique by {name}: it fails if two of {self._count(table)} rows"
            safe = "look for equal rows first (GROUP BY … HAVING count(*) > 1), and remove them"
            yield self._finding(fragment.line, "unique-on-filled", f"{what} are alike", safe)

    def _gone(
        self, table: str, line: int, before: Objects, had: Mapping[str, Sequence[Column]]
    ) -> Iterator[Finding]:
        if table not in self._copy.tables:
            what = f"drops the table {table}: the live code may still use it"
            yield self._finding(line, "drops-table", what, _EXPAND)
            return
        yield self._rebuilt(table, line)
        now = self._copy.columns()[table]
        for column in had[table]:
            if column.name not in {each.name for each in now}:
                what = f"drops {table}.{column.name}: the live code may still use it"
                yield self._finding(line, "drops-column", what, _EXPAND)
        for kind, name in self._lost(table, before):
            what = f"the {kind} {name} of {table} goes with the old table, and is not made again"
            yield self._finding(line, "lost-with-rebuild", what, before[kind, name])
        if "autoincrement" in tokens(before["table", table]) and _SEQUENCES not in self._writes:
            yield self._restarted(table, line)

    def _restarted(self, table: str, line: int) -> Finding:
        name = table.replace("'", "''")
        if "autoincrement" not in tokens(self._copy.objects()["table", table]):
            what = f"the new {table} has no AUTOINCREMENT: ids of rows deleted last are used again"
            return self._finding(line, "sequence-restarts", what, "AUTOINCREMENT in the new table")
        what = f"the sequence of {table} begins anew after its largest id: ids of rows deleted"
        seq = f"(SELECT seq FROM sqlite_sequence WHERE name = '{name}')"  # noqa: S608
        safe = f"before the drop: UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'NEW_TABLE'"  # noqa: S608
        return self._finding(line, "sequence-restarts", f"{what} last are used again", safe)

    def _rebuilt(self, table: str, line: int) -> Finding:
        count = self._count(table)
        seconds = count / ROWS_A_SECOND
        what = f"makes {table} anew: {count} rows, about {seconds:.1f} s"
        if seconds > LONGEST_TRANSACTION:
            what += (
                f"; a transaction on libSQL's server may be ended after {LONGEST_TRANSACTION:g} s"
            )
        safe = (
            "ALTER TABLE where it can do it; else a quiet hour, after inv migrate.plan, which"
            " measures it on the real rows"
        )
        return self._finding(line, "rebuilds-table", what, safe)

    def _lost(self, table: str, before: Objects) -> list[tuple[str, str]]:
        after = self._copy.objects()
        return [
            (kind, name)
            for kind, name in before
            if kind in ("index", "trigger")
            and self._owners.get((kind, name)) == table
            and (kind, name) not in after
            and (kind, name) not in self._dropped
        ]

    def _of_keys(self, before: Mapping[str, Sequence[Column]]) -> Iterator[Finding]:
        """Find foreign keys that are new, and that no index helps."""
        known = {(t, c.name) for t, columns in before.items() for c in columns}
        for table, columns in self._copy.keys_without_index():
            if all((table, column) in known for column in columns):
                continue
            listed = ", ".join(map(quoted, columns))
            name = quoted("_".join((table, *columns)))
            what = (
                f"the foreign key {table} ({', '.join(columns)}) has no index: each DELETE in its"
            )
            yield self._finding(
                0,
                "foreign-key-without-index",
                f"{what} parent reads all of {table}",
                f"CREATE INDEX {name} ON {quoted(table)} ({listed})",
            )

    def _of_return(self) -> Iterator[Finding]:
        if not self._file.down:
            why = self._file.irreversible or "it has no down part"
            what = f"cannot be taken back: {why}"
            safe = "a down part; without one, a failed release puts its backup back or stops"
            yield self._finding(0, "no-way-back", what, safe)

    def _count(self, table: str) -> int:
        return self._rows.get(folded(table), 0)
