"""What a configuration takes for granted in an account, made on the local twin: zones, queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.steps import affinity
from xswarm_deploy.steps.unversioned import zones

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


def provide(site: Site) -> None:
    """Make the zones and queues that the configuration names, where the twin has none.

    In production a person makes them once; on the twin a release would be refused for want of
    them after each reset.

    Args:
        site: the local environment; any other is left alone.
    """
    if not is_loopback(site.settings.text("CLOUDFLARE_API_BASE_URL")):
        return
    try:
        content = wrangler.read(site.settings)
    except Refused:
        return  # the check says why it cannot be read
    sticky = [affinity.HERE] if affinity.asked(site.settings) else []
    for name in dict.fromkeys([*_zones(content), *sticky]):
        if site.cloudflare.zone(name) is None:
            site.cloudflare.http.post("/zones", json={"name": name})
    for name in dict.fromkeys(_queues(content)):
        if site.cloudflare.queues.find(name) is None:
            path = f"/accounts/{site.cloudflare.account_id}/queues"
            site.cloudflare.http.post(path, json={"queue_name": name})


def _zones(content: Mapping[str, Any]) -> Iterator[str]:
    """Return a zone for each route: the named one, else the last two labels of its host."""
    for custom in (False, True):
        for pattern, given in zones.listed(content, custom=custom).items():
            if "zone_id" not in given:
                host = ".".join(zones.host(pattern).split(".")[-2:])
                yield given.get("zone_name", host)


def _queues(content: Mapping[str, Any]) -> Iterator[str]:
    queues = content.get("queues") or {}
    for one in (*(queues.get("producers") or ()), *(queues.get("consumers") or ())):
        yield from (str(one[key]) for key in ("queue", "dead_letter_queue") if one.get(key))
