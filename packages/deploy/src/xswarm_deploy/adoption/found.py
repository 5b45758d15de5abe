"""All that a repository tells by itself: what nobody has to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from xswarm_deploy import git
from xswarm_deploy.adoption import code, databases, javascript, places, sql, tree, workspace
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.bundling import node_packages, python_packages
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import dev_vars
from xswarm_deploy.settings.variables import BY_NAME, Sent
from xswarm_deploy.verification import sources

GITHUB: Final = "github"
GITLAB: Final = "gitlab"
_OF_DEVELOPMENT: Final = frozenset({"NEXTJS_ENV", "NODE_ENV"})
"""Names in .dev.vars that say it is development here: no secrets, and no Worker needs them live."""
_MAINS: Final = ("src/index.ts", "src/index.js", "src/worker.ts", "src/entry.py", "index.js")


@dataclass(frozen=True)
class Found:
    """What there is in a repository.

    Args:
        top: of the git checkout; without git the folder itself.
        folder: gets invoke.yaml: all commands act from there.
        config: the wrangler configuration; it may not be there yet.
        content: what it says.
        branch: releases come from it.
        hosting: ``github``, ``gitlab``, or empty.
        manager: of packages: npm, pnpm, yarn or bun.
        home: the folder of the Worker's package.json, which may be above its configuration.
        package: the Worker's package.json.
        build: what must run before wrangler bundles; empty: nothing.
        d1: the D1 databases that the Worker is bound to.
        migrations: the folders of them.
        secrets: names that ``.dev.vars`` or ``secrets.required`` has.
        variables: the same of plain variables that this tool has, too, such as TURSO_DATABASE_URL.
        withheld: the same of what this tool keeps to itself, and the code reads.
        parts: services whose SDK it depends on.
        routes: paths that its code answers to.
        missing: packages that are named and not installed.
    """

    top: Path
    folder: Path
    config: Path
    content: Mapping[str, Any] = field(default_factory=dict)
    branch: str = ""
    hosting: str = ""
    manager: str = "npm"
    home: Path = Path()
    package: Mapping[str, Any] = field(default_factory=dict)
    build: str = ""
    d1: tuple[databases.D1, ...] = ()
    migrations: tuple[sql.Folder, ...] = ()
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the Worker's name: the configuration's; empty where it has none."""
        return str(self.content.get("name") or "")

    def installs(self, typed_in: Path) -> str:
        """Return the command that installs what is missing, as it is typed in a folder."""
        of_python = str(self.content.get("main") or "").endswith(".py")
        if of_python:
            return python_packages.INSTALL
        place = workspace.place(self.home, self.top)
        return node_packages.typed(f"{self.manager} install", place, typed_in)

    @property
    def suggested(self) -> str:
        """Return a name for a Worker that has none: its package's, or its folder's."""
        own = str(self.package.get("name") or self.config.parent.name).rpartition("/")[2]
        return places.slug(own)

    @property
    def main(self) -> str:
        """Return the file that a Worker without a configuration begins with; empty: none found."""
        here = self.config.parent
        return next((name for name in _MAINS if (here / name).is_file()), "")

    @property
    def environments(self) -> Mapping[str, Any]:
        """Return the parts under ``env`` of the configuration."""
        return dict(self.content.get("env") or {})


def look(start: Path, chosen: places.Configuration | None) -> Found:
    """Look at all that a repository tells.

    Args:
        start: where the command was typed.
        chosen: the configuration to release from; None: there is none yet.

    Raises:
        Refused: a file of it cannot be read, or git does not read the checkout.
    """
    start = start.resolve()
    tree.require_read(start)
    config = chosen.file if chosen else start / "wrangler.jsonc"
    content = chosen.content if chosen else {}
    folder = places.project_folder(start, config) if chosen else start
    top = tree.top(folder)
    home = node_packages.home(config.parent, top)
    package = node_packages.read(home)
    manager = node_packages.manager(home, top)
    d1 = _bound(config, content)
    read = _sent(_named(config.parent, home, content))
    return Found(
        top=top,
        folder=folder,
        config=config,
        content=content,
        branch=_branch(top),
        hosting=_hosting(top),
        manager=manager,
        package=package,
        home=home,
        build=_build(config, content, home, top, manager),
        d1=d1,
        migrations=_migrations(folder, config, d1),
        secrets=tuple(read[Sent.WORKER_SECRET]),
        variables=tuple(read[Sent.WORKER_VARIABLE]),
        withheld=tuple(sources.bindings_read(home, read[Sent.HERE])),
        parts=javascript.parts(package),
        routes=tuple(code.routes(home)[: code.MOST]),
        missing=(
            *javascript.not_installed(home, package),
            *python_packages.missing(config.parent, content),
        ),
    )


def _migrations(folder: Path, config: Path, d1: Iterable[databases.D1]) -> tuple[sql.Folder, ...]:
    """Return the folders of migrations, but those of another Worker of the repository."""
    own, named = config.parent, {one.folder for one in d1}
    others = [each for each in places.everywhere(folder) if each.file.parent != own]
    theirs = {one.folder for each in others for one in databases.bound(each.file, each.content)}
    below = [each.file.parent for each in others if each.file.parent not in own.parents]

    def is_ours(path: Path) -> bool:
        return path in named or not (path in theirs or any(map(path.is_relative_to, below)))

    return tuple(each for each in sql.folders(folder, named) if is_ours(each.path))


def _bound(config: Path, content: Mapping[str, Any]) -> tuple[databases.D1, ...]:
    """Return the D1 databases of a configuration, and of those of its environments beside it."""
    beside = (places.of_environment(config, name) for name in places.ENVIRONMENTS)
    contents = [content, *(one.content for one in beside if one)]
    every = [one for each in contents for one in databases.bound(config, each)]
    return tuple({one.binding: one for one in reversed(every)}.values())[::-1]


def _build(config: Path, content: Mapping[str, Any], home: Path, top: Path, manager: str) -> str:
    """Return what builds the Worker, typed in the folder of its configuration."""
    files = str((content.get("assets") or {}).get("directory") or "")
    own = javascript.build(config.parent, home, content, manager)
    placed = relative(config.parent / files, home) if files else ""
    command = workspace.build(home, top, own, manager, placed)
    return node_packages.typed(command, home, config.parent)


def _branch(top: Path) -> str:
    """Return the branch that the remote calls its own; else the one that is checked out."""
    remote = git.output(top, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    here = git.output(top, "symbolic-ref", "--short", "HEAD")
    return remote.partition("/")[2] or here


def _hosting(top: Path) -> str:
    address = git.output(top, "remote", "get-url", "origin")
    if GITLAB in address or (top / ".gitlab-ci.yml").is_file():
        return GITLAB
    return GITHUB if GITHUB in address or (top / ".github").is_dir() else ""


def _named(folder: Path, home: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the names of what the Worker reads, but those that the file has as plain variables.

    A ``.env`` has names for other programs, too: of those only what the Worker's code reads.
    """
    named = [str(name) for name in (content.get("secrets") or {}).get("required") or ()]
    files = [*folder.glob(dev_vars.NAME), *sorted(folder.glob(f"{dev_vars.NAME}.*"))]
    for file in files:
        named += dev_vars.parsed(file)
    if not files:
        examples = [folder / f"{name}.example" for name in dev_vars.DOTENV]
        known = [*dev_vars.read(folder), *_names(examples)]
        named += sources.bindings_read(home, known)
        named += javascript.configured(node_packages.read(home), known)
    plain = content.get("vars") or {}
    return list(dict.fromkeys(str(name) for name in named if name not in plain))


def _sent(named: Iterable[str]) -> Mapping[Sent, list[str]]:
    """Return which of these names reach a Worker as what; nobody's but its own are secrets."""
    found: dict[Sent, list[str]] = {kind: [] for kind in Sent}
    for name in named:
        if name not in _OF_DEVELOPMENT and not name.startswith("DEV_"):
            known = BY_NAME.get(name)
            found[known.sent if known else Sent.WORKER_SECRET].append(name)
    return found


def _names(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        if file.is_file():
            with suppress(Refused):  # another program's
                yield from dev_vars.parsed(file)
