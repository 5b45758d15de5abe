"""Folders of migrations: dbmate's, drizzle's, ``wrangler d1``'s, and any other of SQL files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.adoption import tree

_MARK: Final = re.compile(r"^[ \t]*+--[ \t]*+migrate:up", re.MULTILINE)
_D1_DEFAULT: Final = "migrations"
_READ: Final = 20_000  # characters of a file that tell of what kind it is


@dataclass(frozen=True)
class Folder:
    """One folder of migrations.

    Args:
        path: absolute.
        kind: ``dbmate``, ``drizzle``, ``d1`` or ``sql``.
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
    def ours(self) -> bool:
        """Return whether releases can apply it: a D1 database is none that they reach."""
        return self.kind != "d1"


def folders(start: Path, config: Path, content: Mapping[str, Any]) -> list[Folder]:
    """Return the folders of migrations below a folder.

    Args:
        start: the project's folder.
        config: the wrangler configuration.
        content: what it says.
    """
    d1 = _of_d1(config, content)
    found: dict[Path, list[Path]] = {}
    for file in tree.files(start):
        if file.suffix == ".sql" and _is_migrations(file.parent, start):
            found.setdefault(file.parent, []).append(file)
    return [
        Folder(folder, "d1" if folder in d1 else _kind(folder, each), len(each))
        for folder, each in found.items()
    ]


def _of_d1(config: Path, content: Mapping[str, Any]) -> set[Path]:
    environments = (content.get("env") or {}).values()
    tables = [content, *(each for each in environments if isinstance(each, Mapping))]
    databases = [each for table in tables for each in table.get("d1_databases") or ()]
    names = {str(each.get("migrations_dir") or _D1_DEFAULT) for each in databases}
    return {(config.parent / name).resolve() for name in names}


def _is_migrations(folder: Path, start: Path) -> bool:
    names = {part.lower() for part in folder.relative_to(start).parts}
    return bool(names & {"migrations", "migration", "drizzle"}) or _has_journal(folder)


def _has_journal(folder: Path) -> bool:
    return (folder / "meta/_journal.json").is_file()


def _kind(folder: Path, files: list[Path]) -> str:
    if _has_journal(folder):
        return "drizzle"
    marked = any(_MARK.search(file.read_text("utf-8", "replace")[:_READ]) for file in files)
    return "dbmate" if marked else "sql"
