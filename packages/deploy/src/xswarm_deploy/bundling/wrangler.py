"""The wrangler configuration as wrangler reads it: TOML, JSON or JSONC, and its environments."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import jsonc
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": jsonc.loads,  # wrangler takes comments in both
    ".jsonc": jsonc.loads,
}
INHERITED: Final = frozenset(
    {
        "account_id",
        "assets",
        "build",
        "compatibility_date",
        "compatibility_flags",
        "limits",
        "main",
        "migrations",
        "observability",
        "placement",
        "preview_urls",
        "route",
        "routes",
        "triggers",
        "workers_dev",
    }
)
"""Keys that an environment takes from the top level; bindings and variables it must name itself."""


def read(settings: Settings) -> Mapping[str, Any]:
    """Read what a release deploys: the file's top level, or the environment of it that is named.

    Raises:
        Refused: there is no such file or environment, or it cannot be read; the place is told.
    """
    worker = settings.project.worker
    content = parsed(settings.path(worker.config))
    return environment(content, worker.environment) if worker.environment else content


def parsed(file: Path) -> Mapping[str, Any]:
    """Parse a wrangler configuration by its own rules.

    Raises:
        Refused: there is none, or it cannot be read; the place is told.
    """
    reader = READERS.get(file.suffix)
    if reader is None or not file.is_file():
        why = "no such file" if reader else f"{file.suffix} is none of {', '.join(READERS)}"
        raise Refused(f"{file.name} is no wrangler configuration", why, "set deploy.worker.config")
    try:
        content = reader(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(
            f"{file.name} cannot be read", str(error), f"correct {file.name} there"
        ) from None
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
    known = content.get("env") or {}
    if name not in known:
        raise Refused(
            f"the wrangler configuration has no environment {name!r}",
            f"under env it has {', '.join(sorted(known)) or 'nothing'}",
            "correct deploy.worker.environment in invoke.yaml",
        )
    inherited = {key: value for key, value in content.items() if key in INHERITED}
    return {"name": f"{content.get('name')}-{name}", **inherited, **known[name]}
