"""A Worker without an address: its versions are asked at their preview hosts, or not at all."""

from __future__ import annotations

from xswarm_deploy.model.report import UNPROVEN, Finding
from xswarm_deploy.model.split import met
from xswarm_deploy.site import Site
from xswarm_deploy.verification.prospect import ALLOW, NOWHERE, WAYS, no_preview
from xswarm_deploy.verification.target import Target, has_none, preview


def instead(site: Site, target: Target) -> Target | None:
    """Return where to ask; None: nowhere.

    Args:
        site: the environment.
        target: where one would ask a Worker that has an address.
    """
    if target.alone or not has_none(site):
        return target
    version = target.version or _live(site)
    return preview(site, version) if version and not no_preview(site) else None


def finding(site: Site) -> Finding:
    """Return as a line of a report that nothing was asked."""
    allowed = site.settings.project.verify.unproven == ALLOW
    evidence = f"{UNPROVEN}: {NOWHERE}; {no_preview(site)}"
    return Finding(
        "version", "version", "warn" if allowed else "unknown", not allowed, evidence, WAYS
    )


def _live(site: Site) -> str:
    """Return the version that has most of the traffic; empty: there is none."""
    deployments = site.cloudflare.deployments(site.worker)
    split = met(deployments[0].split) if deployments else {}
    return max(split, key=lambda version: split[version], default="")
