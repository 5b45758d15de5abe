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

_NAMED: Final = re.compile(
    r"wrangler[.-](?!(?:example|sample|template|dist)\.)[\w.-]+\.(?:toml|jsonc?)"
)
_SLUG: Final = re.compile(r"[^a-z0-9]+")
_EXAMPLES: Final = ("{0}.{1}", "wrangler.{1}.toml", "wrangler.{1}.json", "wrangler.{1}.jsonc")
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


def example(folder: Path) -> Path | None:
    """Return a wrangler configuration that is there as an example alone; None: there is none."""
    endings = ("example", "sample", "template", "dist")
    names = (form.format(*pair) for pair in product(CONFIGURATIONS, endings) for form in _EXAMPLES)
    return next((folder / name for name in names if (folder / name).is_file()), None)


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
    """Return the folder that gets invoke.yaml: of a workspace the package, else where one is.

    Args:
        start: where the command was typed.
        config: the wrangler configuration.
    """
    start, own = start.resolve(), config.parent
    if own == start or own in start.parents:
        return own
    above = [folder for folder in (own, *own.parents) if start in (folder, *folder.parents)]
    for folder in above[:-1]:
        if (folder / "package.json").is_file() and _is_workspace(start):
            return folder
    return start


def _in(folder: Path) -> list[Path]:
    """Return the configuration that wrangler finds in a folder; else those that it must be told."""
    own = next((folder / name for name in CONFIGURATIONS if (folder / name).is_file()), None)
    return [own] if own else sorted(file for file in folder.glob("wrangler*") if _is_named(file))


def _is_named(file: Path) -> bool:
    """Return whether a file is a configuration for ``wrangler deploy --config``, and no example."""
    return _NAMED.fullmatch(file.name) is not None and file.is_file()


def _below(start: Path) -> Iterator[Path]:
    folders = dict.fromkeys(
        file.parent for file in files(start) if file.name in CONFIGURATIONS or _is_named(file)
    )
    yield from (file for folder in folders for file in _in(folder))


def _is_workspace(folder: Path) -> bool:
    named = any((folder / name).is_file() for name in _WORKSPACES)
    return named or "workspaces" in node_packages.read(folder)
