"""Whether those who receive what is measured take it: the key ``monitor.push`` of invoke.yaml."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from xswarm_deploy.model.report import Probe, Status
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.services import receivers
from xswarm_monitoring.delivery import Refused
from xswarm_monitoring.push import Target

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

GROUP: Final = "monitoring"


def probes(site: Site) -> list[Probe]:
    """Ask each receiver, with nothing to keep."""
    if not site.settings.monitor.get("push"):
        return []
    return [
        probe(f"push to {target.kind}", GROUP, partial(_asked, site, target), critical=False)
        for target in site.settings.push_targets()
    ]


def _asked(site: Site, target: Target) -> Seen | str:
    settings = site.settings
    if target.secret and not settings.secret(target.secret):
        remedy = f"put {target.secret} into {settings.source}"
        return Seen("warn", f"{target.secret} has no value here: it cannot be tried", remedy)
    try:
        return receivers.check(settings, target)
    except Refused as error:
        evidence = f"{target.endpoint}: {error.why}"
        status: Status = "unknown" if error.passes else "warn"
        return Seen(status, evidence, f"correct monitor.push in invoke.yaml, or {_key(target)}")


def _key(target: Target) -> str:
    return f"the key {target.secret}" if target.secret else "name its key by `secret`"
