"""What a statement does to tables and rows, asked of SQLite on an empty copy of the schema.

A statement is compiled under an authorizer, which SQLite tells every action of it, whatever its
spelling; once without and once with foreign keys, so that the difference is what they do along.
Only what changes the schema is run, and the copy holds no rows.

Source: https://www.sqlite.org/c3ref/set_authorizer.html (the actions),
https://www.sqlite.org/foreignkeys.html#fk_schemacommands (DROP TABLE deletes all rows first).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Self

from xswarm_deploy.database import double_quotes, shapes
from xswarm_deploy.database.client import Row, Value
from xswarm_deploy.database.schema import (
    SELECT,
    Objects,
    default_value,
    difference,
    objects,
    quoted,
    tokens,
)
from xswarm_deploy.database.shapes import Shape
from xswarm_deploy.database.statements import first_words, folded

_HARMLESS: Final = frozenset({"CREATE", "ALTER", "EXPLAIN"})
"""Verbs that remove no row in any dialect, where SQLite here does not know the rest."""

_KINDS: Final = ("table", "index", "view", "trigger")
_DELETE, _INSERT, _UPDATE = sqlite3.SQLITE_DELETE, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE
_ROWS: Final = frozenset({_DELETE, _INSERT, _UPDATE})
_PASSIVE: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_UNKNOWN_FUNCTION = re.compile(r"no such function: (?P<name>.+)")
_SCAN = re.compile(r"SCAN (?:TABLE )?(\S+)")
_RANDOM_ROWID = re.compile(r"\bRANDOM\s+ROWID\b", re.IGNORECASE)  # libSQL's own
_MOST_FUNCTIONS = 50
_OFF: Final = frozenset({"off", "no", "false", "0"})


class Action(NamedTuple):
    """One thing that a statement does.

    Args:
        code: SQLite's, e.g. ``SQLITE_DELETE``.
        table: whose rows, or what is made or dropped.
        column: of an UPDATE.
        trigger: the trigger that does it; None: the statement itself.
    """

    code: int
    table: str
    column: str
    trigger: str | None


class Column(NamedTuple):
    """A column of a table.

    Args:
        name: its name.
        type: as it was declared.
        needed: an INSERT has to give it: it is NOT NULL, and has no default.
        default: its default as it was written; empty: there is none.
    """

    name: str
    type: str
    needed: bool
    default: str = ""


class Measure(NamedTuple):
    """A number that must not become smaller.

    Args:
        table: whose it is.
        what: in words, e.g. ``rows``; several, where it is several numbers.
        sql: the expression that gives it; several numbers as an array of JSON.
        own: it may become smaller by the rows that the statement deletes in its own words.
    """

    table: str
    what: str | tuple[str, ...]
    sql: str
    own: bool = False


@dataclass(frozen=True)
class Effect:
    """What one statement does.

    Args:
        deletes: tables whose rows it deletes in its own words.
        followed: what must not become smaller by the actions of foreign keys.
        unsaid: what must not become smaller by triggers, or by rows replaced.
        writes: tables whose rows it writes in any way.
        dropped: tables that are gone after it, and the tables whose foreign keys name each.
        renamed: old name → new name.
        made: tables that are there after it, and were not before.
        reads: tables whose rows it reads.
        inserts: tables that it inserts into in its own words.
        updates: tables, and the columns that it sets in its own words, both in small letters.
        empties: tables of which it deletes all rows in its own words.
        changes: it may delete, change or replace rows, or drop a table.
        known: SQLite here could read it.
        keys: it turns the enforcement of foreign keys off (``OFF``) or on (``ON``), which within a
            transaction does nothing; empty: it does not.
    """

    deletes: frozenset[str] = frozenset()
    followed: tuple[Measure, ...] = ()
    unsaid: tuple[Measure, ...] = ()
    writes: frozenset[str] = frozenset()
    dropped: Mapping[str, Collection[str]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    inserts: frozenset[str] = frozenset()
    updates: frozenset[tuple[str, str]] = frozenset()
    empties: frozenset[str] = frozenset()
    changes: bool = False
    known: bool = True
    keys: Literal["", "ON", "OFF"] = ""


class SchemaCopy:
    """An empty database with the schema of another.

    Args:
        schema: rows of type, name, tbl_name and sql, as ``schema.SELECT`` gives them.
    """

    def __init__(self, schema: Sequence[Row]) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
        self._seen: list[Action] = []
        self._reads: set[str] = set()
        self.exact = True
        """Whether everything so far could be made and read here."""
        for row in sorted(schema, key=lambda row: _KINDS.index(row.text("type"))):
            made = self._run(row.text("sql"))
            # An index changes no row: one that only libSQL knows may be missing here.
            self.exact = self.exact and (made or row["type"] == "index")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def tables(self) -> dict[str, int]:
        """Return the name of each ordinary table, and the page that its rows begin on."""
        found = self._connection.execute(
            "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND name IN"
            " (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return dict(found.fetchall())

    @property
    def homes(self) -> dict[str, str]:
        """Return where the rows of each table are: its page; of a virtual one, its own name."""
        virtual = self._all(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'"
        )
        pages = {name: f"page {page}" for name, page in self.tables.items()}
        return pages | {str(name): f"virtual {name!s}" for (name,) in virtual}

    def objects(self) -> Objects:
        """Return what the copy is made of."""
        return objects(
            [Row(("type", "name", "tbl_name", "sql"), row) for row in self._all(SELECT.sql)]
        )

    def columns(self) -> dict[str, list[Column]]:
        """Return the columns of each ordinary table."""
        found: dict[str, list[Column]] = {table: [] for table in self.tables}
        for table, name, kind, needed, default in self._all(
            'SELECT list.name, info.name, info.type, info."notnull" AND info.dflt_value IS NULL,'
            " ifnull(info.dflt_value, '')"
            " FROM pragma_table_list AS list, pragma_table_info(list.name) AS info"
            " WHERE list.schema = 'main' AND list.type = 'table' ORDER BY list.name, info.cid"
        ):
            if table in found:
                found[str(table)].append(Column(str(name), str(kind), bool(needed), str(default)))
        return found

    def tables_of(self) -> dict[tuple[str, str], str]:
        """Return the table that each index and trigger belongs to, by its kind and name."""
        return {
            (str(kind), str(name)): str(table)
            for kind, name, table in self._all("SELECT type, name, tbl_name FROM sqlite_schema")
        }

    def collation(self, table: str, column: str) -> str:
        """Return how the values of a column are compared."""
        index = f"CREATE INDEX of_one_column ON {quoted(table)} ({quoted(column)})"
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(index)
            ((found,),) = self._all(
                "SELECT coll FROM pragma_index_xinfo('of_one_column') WHERE key"
            )
        finally:
            self._connection.execute("ROLLBACK")
        return str(found)

    def row_names(self, table: str) -> list[str]:
        """Return the columns that tell a row apart, or one name of its rowid; empty: none does."""
        columns = self._all("SELECT name, pk FROM pragma_table_info(?)", table)
        ((without,),) = self._all(
            "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", table
        )
        if without:
            return [str(name) for name, key in columns if key]
        taken = {folded(str(name)) for name, _ in columns}
        return [name for name in ("rowid", "_rowid_", "oid") if name not in taken][:1]

    def refused(self, sql: str) -> str:
        """Return why SQLite refuses a statement, which is run; empty: it does not."""
        try:
            self._connection.execute(sql)
        except sqlite3.Error as error:
            return str(error)
        return ""

    def unique_indexes(self) -> dict[str, str]:
        """Return the table of each unique index that was made by CREATE INDEX."""
        found = self._all(
            "SELECT made.name, made.tbl_name FROM sqlite_schema AS made,"
            " pragma_index_list(made.tbl_name) AS list WHERE made.type = 'index'"
            " AND list.name = made.name AND list.\"unique\" AND list.origin = 'c'"
        )
        return {str(name): str(table) for name, table in found}

    def keys_without_index(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the table and the columns of each foreign key that no index begins with."""
        keys: dict[tuple[str, int], list[str]] = {}
        for table, number, column in self._all(
            'SELECT child.name, key.id, key."from" FROM sqlite_schema AS child,'
            " pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table'"
            " ORDER BY child.rowid, key.id, key.seq"
        ):
            keys.setdefault((str(table), int(str(number))), []).append(str(column))
        return [
            (table, tuple(columns))
            for (table, _), columns in keys.items()
            if not self._is_indexed(table, columns)
        ]

    def _is_indexed(self, table: str, columns: Sequence[str]) -> bool:
        wanted = sorted(map(folded, columns))
        primary = self._all("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", table)
        beginnings = [[folded(str(name)) for (name,) in primary][: len(wanted)]]
        for (index,) in self._all("SELECT name FROM pragma_index_list(?) WHERE NOT partial", table):
            found = self._all("SELECT name FROM pragma_index_info(?) ORDER BY seqno", str(index))
            beginnings.append([folded(str(name)) for (name,) in found[: len(wanted)]])
        return wanted in [sorted(beginning) for beginning in beginnings]

    def gives(self, statements: Sequence[str], wanted: Objects) -> bool:
        """Return whether statements would make the copy what is wanted; it stays as it is."""
        self._connection.execute("BEGIN")
        try:
            ran = all(self._run(sql) for sql in statements)
            found = self.objects()
        finally:
            self._connection.execute("ROLLBACK")
        return ran and not difference(wanted, found)

    def _all(self, sql: str, *parameters: str) -> list[tuple[Value, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def dangling(self) -> dict[str, str]:
        """Return the tables that are not there and that a foreign key names: by one that does."""
        found = self._connection.execute(
            'SELECT key."table", child.name FROM sqlite_schema AS child,'
            " pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table' AND NOT EXISTS"
            " (SELECT 1 FROM sqlite_schema WHERE type = 'table'"
            ' AND name = key."table" COLLATE NOCASE)'
        )
        return dict(found.fetchall())

    def effect(self, sql: str) -> Effect:
        """Return what a statement does; where it changes the schema, change the copy's."""
        own = self._actions(sql)
        if own is None:
            return self._unknown(sql)
        if own and (own[0].code, folded(own[0].table)) == (sqlite3.SQLITE_PRAGMA, "foreign_keys"):
            return Effect(keys="OFF" if folded(own[0].column) in _OFF else "ON")
        if any(action.code not in _ROWS for action in own):
            return self._of_schema(sql)
        return self._of_rows(sql, own)

    def taken_as_text(self, sql: str) -> list[str]:
        """Return the names in double quotes that are no columns here, so that they are text."""
        if not double_quotes.may_have(sql) or not self._run(f"EXPLAIN {sql}"):
            return []
        return double_quotes.taken_as_text(sql, self._refusal)

    def _refusal(self, sql: str) -> str:
        try:
            self._connection.execute(f"EXPLAIN {sql}")
        except sqlite3.Error as error:
            return str(error)
        return ""

    def shape(self, table: str) -> Shape:
        """Return the columns and keys of a table."""
        return shapes.read(self._all, table)

    def _of_schema(self, sql: str) -> Effect:
        reads = frozenset(self._reads)
        before, children = self.homes, self._children()
        if not self._run(sql):
            return self._unknown(sql)
        after = self.homes
        pages = {page: name for name, page in after.items()}
        gone = [name for name in before if name not in after]
        renamed = {name: pages[before[name]] for name in gone if before[name] in pages}
        dropped = {name: children.get(folded(name), ()) for name in gone if name not in renamed}
        known = {*before, *renamed.values()}
        made = tuple(name for name in after if name not in known)
        return Effect(
            dropped=dropped, renamed=renamed, made=made, reads=reads, changes=bool(dropped)
        )

    def _of_rows(self, sql: str, own: Sequence[Action]) -> Effect:
        tables, reads = self.tables, frozenset(self._reads)
        deletes = {found.table for found in own if found.code == _DELETE and not found.trigger}
        triggered = {found.table for found in own if found.code == _DELETE and found.trigger}
        replaced = {found.table for found in own if self._replaces(sql, found)}
        with_keys = self._actions(sql, foreign_keys=True) or ()
        along = [found for found in with_keys if found not in own and found.table in tables]
        circular = [table for table in deletes if table in tables and self._cascades_back(table)]
        clears = bool(deletes) and self._empties(sql)
        if clears:
            circular = []
        followed = [measure for found in along for measure in self._measures(found)]
        followed += [rows_of(table) for table in circular]
        return Effect(
            frozenset(deletes),
            tuple(each._replace(own=each.table in deletes) for each in followed),
            tuple(
                rows_of(table)._replace(own=table in deletes)
                for table in sorted(triggered | replaced)
                if table in tables
            ),
            frozenset(found.table for found in (*own, *along)),
            reads=reads,
            inserts=frozenset(
                found.table for found in own if found.code == _INSERT and not found.trigger
            ),
            updates=frozenset(
                (folded(found.table), folded(found.column))
                for found in own
                if found.code == _UPDATE and not found.trigger
            ),
            empties=frozenset(deletes) if clears else frozenset(),
            changes=bool(replaced) or any(action.code != _INSERT for action in own),
        )

    def _unknown(self, sql: str) -> Effect:
        self.exact = False
        verb = "".join(first_words(sql, 1))
        return Effect(changes=verb not in _HARMLESS, known=False)

    def _replaces(self, sql: str, action: Action) -> bool:
        """Return whether a write may remove rows of its own table, by a conflict clause REPLACE.

        The word in the statement, its trigger or its table is needed for it; that it stands
        there means little, and costs two counts.
        """
        if action.code == _DELETE:
            return False
        named = [action.table, *([action.trigger] if action.trigger else [])]
        places = ", ".join("?" for _ in named)
        made = self._connection.execute(
            f"SELECT group_concat(sql) FROM sqlite_schema WHERE name IN ({places})",  # noqa: S608
            named,
        ).fetchone()[0]
        return "replace" in f"{sql} {made}".lower()

    def _measures(self, action: Action) -> list[Measure]:
        """Return what must stay, where a foreign key's action deletes or changes rows."""
        if action.code == _DELETE:
            return [rows_of(action.table)]
        keys = self._connection.execute(
            "SELECT on_update, on_delete FROM pragma_foreign_key_list(?)"
            ' WHERE "from" = ? COLLATE NOCASE',
            (action.table, action.column),
        ).fetchall()
        done = {verb for key in keys for verb in key}
        (default,) = self._connection.execute(
            "SELECT ifnull(dflt_value, '') FROM pragma_table_xinfo(?) WHERE name = ?",
            (action.table, action.column),
        ).fetchone() or ("",)
        column, table = quoted(action.column), quoted(action.table)
        kept = {"SET NULL": "NOT NULL", "SET DEFAULT": f"IS NOT {default_value(default)}"}
        return [
            Measure(
                action.table,
                f"values of {action.column}",
                f"(SELECT count(*) FROM {table} WHERE {column} {condition})",  # noqa: S608
            )
            for verb, condition in kept.items()
            if verb in done
        ]

    def _children(self) -> dict[str, set[str]]:
        """Return the tables whose foreign keys name a table, by its name in small letters."""
        found: dict[str, set[str]] = {}
        for parent, child in self._connection.execute(
            'SELECT key."table", child.name FROM sqlite_schema AS child,'
            " pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table'"
        ):
            if folded(parent) != folded(child):
                found.setdefault(folded(parent), set()).add(child)
        return found

    def acting_keys(self) -> dict[str, list[str]]:
        """Return the foreign keys that do more than check, by the table they name."""
        found: dict[str, list[str]] = {}
        for parent, child, action in self._all(
            'SELECT DISTINCT key."table", child.name, key.on_delete FROM sqlite_schema AS child,'
            " pragma_foreign_key_list(child.name) AS key"
            " WHERE child.type = 'table' AND key.on_delete <> 'NO ACTION'"
        ):
            if folded(str(parent)) != folded(str(child)):
                told = f"{child!s} → {parent!s} (ON DELETE {action!s})"
                found.setdefault(folded(str(parent)), []).append(told)
        return found

    def scanned(self, sql: str) -> list[str]:
        """Return the tables, in small letters, that a statement walks through whole.

        By SQLite's own query plan; what makes an index or rewrites a table has none.
        """
        names = {folded(name) for name in self.tables}
        words = first_words(sql, 3)
        if "INDEX" in words or words[:1] == ("ALTER",):
            walks = words[:1] == ("CREATE",) or "DROP" in sql.upper().split()
            return [word for word in tokens(sql) if walks and word in names][:1]
        try:
            plan = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError):
            return []
        scans = (_SCAN.match(str(detail)) for *_, detail in plan)
        return [folded(scan[1]) for scan in scans if scan and folded(scan[1]) in names]

    def moves_in_indexes(self, sql: str) -> bool:
        """Return whether a statement changes or deletes rows where an index holds them."""
        changed = [each for each in self._actions(sql) or () if each.code in (_UPDATE, _DELETE)]
        for action in changed:
            found = self._all(
                "SELECT info.name FROM pragma_index_list(?) AS list,"
                " pragma_index_info(list.name) AS info",
                action.table,
            )
            indexed = {folded(str(name)) for (name,) in found}
            if indexed and (action.code == _DELETE or folded(action.column) in indexed):
                return True
        return False

    def _empties(self, sql: str) -> bool:
        """Return whether a statement deletes all rows of its table, by what SQLite would do."""
        plan = self._connection.execute(f"EXPLAIN {sql}")
        return any(opcode == "Clear" for _, opcode, *_ in plan)

    def _cascades_back(self, table: str) -> bool:
        """Return whether deleting a row of a table may delete others of it by its keys."""
        cascades: dict[str, set[str]] = {}
        for parent, child in self._connection.execute(
            'SELECT key."table", child.name FROM sqlite_schema AS child,'
            " pragma_foreign_key_list(child.name) AS key"
            " WHERE child.type = 'table' AND key.on_delete = 'CASCADE'"
        ):
            cascades.setdefault(folded(parent), set()).add(folded(child))
        reached: set[str] = set()
        waiting = [folded(table)]
        while waiting:
            new = cascades.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        return folded(table) in reached

    def _actions(self, sql: str, *, foreign_keys: bool = False) -> list[Action] | None:
        """Compile a statement, and return what SQLite would do; None: it does not know it."""
        self._connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        self._seen, self._reads = [], set()
        self._connection.set_authorizer(self._note)
        try:
            compiled = self._run(f"EXPLAIN {sql}")
        finally:
            self._connection.set_authorizer(None)
            self._connection.execute("PRAGMA foreign_keys = OFF")
        return self._seen if compiled else None

    def _note(
        self, code: int, first: str | None, second: str | None, _: str | None, trigger: str | None
    ) -> int:
        if code == sqlite3.SQLITE_READ:
            self._reads.add(first or "")
        elif code not in _PASSIVE:
            self._seen.append(Action(code, first or "", second or "", trigger))
        return sqlite3.SQLITE_OK

    def _run(self, sql: str) -> bool:
        """Run a statement; False: SQLite here cannot."""
        for _ in range(_MOST_FUNCTIONS):
            try:
                self._connection.execute(sql).fetchall()
            except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
                unknown = _UNKNOWN_FUNCTION.fullmatch(str(error))
                if unknown:  # libSQL's, or an extension's
                    self._connection.create_function(unknown["name"], -1, lambda *_: None)
                elif _RANDOM_ROWID.search(sql):
                    sql = _RANDOM_ROWID.sub("", sql)
                else:
                    return False
            else:
                return True
        return False


def values_of(table: str, name: str, columns: Sequence[str]) -> Measure:
    """Return how many rows a table has, and how many values each of its columns.

    Args:
        table: whose they are.
        name: how it is called at that moment.
        columns: the columns that count.
    """
    counts = ["count(*)", *(f"count({quoted(column)})" for column in columns)]
    pieces = [counts[at : at + _COUNTS_A_CALL] for at in range(0, len(counts), _COUNTS_A_CALL)]
    listed = " || ',' || ".join(
        f"printf('{','.join(['%d'] * len(piece))}', {', '.join(piece)})" for piece in pieces
    )
    names = ("rows", *(f"values of {column}" for column in columns))
    return Measure(table, names, f"(SELECT '[' || {listed} || ']' FROM {quoted(name)})")  # noqa: S608


_COUNTS_A_CALL = 30  # D1 takes at most 32 arguments, SQLite 127


def rows_of(table: str) -> Measure:
    """Return the number of a table's rows."""
    return Measure(table, "rows", f"(SELECT count(*) FROM {quoted(table)})")  # noqa: S608
