"""The custom domains: hosts that lead to the Worker, with DNS record and certificate.

One that leads to another Worker, or has a DNS record already, is never taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned import reachable, zones
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class Domains:
    """Custom domains, each with the id of its zone."""

    zones: Mapping[str, str]


def _told(after: Domains) -> str:
    return ", ".join(after.zones) or "none"


ACTION: Final = Action(STEP, "domains", Domains, Domains, Domains, describe=_told)


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"custom domains of {worker}"


def described(content: Mapping[str, Any], _worker: str) -> Value | None:
    """Return host → its zone as the file names it; None where it names none."""
    return zones.listed(content, custom=True) or None


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing.

    Raises:
        Refused: a zone is not there, or a host is another Worker's.
    """
    if not wanted and not formerly:
        return None
    after, before = zones.resolved(site, wanted or {}), _there(site)
    for host in after.keys() - before.keys():
        _require_free(site, host)
    return None if before == after else Transition(Domains(before), Domains(after))


def put(site: Site, value: Domains, _other: Domains) -> None:
    """Attach what is missing, wait for the one that is verified, detach what is too much."""
    there = _there(site)
    missing = {host: zone for host, zone in value.zones.items() if there.get(host) != zone}
    for host, zone in missing.items():
        site.cloudflare.domains.attach(host, zone, site.worker)
    reachable.wait(site, missing)
    for domain in site.cloudflare.domains.of_worker(site.worker):
        if domain.hostname not in value.zones:
            site.cloudflare.domains.detach(domain.id)


def holds(site: Site, value: Domains, _other: Domains) -> bool:
    """Read back whether it is so."""
    return _there(site) == dict(value.zones)


def _there(site: Site) -> dict[str, str]:
    return {one.hostname: one.zone for one in site.cloudflare.domains.of_worker(site.worker)}


def _require_free(site: Site, host: str) -> None:
    found = site.cloudflare.domains.find(host)
    if found and found.worker != site.worker:
        raise Refused(
            f"custom domain {host} leads to worker {found.worker}",
            "a release takes no other Worker's addresses away",
            f"remove it there first (Cloudflare: {found.worker}, Settings, Domains)",
        )
