"""The files of a folder of migrations: which they are, and in which order they run.

Sources: wrangler (``d1 migrations``), goose, golang-migrate and sqlx order by the number that a
name begins with, Flyway by the one after ``V``; dbmate, prisma and drizzle by the name, where the
numbers have one width.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from xswarm_deploy import texts
from xswarm_deploy.errors import Refused

_NUMBERED: Final = re.compile(r"V?(?P<number>\d+)", re.ASCII)
_PROGRAMS: Final = {
    ".js": "JavaScript (knex, kysely, node-pg-migrate, umzug)",
    ".ts": "TypeScript (kysely, knex, MikroORM, TypeORM)",
    ".py": "Python (Alembic, Django, yoyo)",
    ".rb": "Ruby (Rails)",
    ".go": "Go (goose)",
    ".php": "PHP (Laravel, Phinx)",
}
_SUFFIXES: Final = {".mjs": ".js", ".cjs": ".js", ".mts": ".ts", ".cts": ".ts"}
_IN_FOLDERS: Final = {"migration.sql": ".sql", "up.sql": ".up.sql", "down.sql": ".down.sql"}


def paths(folder: Path) -> dict[str, Path]:
    """Return the files by the name of their migration, with ``.sql``, ``.up.sql`` or ``.down.sql``.

    Raises:
        Refused: there is no such folder; a migration is a program; a name ends in capital letters,
            or is no text; or all SQL is further below.
    """
    if not folder.is_dir():
        raise Refused(f"There is no folder {folder}", "", "inv migrate.new NAME")
    # Hidden ones are an editor's or a file system's: .#1.sql, ._1.sql.
    here = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = {path.name: path for path in here if path.name.endswith(".sql")}
    for path in here:
        if path.name not in found and path.is_dir():
            below = _below(path)
            _require_apart(found.keys() & below.keys())
            found |= below
    for name in found:
        texts.require_named(name, folder)
    _require_one_each(found)
    _require_small(here)
    _require_sql(folder, here, found)
    return found


def _below(folder: Path) -> dict[str, Path]:
    """Return the files of a migration that has a folder of its own."""
    there = [(suffix, folder / name) for name, suffix in _IN_FOLDERS.items()]
    return {f"{folder.name}{suffix}": path for suffix, path in there if path.exists()}


def _require_one_each(found: Mapping[str, Path]) -> None:
    """Refuse two files that would be the up part of one migration: ``a.sql``, ``a.up.sql``."""
    ups = {name for name in found if name.endswith(".up.sql")}
    _require_apart({name for name in ups if f"{name[:-7]}.sql" in found})


def _require_apart(names: Collection[str]) -> None:
    """Refuse names that two files give a migration: one of the two would never run."""
    if names:
        name = min(names).removesuffix(".sql").removesuffix(".up").removesuffix(".down")
        raise Refused(
            f"Two migrations are called {name}",
            f"{name}.sql, {name}.up.sql, {name}/migration.sql and {name}/up.sql are one name",
            "give one of them another name",
        )


def place(name: str) -> tuple[int, int, str]:
    """Return a key that orders names: those with a number in front by it, then the others."""
    numbered = _NUMBERED.match(name)
    return (0, int(numbered["number"]), name) if numbered else (1, 0, name)


def way_back_of(name: str, names: Collection[str]) -> str:
    """Return the migration whose way back another tool would take a file for; empty: none.

    Args:
        name: of the file, without ``.sql``.
        names: of all of them.
    """
    if name[:1] == "U" and f"V{name[1:]}" in names:  # Flyway
        return f"V{name[1:]}"
    found = _WAY_BACK.fullmatch(name)
    base = found["base"] if found else ""
    ups = (base, *(f"{base}{sign}{word}" for sign in "-_." for word in ("up", "do")))
    return next((each for each in ups if base and each in names), "")


_WAY_BACK: Final = re.compile(r"(?P<base>.+)[-_.](?:down|rollback|undo|revert)", re.IGNORECASE)
"""Names of yoyo (``.rollback``), postgrator (``.undo``), db-migrate (``-down``) and the like."""


def home(file: Path) -> Path:
    """Return the folder of migrations that an SQL file belongs to."""
    return file.parent.parent if file.name in _IN_FOLDERS else file.parent


def _require_small(here: Sequence[Path]) -> None:
    """Refuse a file that nobody would read: ``1.SQL``."""
    for path in here:
        if path.suffix != ".sql" and path.suffix.lower() == ".sql":
            way_on = f"git mv {path.name} {path.stem}.sql"
            raise Refused(f"{path.name} would not be read", "its name must end in .sql", way_on)


def _require_sql(folder: Path, here: Sequence[Path], found: dict[str, Path]) -> None:
    programs = sorted(_programs(here, beside=bool(found)))
    if programs:
        name, kind = programs[0]
        raise Refused(
            f"{len(programs)} of the migrations in {folder} are programs, e.g. {name}",
            f"{kind}; what a program does to rows cannot be looked at before it runs",
            "write the schema as it is to a file once (sqlite3 FILE .schema; wrangler d1 export"
            " NAME --remote --no-data --output FILE; turso db shell NAME .schema), into a folder"
            " for SQL that deploy.migrations.directory names; enter it where it is there already"
            " (inv migrate.baseline), and go on with inv migrate.new",
        )
    if found:
        return
    below = next((path for path in sorted(folder.glob("*/*.sql")) if path.name), None)
    if below is not None:
        raise Refused(
            f"{folder} has no migrations, but {below.relative_to(folder)} is below it",
            "only the folder itself, and NAME/migration.sql, NAME/up.sql in it, are read",
            f"set deploy.migrations.directory to {below.parent}",
        )


def _programs(here: Sequence[Path], *, beside: bool) -> Iterator[tuple[str, str]]:
    """Return the migrations that are programs, by the number in their name."""
    for path in here:
        kind = _PROGRAMS.get(_SUFFIXES.get(path.suffix, path.suffix))
        if kind and not path.name.endswith(".d.ts") and _is_one(path.name, beside=beside):
            yield path.name, kind


def _is_one(name: str, *, beside: bool) -> bool:
    """Return whether a program is a migration; beside SQL files its name begins with a number."""
    found = _NUMBERED.match(name) if beside else re.search(r"\d", name)
    return found is not None
