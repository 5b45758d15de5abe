"""The routes of the live Worker that verification never asks: each is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.verification import coverage

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "routes"
_NAMED: Final = 8  # routes in one line of the report
_REMEDY: Final = "inv verify.suggest; or name them in deploy.verify.not_asked"


def probes(site: Site) -> list[Probe]:
    """Compare what the Worker's router says with what invoke.yaml asks."""
    needs = ("WORKER_URL",)
    return [probe("all routes", GROUP, lambda: _asked(site), needs=needs, critical=False)]


def _asked(site: Site) -> Seen | str:
    try:
        listed = coverage.told(Monitor.of(site.settings))
    except ServiceUnavailable as error:  # before a first release nobody is there to ask
        return Seen("skip", f"the live Worker does not tell: {error.said}")
    if listed is None:
        why = "no list: the live Worker has no such monitor, and no /openapi.json"
        return Seen("skip", why)
    missing = coverage.missing(listed.routes, site.settings.project)
    if not missing:
        return f"all {len(listed.routes)} of {listed.by} are asked"
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    named = ", ".join(f"{method} {path}" for method, path in missing[:_NAMED])
    evidence = f"{len(missing)} of {len(listed.routes)} are asked by nobody: {named}{more}"
    return Seen("warn", evidence, _REMEDY)
