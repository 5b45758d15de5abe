"""The routes of the live Worker that verification never asks: each is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xswarm_deploy.bundling import node_packages
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.verification import coverage, sources

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "routes"
_MOST: Final = 8  # routes in one line of the report
_REMEDY: Final = "inv verify.suggest; or name them in deploy.verify.not_asked"


def probes(site: Site) -> list[Probe]:
    """Compare what the Worker's router says with what invoke.yaml asks."""
    needs = ("WORKER_URL",)
    return [probe("all routes", GROUP, lambda: _asked(site), needs=needs, critical=False)]


def _asked(site: Site) -> Seen | str:
    try:
        listed = coverage.told(Monitor.of(site.settings))
    except ServiceUnavailable as error:  # before a first release nobody is there to ask
        seen = _in_code(site)
        silent = f"the live Worker does not tell: {error.said}"
        return seen if seen.status == "warn" else Seen("skip", silent)
    if listed is None:
        return _in_code(site)
    missing = coverage.missing(listed.routes, site.settings.project)
    if not missing:
        return f"all {len(listed.routes)} of {listed.by} are asked"
    evidence = f"{len(missing)} of {len(listed.routes)} are asked by nobody: {_named(missing)}"
    return Seen("warn", evidence, _REMEDY)


def _in_code(site: Site) -> Seen:
    """Look for routes in the code, where the Worker tells none and none of it is asked."""
    settings = site.settings
    config = settings.path(settings.project.worker.config)
    folder = node_packages.home(config.parent, settings.root)
    asked = {path for _, path in coverage.asks(settings.project)} - {"/"}
    if asked or not folder.is_dir():
        return Seen("skip", "no list: the live Worker has no such monitor, and no /openapi.json")
    found = [(one.method, one.path) for one in sources.in_code(settings.root, folder)]
    missing = [one for one in coverage.missing(found, settings.project) if one[1] != "/"]
    if not missing:
        return Seen("skip", "the live Worker tells no routes, and its code shows none but the root")
    evidence = f"the root alone is asked; the code has {_named(list(dict.fromkeys(missing)))}"
    return Seen("warn", evidence, _REMEDY)


def _named(routes: Sequence[coverage.Named]) -> str:
    more = f" and {len(routes) - _MOST} more" if len(routes) > _MOST else ""
    return ", ".join(f"{method} {path}" for method, path in routes[:_MOST]) + more
