"""Verify a deployed version by all that invoke.yaml expects of it; a gate.

What to look at is in :mod:`xswarm_deploy.verification`, one noun a file. Everything is
asked at once; the speed is measured afterwards, alone. What a project does not configure
is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.model.report import Finding, Probe, Report, run_probes
from xswarm_deploy.site import Site
from xswarm_deploy.verification.target import OVERRIDE, Target, dark, is_own, live, preview

if TYPE_CHECKING:
    from xswarm_deploy.verification.asker import Asker

__all__ = ["NAME", "OVERRIDE", "Target", "dark", "gate", "is_own", "live", "preview", "run"]

NAME: Final = "verify"


def gate(site: Site, target: Target, *, quick: bool = False) -> Report:
    """Verify, and refuse to go on when a critical finding failed.

    Args:
        site: the environment.
        target: where to ask.
        quick: only the quick routes.

    Raises:
        CheckFailed: the failures are named.
    """
    report = run(site, target, quick=quick)
    if report.ok and report.untold and target.headers:  # what is live was verified before it was
        raise CheckFailed(
            f"version {target.version[:8] or 'live'} could not be verified: "
            "the Worker limits its callers (429)",
            "; ".join(f"{f.name}: {f.evidence}" for f in report.untold),
            f"wait, then: {site.deploy_command}; or let the Worker recognise signed probes",
        )
    if not report.ok:
        why = "; ".join(f"{f.name}: {f.evidence}" for f in report.failures)
        raise CheckFailed(
            f"version {target.version[:8] or 'live'} is not good",
            why,
            "fix it and deploy again; no user met it" if target.headers else "inv verify",
        )
    return report


def run(site: Site, target: Target, *, quick: bool = False) -> Report:
    """Ask everything of invoke.yaml at once, then measure the speed.

    Args:
        site: the environment.
        target: where to ask.
        quick: only what invoke.yaml marks as quick, and no measuring.
    """
    from xswarm_deploy.services.http import new_session
    from xswarm_deploy.verification import routes, version
    from xswarm_deploy.verification.asker import Asker

    with new_session() as session:
        asker = Asker(site, target, session)
        version.wait(asker)
        report = run_probes(NAME, _chosen(site, _probes(asker, quick=quick)))
        findings = routes.timed_alone(asker, report.findings)
        if not quick:
            findings += _measured(asker)
        return report._replace(findings=tuple(findings))


def _measured(asker: Asker) -> Sequence[Finding]:
    from xswarm_deploy.verification import performance

    left_out = performance.NAME in _left_out(asker.site)
    return () if left_out else performance.measured(asker)


def _probes(asker: Asker, *, quick: bool) -> list[Probe]:
    """Return what is looked at; what takes longest is first to begin."""
    from xswarm_deploy.verification import routes, version

    asked = [*routes.probes(asker, quick=quick), *version.probes(asker)]
    if quick:
        return asked
    from xswarm_deploy.verification import assets, authentication, browsers, limits
    from xswarm_deploy.webhooks import probes as webhooks

    target = asker.target
    return [
        *authentication.probes(asker),
        *asked,
        *browsers.probes(asker),
        *limits.probes(asker),
        *webhooks.probes(asker.site, target.url, target.headers),
        *assets.probes(asker),
    ]


def _chosen(site: Site, probes: Iterable[Probe]) -> list[Probe]:
    return [probe for probe in probes if probe.group not in _left_out(site)]


def _left_out(site: Site) -> frozenset[str]:
    """Return the groups that invoke.yaml leaves out."""
    return frozenset(name.strip() for name in site.settings.project.verify.skip.split(","))
