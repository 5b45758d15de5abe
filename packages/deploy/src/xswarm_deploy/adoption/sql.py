"""Folders of migrations: dbmate's, drizzle's, ``wrangler d1``'s, and any other of SQL files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xswarm_deploy.adoption import tree
from xswarm_deploy.database import migration_folder

_MARK: Final = re.compile(r"^[ \t]*+--[ \t]*+migrate:up", re.MULTILINE)
_OUT: Final = re.compile(r"""\bout\s*:\s*["'`]([^"'`]+)["'`]""")
_DIALECT: Final = re.compile(r'\b(?:dialect|provider)"?\s*[:=]\s*"([\w-]+)"')
_READ: Final = 20_000  # characters of a file that tell of what kind it is


@dataclass(frozen=True)
class Folder:
    """One folder of migrations.

    Args:
        path: absolute.
        kind: ``dbmate``, ``drizzle``, ``prisma``, ``d1`` or ``sql``.
        files: how many SQL files it has.
    """

    path: Path
    kind: str
    files: int

    @property
    def down(self) -> str:
        """Return how this tool takes its files back (``deploy.migrations.down``)."""
        return "written" if self.kind == "dbmate" else "generated"

    @property
    def of_d1(self) -> bool:
        """Return whether ``wrangler d1 migrations`` applies it."""
        return self.kind == "d1"


def folders(start: Path, d1: Collection[Path]) -> list[Folder]:
    """Return the folders of migrations below a folder.

    Args:
        start: the project's folder.
        d1: those that belong to a D1 database.
    """
    drizzle = list(_of_drizzle(start))
    named = {*d1, *map(migration_folder.home, drizzle)}
    found: dict[Path, list[Path]] = {}
    for file in dict.fromkeys((*tree.files(start), *drizzle)):
        home = migration_folder.home(file)
        if file.suffix == ".sql" and (home in named or _is_migrations(home, start)):
            found.setdefault(home, []).append(file)
    return [
        Folder(folder, "d1" if folder in d1 else _kind(folder, each), len(each))
        for folder, each in found.items()
        if _is_sqlite(folder)
    ]


def _of_drizzle(start: Path) -> Iterator[Path]:
    """Yield the files of the folder that drizzle-kit's configuration names, wherever it is."""
    for config in sorted(start.glob("drizzle.config.*")):
        named = _OUT.search(config.read_text("utf-8", "replace"))
        folder = (start / named[1]).resolve() if named else start
        if folder != start and folder.is_relative_to(start):
            yield from sorted([*folder.glob("*.sql"), *folder.glob("*/migration.sql")])


def _is_sqlite(folder: Path) -> bool:
    """Return whether migrations are not said to be another database's, by drizzle or prisma.

    Supabase's are always Postgres's.
    """
    if "supabase" in folder.parts:
        return False
    texts = (
        file.read_text("utf-8", "replace")
        for name in ("meta/_journal.json", "migration_lock.toml")
        if (file := folder / name).is_file()
    )
    said = [found[1] for text in texts for found in _DIALECT.finditer(text)]
    return all(dialect in ("sqlite", "turso") for dialect in said)


def _is_migrations(folder: Path, start: Path) -> bool:
    names = {part.lower() for part in folder.relative_to(start).parts}
    return bool(names & {"migrations", "migration", "drizzle"}) or _has_journal(folder)


def _has_journal(folder: Path) -> bool:
    return (folder / "meta/_journal.json").is_file()


def _kind(folder: Path, files: list[Path]) -> str:
    if _has_journal(folder):
        return "drizzle"
    if (folder / "migration_lock.toml").is_file():
        return "prisma"
    marked = any(_MARK.search(file.read_text("utf-8", "replace")[:_READ]) for file in files)
    return "dbmate" if marked else "sql"
