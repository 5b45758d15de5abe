"""The two files of a column that gets another name while old and new code run side by side.

The first adds the new column and keeps both equal by triggers; the second, for a later release,
removes the old one. So at no moment is there code that does not find its column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from xswarm_deploy.database import migrations
from xswarm_deploy.database.effects import SchemaCopy
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import folded
from xswarm_deploy.errors import Refused

_ASKED: Final = re.compile(r"(?P<table>[^.:]+)\.(?P<old>[^.:]+):(?P<new>[^.:]+)")


class Pair(NamedTuple):
    """The up and down parts of both files, without their headers."""

    expand: str
    contract: str


def pair(asked: str, files: Sequence[Migration]) -> Pair:
    """Return what gives a column another name in two steps.

    Args:
        asked: ``TABLE.OLD:NEW``.
        files: the migrations so far, in the order they run; they say the column's type.

    Raises:
        Refused: it is not of that form, there is no such column, or SQLite cannot drop it later.
    """
    found = _ASKED.fullmatch(asked)
    if found is None:
        raise Refused(f"{asked!r} is not TABLE.OLD:NEW", "", "e.g. --expand users.name:full_name")
    with SchemaCopy([]) as copy:
        for file in files:
            for fragment in file.up:
                copy.effect(fragment.sql)
        made = _pair(copy, found["table"], found["old"], found["new"])
        _require_runs(copy, asked, made)
    return made


def _pair(copy: SchemaCopy, table: str, old: str, new: str) -> Pair:
    kind, row = _kind(copy, table, old, new), _row(copy, table, old)
    names = {"t": quoted(table), "o": quoted(old), "n": quoted(new), "k": kind, "r": row}
    of_old, of_new = (
        {"a": quoted(one), "b": quoted(other), "x": quoted(f"{table}_{one}_to_{other}")}
        for one, other in ((old, new), (new, old))
    )
    created = quoted(f"{table}_{old}_and_{new}")
    triggers = "\n".join(_FOLLOWS.format(t=names["t"], r=row, **each) for each in (of_old, of_new))
    drops = "\n".join(f"DROP TRIGGER {name};" for name in (created, of_old["x"], of_new["x"]))
    filled = _FILLS.format(x=created, **names)
    return Pair(
        _EXPAND.format(triggers=f"{filled}\n{triggers}", drops=drops, **names),
        _CONTRACT.format(triggers=f"{filled}\n{triggers}", drops=drops, **names),
    )


_FILLS: Final = """\
CREATE TRIGGER {x} AFTER INSERT ON {t} WHEN NEW.{o} IS NOT NEW.{n} BEGIN
  UPDATE {t} SET {o} = coalesce(NEW.{n}, NEW.{o}), {n} = coalesce(NEW.{n}, NEW.{o})
  WHERE {r};
END;"""
"""The new column has no default, so what is in it was written; the old one may hold its default."""
_FOLLOWS: Final = """\
CREATE TRIGGER {x} AFTER UPDATE OF {a} ON {t} WHEN NEW.{a} IS NOT NEW.{b} BEGIN
  UPDATE {t} SET {b} = NEW.{a} WHERE {r};
END;"""
_EXPAND: Final = """\
-- migrate:up
ALTER TABLE {t} ADD COLUMN {n}{k};
UPDATE {t} SET {n} = {o};
{triggers}

-- migrate:down
{drops}
ALTER TABLE {t} DROP COLUMN {n};
"""
_CONTRACT: Final = """\
-- migrate:up
{drops}
ALTER TABLE {t} DROP COLUMN {o};

-- migrate:down
ALTER TABLE {t} ADD COLUMN {o}{k};
UPDATE {t} SET {o} = {n};
{triggers}
"""


def _kind(copy: SchemaCopy, table: str, old: str, new: str) -> str:
    """Return what stands behind the new column's name: the type and collation of the old one."""
    columns = {column.name: column for column in copy.columns().get(table, ())}
    if old not in columns:
        raise Refused(f"The migrations make no column {table}.{old}", "", "inv migrate.status")
    if new in columns:
        raise Refused(f"{table}.{new} is there already", "", "choose another name")
    if columns[old].needed:
        raise Refused(
            f"{table}.{old} is NOT NULL without a default",
            f"new code that writes {new} alone could insert no row",
            "rebuild the table with a default first, or write the files by hand",
        )
    collation = copy.collation(table, old)
    collated = "" if collation == "BINARY" else f" COLLATE {quoted(collation)}"
    return f" {columns[old].type}".rstrip() + collated


def _row(copy: SchemaCopy, table: str, old: str) -> str:
    """Return the condition that finds the row that a trigger fired for."""
    keys = copy.row_names(table)
    if not keys or folded(old) in map(folded, keys):
        raise Refused(
            f"{table}.{old} cannot be kept equal to another column",
            "it is of the primary key" if keys else "no name of the rowid is left",
            "write the files by hand",
        )
    return " AND ".join(f"{quoted(key)} = NEW.{quoted(key)}" for key in keys)


def _require_runs(copy: SchemaCopy, asked: str, made: Pair) -> None:
    """Refuse what SQLite would refuse later: a column with a unique key, or that a view names."""
    first, later = (migrations.parse("pair.sql", text) for text in made)
    for fragment in (*first.up, *later.up, *later.down, *first.down):
        if why := copy.refused(fragment.sql):
            raise Refused(
                f"{asked} cannot be done in two steps",
                f"SQLite refuses {fragment.sql.splitlines()[0]}: {why}",
                "take away what stands on the column first, or write the files by hand",
            )
