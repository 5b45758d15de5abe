"""The routes: patterns of the account's zones at which the Worker answers.

As with wrangler, the file's list is the whole list in the zones it names; a release also takes
away what the live version's release had set and the file no longer names. A route of another
Worker is never taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned import zones
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class Routes:
    """Patterns, each with the id of its zone."""

    zones: Mapping[str, str]


def _told(after: Routes) -> str:
    return ", ".join(after.zones) or "none"


ACTION: Final = Action(STEP, "routes", Routes, Routes, Routes, describe=_told)


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"routes of {worker}"


def described(content: Mapping[str, Any], _worker: str) -> Value | None:
    """Return pattern → its zone as the file names it; None where it names no route."""
    return zones.listed(content, custom=False) or None


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing.

    Raises:
        Refused: a zone is not there, or a pattern is another Worker's.
    """
    if not wanted and not formerly:
        return None
    after = zones.resolved(site, wanted or {})
    earlier = zones.resolved(site, formerly or {})
    _require_free(site, after)
    before = _there(site, {*after.values(), *earlier.values()})
    return None if before == after else Transition(Routes(before), Routes(after))


def put(site: Site, value: Routes, other: Routes) -> None:
    """Create what is missing, then delete what is too much."""
    touched = {*value.zones.values(), *other.zones.values()}
    there = _there(site, touched)
    for pattern, zone in value.zones.items():
        if there.get(pattern) != zone:
            site.cloudflare.routes.create(zone, pattern, site.worker)
    for zone in touched:
        for route in site.cloudflare.routes.of_zone(zone):
            if route.worker == site.worker and value.zones.get(route.pattern) != zone:
                site.cloudflare.routes.delete(zone, route.id)


def holds(site: Site, value: Routes, other: Routes) -> bool:
    """Read back whether it is so."""
    return _there(site, {*value.zones.values(), *other.zones.values()}) == dict(value.zones)


def _there(site: Site, asked: set[str]) -> dict[str, str]:
    """Return pattern → zone of the Worker's routes in these zones."""
    return {
        route.pattern: zone
        for zone in sorted(asked)
        for route in site.cloudflare.routes.of_zone(zone)
        if route.worker == site.worker
    }


def _require_free(site: Site, wanted: Mapping[str, str]) -> None:
    for zone in sorted(set(wanted.values())):
        for route in site.cloudflare.routes.of_zone(zone):
            if wanted.get(route.pattern) == zone and route.worker != site.worker:
                raise Refused(
                    f"route {route.pattern} leads to worker {route.worker or '(none)'}",
                    "a release takes no address away that it did not set",
                    "remove it first (Cloudflare: the zone, Workers Routes)",
                )
