"""Apply folders of migrations with rows in every table, and compare with the sqlite3 program.

    python -m tests.database.folders [--home file|sqld|d1] FOLDER …

After each file two rows go into every table that is empty; a file that refuses such rows is applied
to empty tables, and named. The sqlite3 program runs the same files
and gets the same rows; at the end every object and every row has to be equal. It ends with 1 where
one is not; a file that is refused is named with its reason, and ends its folder.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from tests.support import d1
from tests.support.sqld import serve
from xswarm_deploy.database import (
    downs,
    migrate,
    migration_history,
    migrations,
    other_ledgers,
    pending,
    schema,
    snapshot,
)
from xswarm_deploy.database.client import Database, Statement, connect
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.pending import State
from xswarm_deploy.database.schema import Objects, quoted
from xswarm_deploy.database.statements import first_words
from xswarm_deploy.errors import DeployError

_UNREPEATABLE = re.compile(r"(?<=\d[ T])\d\d:\d\d:\d\d(\.\d+)?|\b[0-9A-Fa-f]{32,}\b")
"""The time of day, and hex(randomblob(16)) and the like."""

Rows = dict[str, list[tuple[object, ...]]]


class Ended(NamedTuple):
    """What came of a folder.

    Args:
        files: that were applied.
        tables: that there are at the end.
        rows: in them.
        filled: tables that got rows of ours.
        emptied: files that take no such rows, and were applied to empty tables.
        refused: the file that was not applied, and why; empty: none.
        differences: from what the sqlite3 program made; empty: none.
    """

    files: int
    tables: int
    rows: int
    filled: int
    emptied: list[str]
    refused: str
    differences: list[str]

    def __str__(self) -> str:
        told = "; ".join(self.differences) or "equal"
        more = f"; on empty tables: {', '.join(self.emptied)}" if self.emptied else ""
        more += f"; then refused: {self.refused}" if self.refused else ""
        counts = f"{self.files} files, {self.tables} tables ({self.filled} filled)"
        return f"{counts}, {self.rows} rows: {told}{more}"


def run(database: Database, folder: Path, work: Path) -> Ended:
    """Apply a folder on an empty database, and compare.

    Args:
        database: empty.
        folder: of migrations.
        work: a folder for the judge's database.
    """
    files = read(folder)
    judge, filled, refused, done = work / "judge.db", set[str](), "", 0
    emptied: list[str] = []
    for file in files:
        try:
            apply(database, [*files[:done], file])
        except DeployError as first:
            try:
                empty(database, judge)
                apply(database, [*files[:done], file])
            except DeployError:
                refused = f"{file.filename}: {first}"
                break
            emptied.append(file.filename)
        if told := judged(judge, file):
            unlike = [f"the sqlite3 program refuses {file.filename}: {told}"]
            return Ended(done, 0, 0, len(filled), emptied, "", unlike)
        done += 1
        filled |= fill(database, judge)
    found = work / "found.db"
    snapshot.take(database, found)
    ours, theirs = rows(found), rows(judge)
    unlike = schema.difference(objects(judge), objects(found))
    unlike += [f"rows of {name}" for name in theirs if ours.get(name) != theirs[name]]
    count = sum(map(len, theirs.values()))
    return Ended(done, len(theirs), count, len(filled), emptied, refused, unlike)


def read(folder: Path) -> list[Migration]:
    """Read a folder, as ``down: generated`` under ``deploy.migrations`` has it."""
    files = migrations.read(folder)
    return downs.complete(files, {file.name for file in files})


def apply(database: Database, files: list[Migration]) -> None:
    """Apply what is pending, as a release does."""
    state = State(files, migration_history.read(database))
    migrate.require_adopted(database, state)
    pending.check(state)
    migrate.foresee(database, state.pending)
    for group in migrate.groups(state.pending):
        migrate.apply(database, group)


def judged(path: Path, file: Migration) -> str:
    """Let the sqlite3 program run a file, and return why it did not; it enforces no foreign key."""
    text, _ = file.parts["up"]
    if first_words(text, 1) == ("COMMIT",):  # it ends the transaction of the tool first
        text = f"BEGIN;\n{text};\nCOMMIT;"
    command = ["sqlite3", "-bail", str(path)]
    ended = subprocess.run(command, input=text.encode(), check=False, capture_output=True)
    return ended.stderr.decode().strip()


def fill(database: Database, judge: Path) -> set[str]:
    """Put the same two rows into every empty table of both; return the tables that took them."""
    taken = set()
    with closing(sqlite3.connect(judge, isolation_level=None)) as connection:
        for name in _empty(connection):
            statements = list(_inserts(connection, name))
            connection.execute("BEGIN")
            try:
                for sql in statements:
                    connection.execute(sql)
            except sqlite3.Error:  # a CHECK, or a trigger, wants others
                connection.execute("ROLLBACK")
                continue
            connection.execute("COMMIT")
            database.transaction([Statement(sql) for sql in statements], foreign_keys=False)
            taken.add(name)
    return taken


def empty(database: Database, judge: Path) -> None:
    """Remove all rows of both, since a file does not take them."""
    with closing(sqlite3.connect(judge, isolation_level=None)) as connection:
        deletes = [f"DELETE FROM {quoted(name)}" for name in _tables(connection)]
        for sql in deletes:
            connection.execute(sql)
    database.transaction([Statement(sql) for sql in deletes], foreign_keys=False)


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [name for (name,) in found]


def _empty(connection: sqlite3.Connection) -> list[str]:
    return [
        name
        for name in _tables(connection)
        if not connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 1").fetchone()
    ]


def _inserts(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    found = connection.execute(
        "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,)
    ).fetchall()
    columns = ", ".join(quoted(column) for column, _ in found)
    for number in (1, 2):
        values = ", ".join(_value(kind, number) for _, kind in found)
        yield f"INSERT INTO {quoted(name)} ({columns}) VALUES ({values})"


def _value(kind: str, number: int) -> str:
    """Return a value of a column's type, the same for a key and what names it."""
    kind = kind.upper()
    if "INT" in kind or kind in ("BOOLEAN", "NUMERIC", "TIMESTAMP", "DATETIME"):
        return str(number)
    if "REAL" in kind or "FLOA" in kind or "DOUB" in kind:
        return f"{number}.5"
    return f"x'0{number}'" if "BLOB" in kind else f"'{number}'"


def rows(path: Path) -> Rows:
    """Return the rows of every table that is no ledger, without what no run repeats."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: sorted((_repeatable(row) for row in _all(connection, name)), key=repr)
            for kind, name in objects(path)
            if kind == "table"
        }


def _all(connection: sqlite3.Connection, name: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {quoted(name)}").fetchall()


def _repeatable(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(_UNREPEATABLE.sub("…", cell) if isinstance(cell, str) else cell for cell in row)


def objects(path: Path) -> Objects:
    """Return what a database is made of, but for ledgers."""
    with connect(f"file:{path}") as database:
        found = schema.read(database)
    ledgers = other_ledgers.ledgers(found)
    return {key: sql for key, sql in found.items() if key not in ledgers}


def main() -> None:
    """Run each folder that was named, and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", choices=("file", "sqld", "d1"), default="file")
    parser.add_argument("folders", nargs="+", type=Path)
    given = parser.parse_args()
    unlike = 0
    for folder in given.folders:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            work = Path(name)
            ended = run(stack.enter_context(_home(given.home, work, stack)), folder, work)
            unlike += bool(ended.differences)
            print(f"{folder}: {ended}", flush=True)  # noqa: T201 - it is what was asked for
    sys.exit(1 if unlike else 0)


def _home(kind: str, work: Path, stack: ExitStack) -> Database:
    (work / "server").mkdir()
    if kind == "sqld":
        return connect(stack.enter_context(serve(work / "server"))[0])
    if kind == "d1":
        return d1.new(stack.enter_context(d1.serve(work / "server")))
    return connect(f"file:{work / 'ours.db'}")


if __name__ == "__main__":
    main()
