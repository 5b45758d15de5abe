"""A repository without a wrangler configuration, whose framework's build makes one.

Nuxt, SolidStart and others that build by Nitro, and Cloudflare's Vite plugin without a file of its
own, write it at each build and name it in ``.wrangler/deploy/config.json``, as wrangler finds it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from xswarm_deploy.adoption import javascript, places, tree
from xswarm_deploy.bundling import node_packages, programs, wrangler
from xswarm_deploy.errors import Refused

WRITTEN: Final = "wrangler.jsonc"
"""What invoke.yaml names as the configuration: where a written one would be."""


class Build(NamedTuple):
    """What makes the configuration.

    Args:
        command: to be run in the folder.
        framework: whose build it is.
    """

    command: str
    framework: str


def needed(folder: Path) -> Build | None:
    """Return the build that may make the configuration of a folder; None: there is no framework.

    Raises:
        Refused: its packages are not installed.
    """
    package = node_packages.read(folder)
    framework = javascript.framework(package)
    manager = node_packages.manager(folder, tree.top(folder))
    command = javascript.build(folder, folder, {}, manager)
    if not framework or not command:
        return None
    missing = javascript.not_installed(folder, package)
    if missing:
        what = f"no wrangler configuration is there: the build of {framework} makes one"
        why = f"{missing[0]} is not installed, so that it cannot be built"
        raise Refused(what, why, f"{manager} install, then: inv init")
    return Build(command, framework)


def found(folder: Path) -> places.Configuration | None:
    """Return the configuration that a build made; None: there is none.

    Raises:
        Refused: it cannot be read.
    """
    file = wrangler.redirected(folder)
    return places.Configuration(folder / WRITTEN, wrangler.parsed(file)) if file else None


def required(folder: Path, build: Build) -> places.Configuration:
    """Return the configuration that a build has just made.

    Raises:
        Refused: it made none.
    """
    made = found(folder)
    if made:
        return made
    example: dict[str, Any] = {"name": folder.name, "compatibility_date": programs.newest_date()}
    if (folder / "dist/index.html").is_file():
        example["assets"] = {"directory": "dist"}
    ways = f"set up {build.framework} for Cloudflare Workers, or write {WRITTEN}: "
    raise Refused(
        f"{build.command} made no Worker",
        f"there is no {wrangler.REDIRECT}, by which wrangler would find one",
        ways + json.dumps(example),
    )


class Other(NamedTuple):
    """A Worker that a build makes beside the one that is released (Vite's auxiliaryWorkers).

    Args:
        name: its own.
        made: its configuration, as the build wrote it.
        written: as a person wrote it; the same where the build does not say.
    """

    name: str
    made: Path
    written: Path


def others(written: Path) -> list[Other]:
    """Return the Workers that the build of a configuration makes beside its own.

    Args:
        written: the configuration, as a person wrote it.

    Raises:
        Refused: one of them cannot be read.
    """
    for folder in written.parents:
        found = {made: wrangler.written_as(made) for made in wrangler.all_redirected(folder)}
        if written.resolve() in found.values():
            return [
                Other(str(wrangler.parsed(made).get("name")), made, source)
                for made, source in found.items()
                if source != written.resolve()
            ]
    return []
