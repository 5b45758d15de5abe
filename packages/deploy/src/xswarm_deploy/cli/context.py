"""The command line's context: which environment, which project, and what was agreed to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from invoke.context import Context

from xswarm_deploy import errors
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import opening
from xswarm_deploy.release.current import current
from xswarm_deploy.settings import repository
from xswarm_deploy.settings.settings import Settings, load, with_variables
from xswarm_deploy.settings.variables import LOCAL
from xswarm_deploy.site import Site

ROOT: Final = repository.find(Path.cwd())
YES: Final = "do not ask (without a terminal the answer is NO; the local twin never asks)"
"""The help of ``--yes`` where :func:`agreed` decides."""
_announced: set[str] = set()


def environment(c: Context) -> str:
    """Return the environment tasks act on: named on the line, INVOKE_DEPLOY_ENV, or local."""
    return named(c) or LOCAL


def named(c: Context) -> str:
    """Return the environment that somebody named; empty: nobody did.

    Invoke reads a variable only where invoke.yaml has its key, which `init` does not write.
    """
    return str(_deploy(c).get("env") or os.environ.get("INVOKE_DEPLOY_ENV", ""))


def select_environment(c: Context, name: str) -> None:
    """Let everything that follows on the line act on an environment.

    Raises:
        Refused: invoke.yaml has the key ``deploy`` with nothing below it.
    """
    if "deploy" not in c.config:
        c.config["deploy"] = {}  # type: ignore[assignment]
    if c.config["deploy"] is None:
        raise _nothing_named()
    c.config["deploy"]["env"] = name
    errors.act_on(name)


def agreed(c: Context, yes: bool) -> bool:
    """Return whether nobody has to be asked: ``--yes`` was given, or it is the local twin."""
    return yes or environment(c) == LOCAL


def dry(c: Context) -> bool:
    """Return whether Invoke's ``--dry`` was given: print the plan, change nothing."""
    return bool(c.config.run.dry)


def values(c: Context) -> dict[str, Any]:
    """Return the key ``deploy`` of invoke.yaml as plain data; empty where there is none.

    Raises:
        Refused: a variable of the process environment names no setting, or does not fit.
    """
    return with_variables(_plain(_deploy(c)), os.environ, "deploy")


def project_values(c: Context) -> dict[str, Any]:
    """Return the key ``deploy`` of invoke.yaml, which must name the Worker.

    Raises:
        Refused: invoke.yaml is missing or empty, or names no Worker: there is nothing to act on.
    """
    found = values(c)
    if not _names_a_worker(found, environment(c)):
        raise _nothing_named()
    return found


def settings(c: Context) -> Settings:
    """Read the environment's settings.

    Raises:
        Refused: invoke.yaml names no Worker, or the settings cannot be read.
    """
    monitor = with_variables(_plain(c.config.get("monitor") or {}), os.environ, "monitor")
    return load(environment(c), project_values(c), ROOT, os.environ, monitor)


def open_site(c: Context, *, quiet: bool = False) -> Site:
    """Open the environment, and print first what will be acted on.

    Args:
        c: the task's context.
        quiet: print nothing, as for ``--json``.

    Raises:
        Refused: the environment file is missing or invalid.
    """
    running = current()
    if running:
        return running.site
    found = settings(c)
    if not quiet:
        announce(found)
    return opening.opened(found)


def announce(found: Settings) -> None:
    """Print which environment is acted on; once for each."""
    if found.environment not in _announced:
        _announced.add(found.environment)
        target = f"worker {found.project.worker.name} at {found.text('WORKER_URL')}"
        Console(sys.stderr).line(f"{found.environment} ({found.read_from}): {target}", "dim")


def _nothing_named() -> Refused:
    return Refused(
        "no Worker is named, so there is nothing to act on",
        f"{ROOT / 'invoke.yaml'} is missing, is empty, or has no deploy.worker.name",
        "inv init; or write into invoke.yaml: "
        "deploy: {worker: {name: NAME, config: wrangler.jsonc}}",
    )


def _deploy(c: Context) -> Any:
    """Return the key ``deploy`` of invoke.yaml as Invoke has it; empty where there is none."""
    found = c.config.get("deploy") or {}
    if not _is_mapping(found):
        raise Refused(
            "invoke.yaml: deploy must be a block of `key: value` lines", f"it is {found!r}"
        )
    return found


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "_config")


def _names_a_worker(found: Mapping[str, Any], environment: str) -> bool:
    own = (found.get("environments") or {}).get(environment) or {}
    workers = [part.get("worker") for part in (found, own) if isinstance(part, Mapping)]
    return any(w.get("name") if isinstance(w, Mapping) else w for w in workers)


def _plain(value: Any) -> Any:
    if _is_mapping(value):
        return {str(key): _plain(value[key]) for key in value}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
