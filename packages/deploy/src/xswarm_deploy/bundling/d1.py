"""What wrangler's file says of D1: which database a binding means, and the files of its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.frozen import frozen

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


@frozen
class Migrated:
    """A database that ``wrangler d1 migrations`` changes.

    Args:
        binding: its name in the Worker.
        database: its id.
        ledger: the table that has the names of what was applied.
        files: the names of all files, in the order they run.
    """

    binding: str
    database: str
    ledger: str
    files: tuple[str, ...]


def migrated(settings: Settings) -> Iterator[Migrated]:
    """Yield the databases that have files of ``wrangler d1 migrations``.

    Left out are the database that is the release's own (``TURSO_DATABASE_URL=d1:…``), and a folder
    whose files releases apply, wherever to.

    Raises:
        Refused: wrangler's file cannot be read.
    """
    own = settings.text("TURSO_DATABASE_URL").removeprefix("d1:")
    folder = settings.path(settings.project.worker.config).parent
    directory = settings.project.migrations.directory
    applied = settings.path(directory).resolve() if directory else None
    for one in wrangler.read(settings).get("d1_databases") or ():
        told = (one.get("binding"), one.get("database_name"), one.get("database_id"))
        root = _root(folder, one)
        files = () if root.resolve() == applied else _files(folder, root, _pattern(one))
        if files and one.get("database_id") and own not in told:
            ledger = str(one.get("migrations_table") or "d1_migrations")
            yield Migrated(str(told[0]), str(told[2]), ledger, files)


def with_migrations(settings: Settings) -> frozenset[str]:
    """Return the bindings of the databases that migrations are written for, whoever applies them.

    Raises:
        Refused: wrangler's file cannot be read.
    """
    own = settings.text("TURSO_DATABASE_URL").removeprefix("d1:")
    folder = settings.path(settings.project.worker.config).parent
    return frozenset(
        str(one.get("binding"))
        for one in wrangler.read(settings).get("d1_databases") or ()
        if one.get("binding") == own or _files(folder, _root(folder, one), _pattern(one))
    )


def _root(folder: Path, one: Mapping[str, Any]) -> Path:
    return folder / str(one.get("migrations_dir") or "migrations")


def _pattern(one: Mapping[str, Any]) -> str | None:
    return one.get("migrations_pattern")


def _files(folder: Path, root: Path, pattern: str | None) -> tuple[str, ...]:
    """Return files by the names that wrangler's ledger has: paths below their directory.

    Raises:
        Refused: the pattern is none.
    """
    try:
        found = list(folder.glob(pattern) if pattern else root.glob("*.sql"))
    except (OSError, ValueError, NotImplementedError) as error:
        raise Refused(
            f"migrations_pattern {pattern!r} cannot be read",
            str(error),
            "write it as a relative path",
        ) from None
    return tuple(
        sorted(file.relative_to(root).as_posix() for file in found if file.is_relative_to(root))
    )


def database_of(settings: Settings, named: str) -> str:
    """Return the id of the D1 database that is bound by a name; the name, where none is.

    Raises:
        Refused: wrangler's file cannot be read, or the binding has no ``database_id``.
    """
    listed = wrangler.read(settings).get("d1_databases") or ()
    for found in listed:
        if found.get("binding") == named:
            if not found.get("database_id"):
                raise Refused(
                    f"The binding {named} names no database",
                    "d1_databases in wrangler's file has no database_id for it",
                    f"wrangler d1 create {found.get('database_name') or 'NAME'}, and write its id",
                )
            return str(found["database_id"])
    return named
