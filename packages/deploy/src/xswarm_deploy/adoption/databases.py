"""Which database the releases of a Worker have: its own D1 database, one for them alone, Turso."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from xswarm_deploy.adoption import questions
from xswarm_deploy.errors import Refused

TURSO: Final = "turso"
SCHEME: Final = "d1:"
_FOLDER: Final = "migrations"
"""Where wrangler looks for the files of a database that names no ``migrations_dir``."""


class D1(NamedTuple):
    """A D1 database that the Worker is bound to.

    Args:
        binding: its name in the Worker.
        name: its name in the account; empty: the configuration has none.
        folder: of its migrations; it need not be there.
    """

    binding: str
    name: str
    folder: Path

    @property
    def url(self) -> str:
        """Return it as an environment file names it."""
        return f"{SCHEME}{self.binding}"


def bound(config: Path, content: Mapping[str, Any]) -> tuple[D1, ...]:
    """Return the D1 databases of a configuration, those of its environments, too; each once.

    Args:
        config: the wrangler configuration.
        content: what it says.
    """
    found: dict[str, D1] = {}
    for table in _tables(content):
        for one in _of(table):
            binding = str(one.get("binding") or "")
            folder = (config.parent / str(one.get("migrations_dir") or _FOLDER)).resolve()
            if binding:
                found.setdefault(binding, D1(binding, str(one.get("database_name") or ""), folder))
    return tuple(found.values())


def has(content: Mapping[str, Any], url: str) -> bool:
    """Return whether a configuration, or one environment of it, says which database a URL means."""
    named = url.removeprefix(SCHEME)
    return any(one.get("binding") == named and one.get("database_id") for one in _of(content))


def chosen(
    found: Sequence[D1], filled: Sequence[Path], worker: str, *, libsql: bool, given: str
) -> str:
    """Return the database of the releases: ``d1:`` and its name, or ``turso``.

    Its migrations are what releases apply, and it is what they back up. Where the Worker has one
    database, that is it; where it has several, only a person knows. A Worker that has none gets a
    D1 database of its own for the releases' records alone: that needs no account elsewhere.

    Args:
        found: the D1 databases that the Worker is bound to.
        filled: folders that have migrations.
        worker: the Worker's name.
        libsql: whether the Worker has a libSQL database, by its packages or other migrations.
        given: the flag ``--database``.

    Raises:
        Refused: there are several, and nobody chooses; or the flag names none.
    """
    if given:
        return _named(given, found)
    if not found:
        return TURSO if libsql else f"{SCHEME}{worker}-releases"
    titles = {one.url: _title(one, filled) for one in found}
    titles |= {TURSO: "a libSQL database at Turso"} if libsql else {}
    migrated = [one.url for one in found if one.folder in filled]
    only = migrated if len(migrated) == 1 and not libsql else list(titles)
    default = only[0] if len(only) == 1 else ""
    asked = "Which database do releases migrate, back up, and keep their records in?"
    return questions.choice(asked, titles, default, "--database")


def _named(given: str, found: Sequence[D1]) -> str:
    """Return what the flag names: Turso, a binding, or any D1 database of the account."""
    if given == TURSO:
        return TURSO
    name = given.removeprefix(SCHEME)
    if given.startswith(SCHEME) or name in {one.binding for one in found}:
        return f"{SCHEME}{name}"
    known = ", ".join([TURSO, *(one.url for one in found), "d1:NAME of any in the account"])
    raise Refused(f"--database {given} cannot be taken", f"there are {known}", "inv --help init")


def _title(one: D1, filled: Sequence[Path]) -> str:
    has_files = f", migrations in {one.folder.name}" if one.folder in filled else ""
    return f"{one.url}  ({one.name or 'D1'}{has_files})"


def _tables(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield content
    environments = content.get("env")
    if isinstance(environments, Mapping):
        yield from (each for each in environments.values() if isinstance(each, Mapping))


def _of(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = content.get("d1_databases")
    if isinstance(listed, list):
        yield from (one for one in listed if isinstance(one, Mapping))
