"""Whether there is an error budget left for a release: the key ``monitor.slo`` of invoke.yaml."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from xswarm_deploy.model.report import Probe
from xswarm_deploy.preflight.looking import Seen, probe

if TYPE_CHECKING:
    from xswarm_deploy.site import Site
    from xswarm_monitoring.slo import Slo

GROUP: Final = "error budget"
_REMEDY: Final = (
    "inv monitor.slo; to release all the same: monitor.slo.release: allow in invoke.yaml"
)


def probes(site: Site) -> list[Probe]:
    """Look at the budget, where invoke.yaml has objectives."""
    if not site.settings.monitor.get("slo"):
        return []
    from xswarm_deploy.settings.settings import alerting_rules
    from xswarm_monitoring.slo import ALLOW

    slo = alerting_rules(site.settings.monitor).slo
    critical = slo.release != ALLOW
    return [probe("error budget", GROUP, lambda: _left(site, slo), critical=critical)]


def _left(site: Site, slo: Slo) -> Seen | str:
    from xswarm_deploy.verification import error_budget
    from xswarm_monitoring.slo import ALLOW

    found = error_budget.budgets(site, slo, time.time())
    spent = [each for each in found if each.spent > 1]
    evidence = "; ".join(map(error_budget.told, spent or found))
    if not spent:
        return evidence
    return Seen("warn" if slo.release == ALLOW else "fail", evidence, _REMEDY)
