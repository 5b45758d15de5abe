"""Zones: the account's domains, their DNS records and settings."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from xswarm_deploy.services.cloudflare.client import (
    Client,
    quoted,
)
from xswarm_deploy.services.shape import Wire


class _Setting(Wire):
    value: str


class Zone(TypedDict):
    """A domain at Cloudflare."""

    id: str
    name: str
    status: NotRequired[str]


class DnsRecord(TypedDict):
    """One DNS record of a zone; ``proxied``: its traffic goes through Cloudflare."""

    id: str
    type: str
    name: NotRequired[str]
    content: NotRequired[str]
    proxied: NotRequired[bool | None]


class Zones(Client):
    """Read zones."""

    def zone(self, name: str) -> Zone | None:
        """Find the zone of a domain, exactly so named; None where the token reaches none."""
        return next(self._listed("/zones", list[Zone], {"name": name}), None)

    def dns_records(self, zone_id: str, name: str = "") -> list[DnsRecord]:
        """List a zone's DNS records, of one host where a name is given."""
        query = {"name.exact": name} if name else {}
        path = f"/zones/{quoted(zone_id)}/dns_records"
        return list(self._listed(path, list[DnsRecord], query))

    def zone_setting(self, zone_id: str, setting: str) -> str:
        """Read a zone's setting, e.g. ``ssl``, ``min_tls_version``, ``always_use_https``."""
        path = f"/zones/{quoted(zone_id)}/settings/{quoted(setting)}"
        return self._get(path, _Setting).value
