"""Turso's new engine is known by its own word, and refused with what it lacks; asked of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
import turso

from xswarm_deploy.database import engine, script
from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.errors import Refused


class Asked:
    """A database whose answers are those of Turso's new engine."""

    def __init__(self) -> None:
        self._connection = turso.connect(":memory:")

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of one statement by their columns' names."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except turso.DatabaseError as error:
            raise DatabaseError("failed", str(error)) from None

    def snapshot(self, statements: Sequence[Statement]) -> list[list[dict[str, Any]]]:
        """Return the answers of several statements."""
        return [self.query(each.sql) for each in statements]

    def close(self) -> None:
        """Close it."""
        self._connection.close()


@pytest.fixture
def asked() -> Iterator[Database]:
    made = Asked()
    yield cast("Database", made)
    made.close()


def test_it_says_that_it_is_another(asked: Database) -> None:
    found = engine.of(asked)
    assert found.turso
    assert str(found).startswith("Turso's new engine, as SQLite 3.")


@pytest.mark.parametrize("database", ["file", "sqld"], indirect=True)
def test_a_file_and_libsqls_server_do_not(database: Database) -> None:
    found = engine.of(database)
    assert not found.turso
    assert str(found).startswith("SQLite 3.")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT * FROM pragma_foreign_key_check", "pragma_foreign_key_check"),
        ("CREATE VIRTUAL TABLE found USING fts5(text)", "fts5"),
        ("CREATE INDEX near ON t (libsql_vector_idx(place))", "libsql_vector_idx"),
    ],
)
def test_it_lacks_what_is_said(asked: Database, sql: str, named: str) -> None:
    asked.query("CREATE TABLE t (place)")
    with pytest.raises(DatabaseError, match=named):
        asked.query(sql)


def test_no_migration_is_planned_on_it(asked: Database) -> None:
    with pytest.raises(Refused, match="Turso's new engine") as told:
        script.before(asked)
    assert told.value.why == engine.LACKS
    assert told.value.remedy == engine.INSTEAD


def test_another_error_stays_itself(asked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = DatabaseError("unavailable", "ConnectionError")
    assert engine.refusal(asked, gone) is gone
    monkeypatch.setattr(engine, "of", lambda _database: engine.Engine("3.45.1"))
    broken = DatabaseError("failed", "no such table: t")
    assert engine.refusal(asked, broken) is broken
