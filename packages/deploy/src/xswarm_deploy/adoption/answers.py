"""What a repository is to be released as: what was found, and what a person said to the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from xswarm_deploy.adoption import (
    databases,
    deploying,
    javascript,
    places,
    questions,
    sql,
)
from xswarm_deploy.adoption import found as finding
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.adoption.found import Found
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings.project import PARTS
from xswarm_deploy.settings.variables import LOCAL, PRODUCTION, STAGING

NONE: Final = "none"
CI: Final = (finding.GITHUB, finding.GITLAB, NONE)
_CONFIGURED: Final = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    PRODUCTION: places.ENVIRONMENTS[PRODUCTION],
    STAGING: (*places.ENVIRONMENTS[STAGING], "dev"),
}
"""Environment → what its part under ``env`` of wrangler's file is called, likeliest first."""


@dataclass(frozen=True)
class Flags:
    """What the command line answers already; empty: it says nothing of it.

    Args:
        config: the wrangler configuration.
        name: the Worker's name.
        main: the file that it begins with, where it has no configuration.
        database: ``d1:`` and a binding or name, or ``turso``.
        migrations: the folder of migrations, or ``none``.
        uses: parts, by comma.
        ci: ``github``, ``gitlab`` or ``none``.
        tasks_py: whether a tasks.py is written, for plain Invoke.
    """

    config: str = ""
    name: str = ""
    main: str = ""
    database: str = ""
    migrations: str = ""
    uses: str = ""
    ci: str = ""
    tasks_py: bool = False


@dataclass(frozen=True)
class Answers:
    """What is written down of a repository.

    Args:
        found: what it told.
        name: the Worker's.
        main: what a configuration that is made names; empty: there is one.
        database: of the releases: ``d1:`` and a binding or name, or ``turso``.
        migrations: the folder; None: there is none that releases apply.
        uses: parts that releases manage.
        ci: whose pipeline is written.
        tasks_py: whether a tasks.py is.
        routes: path → the status it answered with.
    """

    found: Found
    name: str
    main: str = ""
    database: str = databases.TURSO
    migrations: sql.Folder | None = None
    uses: tuple[str, ...] = ()
    ci: str = NONE
    tasks_py: bool = False
    routes: Mapping[str, int] = field(default_factory=dict)

    def environment(self, name: str) -> tuple[str, str]:
        """Return the Worker of an environment: its name, and its part under ``env``.

        What ``wrangler deploy --env`` made until now stays the Worker that is released, and the
        twin has the one that ``wrangler dev --env`` runs.
        """
        known = self.found.environments
        names = [self._of_dev] if name == LOCAL else _NAMES[name]
        part = next((each for each in names if each in known), "")
        if part:
            own = known[part] if isinstance(known[part], Mapping) else {}
            return str(own.get("name") or f"{self.name}-{part}"), part
        beside = self.beside(name)
        plain = f"{self.name}-{name}" if name == STAGING else self.name
        return str(beside.content.get("name") or plain) if beside else plain, ""

    @property
    def _of_dev(self) -> str:
        """Return the part that ``wrangler dev`` runs, by the scripts; empty: the top level."""
        known = self.found.environments
        config = relative(self.found.config, self.found.home)
        part = deploying.developed(self.found.package, config)
        if part not in known:
            return ""
        content = wrangler.environment(self.found.content, part)
        return part if not self.d1 or databases.has(content, self.database) else ""

    def beside(self, name: str) -> places.Configuration | None:
        """Return the configuration of an environment in a file of its own; None: there is none."""
        parted = name == LOCAL or any(each in self.found.environments for each in _NAMES[name])
        return None if parted else places.of_environment(self.found.config, name)

    def build(self, name: str) -> str:
        """Return the build of production or staging alone; empty: it is that of all."""
        _, part = self.environment(name)
        names = [part] if part else _NAMES[name][:2]  # a build:dev is another one's
        return javascript.build_for(self.found.package, self.found.build, names)

    @property
    def d1(self) -> databases.D1 | None:
        """Return the releases' database, where the Worker is bound to it."""
        return next((one for one in self.found.d1 if one.url == self.database), None)

    def content(self, name: str) -> Mapping[str, Any]:
        """Return what the configuration says of production or staging, and what it inherits.

        Raises:
            Refused: its part is no table.
        """
        _, part = self.environment(name)
        beside = self.beside(name)
        content = beside.content if beside else self.found.content
        return wrangler.environment(content, part) if part else content

    def shares(self, name: str) -> bool:
        """Return whether an environment has no part of its own: it is bound as production is."""
        own = self.environment(name)[1] or self.beside(name)
        return name != PRODUCTION and not own

    def url(self, name: str) -> str:
        """Return the database of production or staging; empty: a person has to name it."""
        if self.database == databases.TURSO:
            return ""
        if self.d1 is None:
            return self.database if name == PRODUCTION else f"{self.database}-{name}"
        own = not self.shares(name) and databases.has(self.content(name), self.database)
        return self.database if own else f"{databases.SCHEME}your_{name}_database"


def answered(found: Found, flags: Flags) -> Answers:
    """Ask what was not found.

    Raises:
        Refused: an answer is wrong, missing, or Ctrl-C.
    """
    name = flags.name or found.name
    _require_deployable(found)
    if flags.name or not name:
        name = _name(found, flags)
    database = _database(found, flags, name)
    return Answers(
        found=found,
        name=name,
        main="" if found.content else _main(found, flags),
        database=database,
        migrations=_migrations(found, flags, database),
        uses=_uses(found, flags),
        ci=_ci(found, flags),
        tasks_py=flags.tasks_py,
    )


def _name(found: Found, flags: Flags) -> str:
    if flags.name:
        return _judged(flags.name, questions.name_judge(flags.name), "--name")
    return questions.text("The Worker's name?", found.suggested, questions.name_judge, "--name")


def _main(found: Found, flags: Flags) -> str:
    judge = questions.file_judge(found.config.parent)
    if flags.main:
        return _judged(flags.main, judge(flags.main), "--main")
    asked = "There is no wrangler configuration. Which file does the Worker begin with?"
    return found.main or questions.text(asked, "", judge, "--main")


def _require_deployable(found: Found) -> None:
    """Refuse a name that wrangler refuses: nothing can be live under it.

    Source: wrangler's validation of ``name``.
    """
    if found.name and not _CONFIGURED.fullmatch(found.name):
        file = relative(found.config, found.folder)
        raise Refused(
            f"{file}: {found.name!r} cannot be a Worker's name",
            "wrangler takes a-z, 0-9, - and _ alone",
            f"correct name in {file}, then: inv init",
        )


def _database(found: Found, flags: Flags, name: str) -> str:
    filled = [each.path for each in found.migrations]
    ours = any(not each.of_d1 for each in found.migrations) and not found.d1
    other = javascript.other_database(found.package) or deploying.of_d1(found.package)
    libsql = javascript.libsql(found.package) or (ours and not other)
    return databases.chosen(found.d1, filled, name, libsql=libsql, given=flags.database)


def _migrations(found: Found, flags: Flags, database: str) -> sql.Folder | None:
    if flags.migrations == NONE:
        return None
    known = {relative(each.path, found.folder): each for each in found.migrations}
    if flags.migrations:
        named = (found.folder / flags.migrations).resolve()
        one = next((each for each in found.migrations if each.path == named), None)
        wrong = "" if named.is_dir() else f"no folder {flags.migrations!r} there"
        _judged(flags.migrations, wrong, "--migrations")
        return one or sql.Folder(named, "sql", len(list(named.glob("*.sql"))))
    d1 = next((one for one in found.d1 if one.url == database), None)
    of_d1 = next((each for each in found.migrations if d1 and each.path == d1.folder), None)
    ours = {name: each for name, each in known.items() if not each.of_d1}
    if of_d1 or not ours:
        return of_d1
    titles = {name: f"{name}  ({each.kind}, {each.files} files)" for name, each in ours.items()}
    titles[NONE] = "none: this database is migrated in another way"
    only = next(iter(ours)) if len(ours) == 1 else ""
    elsewhere = not found.d1 and bool(deploying.of_d1(found.package))
    only = NONE if elsewhere or javascript.other_database(found.package) else only
    asked = f"Which migrations are applied to {_told(database)}?"
    return ours.get(questions.choice(asked, titles, only, "--migrations"))


def _told(database: str) -> str:
    return "the Turso database" if database == databases.TURSO else database


def _uses(found: Found, flags: Flags) -> tuple[str, ...]:
    if not flags.uses:
        return questions.several("What shall releases check and set up, too?", found.parts)
    names = tuple(name.strip() for name in flags.uses.split(",") if name.strip())
    wrong = [name for name in names if name not in PARTS]
    _judged(flags.uses, f"there are {', '.join(PARTS)}" if wrong else "", "--uses")
    return names


def _ci(found: Found, flags: Flags) -> str:
    if flags.ci:
        wrong = "" if flags.ci in CI else f"there are {', '.join(CI)}"
        return _judged(flags.ci, wrong, "--ci")
    return found.hosting or NONE


def _judged(given: str, wrong: str, flag: str) -> str:
    if wrong:
        raise Refused(f"{flag} {given} cannot be taken", wrong, "inv --help init")
    return given
