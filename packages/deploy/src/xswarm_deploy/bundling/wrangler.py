"""The wrangler configuration as wrangler reads it: TOML, JSON or JSONC, and its environments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import configuration_shape, jsonc, toml
from xswarm_deploy.bundling.configuration_keys import KEYS, Scope
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".toml": toml.loads,
    ".json": jsonc.loads,  # wrangler takes comments in both
    ".jsonc": jsonc.loads,
}
REDIRECT: Final = ".wrangler/deploy/config.json"
"""Where a framework's build names the configuration that it made, beside the written one."""
_BUILD: Final = "deploy.worker.build in invoke.yaml"


def file(settings: Settings) -> Path:
    """Return the configuration that is deployed: the one a build made, else the written one.

    React Router, Astro and Cloudflare's Vite plugin write a configuration of their own at each
    build, and name it in :data:`REDIRECT`; wrangler deploys that one. One that was made for another
    environment, or is gone, tells nothing: a rollback needs none, and :func:`require_built` refuses
    to deploy so.
    """
    written = settings.path(settings.project.worker.config)
    try:
        built = made(settings)
        meant = built and _target(built) == settings.project.worker.environment
    except Refused:
        return written
    return built if built and meant else written


def made(settings: Settings) -> Path | None:
    """Return the configuration that a build made, for whichever environment; None: there is none.

    A build that runs in a folder above says which written one each of its own was made of.

    Raises:
        Refused: it cannot be read, or is not there.
    """
    written = settings.path(settings.project.worker.config)
    return redirected(written.parent) or _made_above(written)


def _made_above(written: Path) -> Path | None:
    written = Path(os.path.realpath(written))  # a link to itself is told as no file
    built = (file for folder in written.parents[1:] for file in all_redirected(folder))
    return next((file for file in built if written_as(file) == written), None)


def all_redirected(folder: Path) -> list[Path]:
    """Return all configurations that a build made for a folder: a Worker's, its auxiliary ones."""
    redirect = folder / REDIRECT
    told = _parsed(redirect) if redirect.is_file() else {}
    named = [
        told.get("configPath"),
        *(o.get("configPath") for o in told.get("auxiliaryWorkers", ())),
    ]
    found = [(redirect.parent / str(name)).resolve() for name in named if name]
    return [file for file in found if file.is_file()]


def written_as(built: Path) -> Path:
    """Return the configuration that a built one was made of; itself, where it does not say."""
    return Path(str(parsed(built).get("userConfigPath") or built)).resolve()


def redirected(folder: Path) -> Path | None:
    """Return the configuration that a build made for a folder, and named there.

    Raises:
        Refused: it cannot be read, or is not there.
    """
    redirect = folder / REDIRECT
    if not redirect.is_file():
        return None
    named = _parsed(redirect).get("configPath")
    found = (redirect.parent / str(named)).resolve()
    if not named or not found.is_file():
        raise Refused(
            f"{REDIRECT} names no configuration",
            f"its configPath is {named!r}",
            "build the Worker again, or remove that file",
        )
    return found


def require_built(settings: Settings) -> None:
    """Refuse to deploy where a build's configuration is gone, or another environment's.

    Raises:
        Refused: with what to type.
    """
    chosen, built = settings.project.worker.environment, made(settings)
    _require_single(built)
    target = _target(built) if built else chosen
    if built and target != chosen:
        how = f"build it again with CLOUDFLARE_ENV={chosen}" if chosen else "build it again"
        raise Refused(
            f"the Worker was built for {_named(target)}, and {_named(chosen)} is to be deployed",
            f"{built.name} was made by a build, which chooses the environment",
            how if settings.project.worker.build else f"{how}, or name the build: {_BUILD}",
        )


def _require_single(built: Path | None) -> None:
    """Refuse a built configuration of several environments, as wrangler does; Nitro copies them."""
    parts = sorted(_environments(parsed(built))) if built else []
    if built and parts:
        raise Refused(
            f"{built.name} was made by the build, and has environments: {', '.join(parts)}",
            "wrangler takes a built configuration for one environment alone",
            "let the build write none (of Nuxt and Nitro: cloudflare.deployConfig false), with"
            " its output as main and assets in the file that is written; or take env out of that",
        )


def _target(built: Path) -> str:
    return str(parsed(built).get("targetEnvironment") or "")


def read(settings: Settings) -> Mapping[str, Any]:
    """Read what a release deploys: the file's top level, or the environment of it that is named.

    Raises:
        Refused: there is no such file or environment, or it cannot be read; the place is told.
    """
    chosen, found = settings.project.worker.environment, file(settings)
    build = settings.project.worker.build
    if build and not found.is_file():
        raise Refused(
            f"there is no {found.name}", "the build makes it, and did not run here", build
        )
    content = parsed(found)
    if chosen and found == settings.path(settings.project.worker.config):
        content = environment(content, chosen)
    return _shaped(content, found)


def read_tagged(settings: Settings) -> Mapping[str, Any]:
    """Read what a release deploys, with the names that Cloudflare groups environments by.

    They are those a build writes into its own configuration: ``topLevelName``,
    ``definedEnvironments``, ``targetEnvironment``.
    """
    content, whole = read(settings), parsed(file(settings))
    if "topLevelName" in whole or "env" not in whole:
        return content
    named = {
        "topLevelName": whole.get("name"),
        "definedEnvironments": sorted(_environments(whole)),
        "targetEnvironment": settings.project.worker.environment,
    }
    return {**content, **named}


def parsed(file: Path) -> Mapping[str, Any]:
    """Parse a wrangler configuration by its own rules.

    Raises:
        Refused: there is none, or it cannot be read; the place is told.
    """
    reader = READERS.get(file.suffix)
    if reader is None or not file.is_file():
        why = "no such file" if reader else f"{file.suffix} is none of {', '.join(READERS)}"
        raise Refused(f"{file.name} is no wrangler configuration", why, "set deploy.worker.config")
    return _said(_parsed(file))


def _said(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what wrangler takes as not written: a null, and a route or account of no letters.

    Source: wrangler's ``inheritable`` and ``notInheritable``, ``mutateEmptyStringRouteValue``.
    """
    return {
        key: value
        for key, value in content.items()
        if value is not None and not (value == "" and key in ("route", "account_id"))
    }


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        content = READERS[file.suffix](file.read_text(encoding="utf-8-sig"))  # with a BOM or not
    except (ValueError, RecursionError) as error:
        way_on = f"correct {file.name} there"
        raise Refused(f"{file.name} cannot be read", str(error), way_on) from None
    if not isinstance(content, Mapping):
        raise Refused(f"{file.name} is no wrangler configuration", "it is no table")
    return content


def environment(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an environment of a configuration, with what it inherits.

    Args:
        content: the whole file.
        name: the environment's, under ``env``.

    Raises:
        Refused: the file has none of that name.
    """
    known = _environments(content)
    if name not in known:
        raise Refused(
            f"the wrangler configuration has no environment {name!r}",
            f"under env it has {', '.join(sorted(known)) or 'nothing'}",
            "correct deploy.worker.environment in invoke.yaml",
        )
    own = known[name]
    if not isinstance(own, Mapping):
        what = f"env.{name} of the wrangler configuration is no table"
        raise Refused(what, f"it is {own!r}", "correct it there")
    own = {key: value for key, value in _said(own).items() if _scope(key) is not Scope.TOP}
    left = {"name", "env", *(["route"] if "routes" in own else ())}  # routes are read first
    taken = {
        key: value
        for key, value in content.items()
        if key not in left and _scope(key) is not Scope.OWN
    }
    named = {"name": f"{content['name']}-{name}"} if content.get("name") else {}
    return {**named, **taken, **own}


def _scope(key: str) -> Scope:
    return KEYS[key].scope if key in KEYS else Scope.INHERITED


def _environments(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under ``env``.

    Raises:
        Refused: it is no table.
    """
    found = content.get("env") or {}
    if not isinstance(found, Mapping):
        what = "env of the wrangler configuration is no table"
        raise Refused(what, f"it is {found!r}", "correct it there")
    return found


def _shaped(content: Mapping[str, Any], found: Path) -> Mapping[str, Any]:
    """Return a configuration whose parts have the shape that is relied upon."""
    configuration_shape.require(content, found.name)
    return content


def _named(environment: str) -> str:
    return f"the environment {environment}" if environment else "the top level"
