"""Which zone of the account a host or a route belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


def listed(content: Mapping[str, Any], *, custom: bool) -> dict[str, dict[str, str]]:
    """Return the routes, or the custom domains, of a configuration.

    Args:
        content: the file's.
        custom: whether custom domains are asked for.

    Returns:
        pattern → the zone as far as the file names it (``zone_id`` or ``zone_name``).
    """
    given = content.get("routes") or ([content["route"]] if content.get("route") else [])
    written = [{"pattern": one} if isinstance(one, str) else one for one in given]
    return {
        str(one["pattern"]): {key: str(one[key]) for key in ("zone_id", "zone_name") if key in one}
        for one in written
        if bool(one.get("custom_domain")) is custom
    }


def resolved(site: Site, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return pattern → the id of its zone.

    Raises:
        Refused: the account has no such zone, or a pattern such as ``*/*`` has no host.
    """
    known: dict[str, str] = {}
    return {
        pattern: given.get("zone_id") or _zone(site, _zone_name(pattern, given), known)
        for pattern, given in wanted.items()
    }


def host(pattern: str) -> str:
    """Return the host of a route's pattern, without its wildcard."""
    return hosts(pattern).removeprefix("*").removeprefix(".")


def hosts(pattern: str) -> str:
    """Return the hosts of a route's pattern, with its wildcard."""
    return pattern.split("://", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]


def _zone_name(pattern: str, given: Mapping[str, str]) -> str:
    found = given.get("zone_name") or host(pattern)
    if not found:
        raise Refused(
            f"the route {pattern} names no zone",
            "it is of every host, so that its zone cannot be found by its name",
            f'write it as {{"pattern": "{pattern}", "zone_name": "YOUR-DOMAIN"}} in'
            " wrangler's configuration",
        )
    return found


def _zone(site: Site, name: str, known: dict[str, str]) -> str:
    """Find the zone that is the longest end of a host's name."""
    labels = name.split(".")
    for start in range(len(labels) - 1):
        asked = ".".join(labels[start:])
        if asked not in known:
            found = site.cloudflare.zone(asked)
            known[asked] = found["id"] if found else ""
        if known[asked]:
            return known[asked]
    raise Refused(
        f"the account has no zone for {name}",
        "the wrangler configuration names it under routes, and the token reaches no such zone",
        f"add the domain to Cloudflare, or give the token Zone:Read and Workers Routes:Edit on it;"
        f" then: inv {site.settings.environment} check",
    )
