"""The two files of a column that gets another name while old and new code run side by side.

The first adds the new column and keeps both equal by triggers; the second, for a later release,
removes the old one. So at no moment is there code that does not find its column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from xswarm_deploy.database.effects import SchemaCopy
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import quoted
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
        Refused: it is not of that form, or there is no such column.
    """
    found = _ASKED.fullmatch(asked)
    if found is None:
        raise Refused(f"{asked!r} is not TABLE.OLD:NEW", "", "e.g. --expand users.name:full_name")
    table, old, new = found["table"], found["old"], found["new"]
    kind = _type(table, old, new, files)
    names = {"t": quoted(table), "o": quoted(old), "n": quoted(new), "k": f" {kind}".rstrip()}
    names |= {
        f"{event}_{at}": quoted(f"{table}_{at}_{event}")
        for event in ("insert", "update")
        for at in (old, new)
    }
    of_old, of_new = (
        {"a": quoted(one), "b": quoted(other), "x": quoted(f"{table}_{one}_to_{other}")}
        for one, other in ((old, new), (new, old))
    )
    created = quoted(f"{table}_{old}_and_{new}")
    triggers = "\n".join(_FOLLOWS.format(t=names["t"], **each) for each in (of_old, of_new))
    drops = "\n".join(f"DROP TRIGGER {name};" for name in (created, of_old["x"], of_new["x"]))
    filled = _FILLS.format(x=created, **names)
    return Pair(
        _EXPAND.format(triggers=f"{filled}\n{triggers}", drops=drops, **names),
        _CONTRACT.format(triggers=f"{filled}\n{triggers}", drops=drops, **names),
    )


_FILLS: Final = """\
CREATE TRIGGER {x} AFTER INSERT ON {t} WHEN NEW.{o} IS NOT NEW.{n} BEGIN
  UPDATE {t} SET {o} = coalesce(NEW.{o}, NEW.{n}), {n} = coalesce(NEW.{n}, NEW.{o})
  WHERE rowid = NEW.rowid;
END;"""
_FOLLOWS: Final = """\
CREATE TRIGGER {x} AFTER UPDATE OF {a} ON {t} WHEN NEW.{a} IS NOT NEW.{b} BEGIN
  UPDATE {t} SET {b} = NEW.{a} WHERE rowid = NEW.rowid;
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


def _type(table: str, old: str, new: str, files: Sequence[Migration]) -> str:
    with SchemaCopy([]) as copy:
        for file in files:
            for fragment in file.up:
                copy.effect(fragment.sql)
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
    return columns[old].type
