"""Cloudflare: the token, and what it may do; asked of every resource a release touches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from xswarm_deploy import permissions
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.model.split import met
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.services.errors import Forbidden, ServiceError
from xswarm_deploy.steps import traffic
from xswarm_deploy.steps.unversioned import subdomain
from xswarm_deploy.verification import prospect, target

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
from xswarm_deploy.site import Site

GROUP: Final = "cloudflare"
ACCOUNT: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
KEYS: Final = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", *ACCOUNT)
SOON: Final = 14 * 86400.0  # seconds before a token's end that are worth a warning
REMEDY: Final = (
    "give the token Workers Scripts, Pages and R2: Edit (Cloudflare: My Profile, API Tokens)"
)


def probes(site: Site) -> list[Probe]:
    """Look at the token and each resource: an active token alone proves nothing."""
    parts = site.settings.project.parts
    looks = {
        "API token": (lambda: _token(site), True),
        "Workers permission": (lambda: _workers(site), True),
        "proof of the version": (lambda: _proof(site), True),
        "Pages permission": (lambda: _pages(site), "site" in parts),
        "R2 permission": (lambda: _bucket(site), "r2" in parts),
    }
    made: list[Probe] = [
        probe(name, GROUP, look, needs=ACCOUNT, needed=True, remedy=REMEDY)
        for name, (look, used) in looks.items()
        if used
    ]
    if "r2" not in parts:
        return made
    remedy = "make new keys (R2, Manage API Tokens): Object Read and Write on the bucket"
    objects = probe("R2 objects", GROUP, lambda: _objects(site), needs=KEYS, remedy=remedy)
    return [*made, objects]


def _token(site: Site) -> Seen | str:
    token = site.cloudflare.verify_token()
    if token.status != "active":
        return Seen("fail", f"the token is {token.status}", REMEDY)
    if not token.expires_on:
        return "active, without an end"
    left = datetime.fromisoformat(token.expires_on).timestamp() - _now(site)
    evidence = f"active, ends in {left / 86400:.0f} days"
    return Seen("warn", evidence, "make a new token in time") if left < SOON else evidence


def _workers(site: Site) -> Seen | str:
    """Read deployments, versions and secrets, and ask to change: what every release begins with."""
    try:
        deployments = site.cloudflare.deployments(site.worker)
    except Forbidden as error:
        reached = _others(site)
        if not reached:
            raise
        return Seen("fail", f"{error}; the token reaches {reached}", permissions.OTHER_ACCOUNT)
    site.cloudflare.secrets(site.worker)
    site.cloudflare.assets.require_permission(site.worker)
    if not deployments:
        return f"worker {site.worker} is made by the release"
    evidence = f"worker {site.worker}, deployed {deployments[0].created_on}"
    if set(met(deployments[0].split)) <= set(traffic.deployable(site)[: traffic.DEPLOYABLE - 1]):
        return evidence
    count = traffic.DEPLOYABLE
    old = f"{evidence}; {count} versions were made since, so a release cannot go back to it"
    return Seen("warn", old, "release what is live once more, from its commit")


def _others(site: Site) -> str:
    """Return the accounts that the token reaches; empty: ours is one, or it tells none."""
    try:
        found = site.cloudflare.accounts()
    except ServiceError:
        return ""
    if site.settings.text("CLOUDFLARE_ACCOUNT_ID") in {one["id"] for one in found}:
        return ""
    return ", ".join(f"{one.get('name', '')} ({one['id']})" for one in found)


def _proof(site: Site) -> Seen | str:
    """Look how a release will know which version answers."""
    live = bool(site.cloudflare.deployments(site.worker))
    found = prospect.foreseen(site, live=live)
    if found.means == "preview" and not live and _is_hidden(site):
        later = "; from the next release on nothing proves it: no address, and preview URLs are off"
        return Seen("warn", found.evidence + later, prospect.ways(site))
    if found.means != "none":
        return found.evidence
    allowed = site.settings.project.verify.unproven == prospect.ALLOW
    return Seen("warn" if allowed else "fail", found.evidence, prospect.ways(site))


def _is_hidden(site: Site) -> bool:
    """Return whether nobody can ask the Worker once its first version is verified."""
    if not (target.has_none(site) and wrangler.file(site.settings).is_file()):
        return False
    return not subdomain.described(wrangler.read(site.settings), site.worker)["previews"]


def _pages(site: Site) -> str:
    name = site.settings.project.pages.project
    found = site.cloudflare.pages.project(name)
    return f"project {name}" if found else f"project {name} is made by the release"


def _bucket(site: Site) -> str:
    name = site.settings.project.r2.bucket
    found = site.cloudflare.bucket(name)
    return f"bucket {name}" if found else f"bucket {name} is made by the release"


def _objects(site: Site) -> Seen | str:
    """Write, read and delete an object under our own prefix."""
    name = site.settings.project.r2.bucket
    site.objects.open_ahead(1)  # while Cloudflare's own API is asked for the bucket
    if site.cloudflare.bucket(name) is None:
        return Seen("skip", f"bucket {name} is made by the release")
    site.objects.probe()
    return f"bucket {name}: written, read back, deleted"


def _now(site: Site) -> float:
    return site.cloudflare.http.clock.now()
