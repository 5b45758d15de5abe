"""Where things are in a repository: its top, the wrangler configurations, their packages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.adoption.tree import CONFIGURATIONS, files, top
from xswarm_deploy.bundling import node_packages, wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings.variables import PRODUCTION, STAGING

_NAMED: Final = re.compile(r"wrangler[.-][\w.-]+\.(?:toml|jsonc?)")
_OF_EXAMPLE: Final = re.compile(r"[.-](?:example|sample|template|tmpl|dist)(?![^.-])")
_OF_TESTS: Final = re.compile(r"[.-](?:tests?|vitest|e2e)(?![^.-])")
_SLUG: Final = re.compile(r"[^a-z0-9]+")
ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    PRODUCTION: (PRODUCTION, "prod", "live"),
    STAGING: (STAGING, "stage", "preview"),
}
"""Environment → what a configuration of its own is called; ``wrangler.dev.toml`` is for dev."""
_WORKSPACES: Final = ("pnpm-workspace.yaml", "turbo.json", "nx.json", "lerna.json", "rush.json")


@dataclass(frozen=True)
class Configuration:
    """One wrangler configuration: the file, and what it says."""

    file: Path
    content: Mapping[str, Any]

    @property
    def is_site(self) -> bool:
        """Return whether it describes a Pages project, and no Worker."""
        return "pages_build_output_dir" in self.content

    @property
    def has_code(self) -> bool:
        """Return whether it names what is deployed: some are for ``wrangler d1`` or Pages alone."""
        environments = self.content.get("env")
        parts = environments.values() if isinstance(environments, Mapping) else ()
        named = (part for part in (self.content, *parts) if isinstance(part, Mapping))
        return any(part.get(key) for part in named for key in ("main", "assets", "site"))


def slug(text: str) -> str:
    """Return a Worker's name that is made of another one."""
    return _SLUG.sub("-", text.lower()).strip("-")[:63] or "worker"


def configurations(start: Path) -> list[Configuration]:
    """Return the nearest configuration from a folder upwards; else all that are below it.

    Args:
        start: where the command was typed.

    Raises:
        Refused: one of them cannot be read; the place is told.
    """
    start, highest = start.resolve(), top(start.resolve())
    for folder in (start, *start.parents):
        here = _in(folder)
        if here:
            return [configuration(file) for file in here]
        if folder == highest:
            break
    return [configuration(file) for file in _below(start)]


def below(start: Path) -> list[Configuration]:
    """Return the configurations of the folders below one.

    Raises:
        Refused: one of them cannot be read; the place is told.
    """
    return [configuration(file) for file in _below(start) if file.parent != start]


def of_environment(config: Path, environment: str) -> Configuration | None:
    """Return the configuration of an environment in a file of its own; None: there is none.

    Such as ``wrangler.staging.jsonc`` beside ``wrangler.jsonc``, which scripts name by --config.

    Args:
        config: the configuration beside which it is looked for.
        environment: production or staging.

    Raises:
        Refused: it cannot be read; the place is told.
    """
    endings = (name.removeprefix("wrangler") for name in CONFIGURATIONS)
    each = product(ENVIRONMENTS[environment], endings, ".-")
    named = (f"wrangler{mark}{name}{end}" for name, end, mark in each)
    files = (config.with_name(name) for name in named if name != config.name)
    found = next((file for file in files if file.is_file()), None)
    return configuration(found) if found else None


def example(folder: Path) -> Path | None:
    """Return a configuration that is an example alone, here or below; None: there is none.

    One that was copied is none any more. Of several it is the one with the plainest name.
    """
    names = (file for file in files(folder) if _is_example(file) and not copied(file).is_file())
    order = lambda file: (len(file.parts), len(re.split("[.-]", file.name)), file)  # noqa: E731
    return min(names, key=order, default=None)


def copied(example: Path) -> Path:
    """Return what an example is copied to."""
    return example.with_name(_OF_EXAMPLE.sub("", example.name, count=1))


def everywhere(start: Path) -> Iterator[Configuration]:
    """Return the configurations of a whole checkout; those that cannot be read are left out."""
    for file in _below(top(start.resolve())):
        with suppress(Refused):  # its own package's check says why
            yield configuration(file)


def configuration(file: Path) -> Configuration:
    """Read one configuration.

    Raises:
        Refused: it is none; the place is told.
    """
    return Configuration(file, wrangler.parsed(file))


def project_folder(start: Path, config: Path) -> Path:
    """Return the folder that gets invoke.yaml: the package's of a workspace or of several Workers.

    Args:
        start: where the command was typed.
        config: the wrangler configuration.
    """
    start, own = start.resolve(), config.parent
    if own == start or own in start.parents:
        return own
    above = [folder for folder in (own, *own.parents) if start in (folder, *folder.parents)]
    packages = (folder for folder in above[:-1] if (folder / "package.json").is_file())
    if _has_several(start):
        return next(packages, own)
    return next(packages, start) if _is_workspace(start) else start


def _has_several(start: Path) -> bool:
    """Return whether Workers are in several folders: each has an invoke.yaml of its own."""
    known = (each for each in everywhere(start) if each.has_code and not each.is_site)
    return len({each.file.parent for each in known if each.file.is_relative_to(start)}) > 1


def _in(folder: Path) -> list[Path]:
    """Return the configuration that wrangler finds in a folder; else those that it must be told."""
    own = next((folder / name for name in CONFIGURATIONS if (folder / name).is_file()), None)
    return [own] if own else sorted(file for file in folder.glob("wrangler*") if _is_named(file))


def _is_named(file: Path) -> bool:
    """Return whether a file is a configuration for ``wrangler deploy --config``.

    No example, and none for tests, which no Worker that is live is made of.
    """
    meant = not (_OF_EXAMPLE.search(file.name) or _OF_TESTS.search(file.name))
    return meant and _NAMED.fullmatch(file.name) is not None and file.is_file()


def _is_example(file: Path) -> bool:
    name = copied(file).name
    given = name in CONFIGURATIONS or _NAMED.fullmatch(name) is not None
    return name != file.name and given


def _below(start: Path) -> Iterator[Path]:
    folders = dict.fromkeys(
        file.parent for file in files(start) if file.name in CONFIGURATIONS or _is_named(file)
    )
    yield from (file for folder in folders for file in _in(folder))


def _is_workspace(folder: Path) -> bool:
    named = any((folder / name).is_file() for name in _WORKSPACES)
    return named or "workspaces" in node_packages.read(folder)
