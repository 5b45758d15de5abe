"""Zones: the account's domains, their TLS settings and their DNS records."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import DnsRecord, Zone
from xswarm_twin.cloudflare.twin import Twin, twin_of

_SETTINGS = {
    "ssl": ("full", "off", "flexible", "strict", "origin_pull"),
    "min_tls_version": ("1.0", "1.1", "1.2", "1.3"),
    "always_use_https": ("off", "on"),
}
"""The settings and their values, a new zone's first."""

_AUTOMATIC_TTL = 1

routes = web.RouteTableDef()
_ONE = "/zones/{zone}"


@routes.get("/zones")
async def index(request: web.Request) -> web.Response:
    """List the zones, all or those of a name."""
    twin, name = twin_of(request), request.query.get("name")
    found = [zone for zone in twin.store.all(Zone) if name in (None, zone.name)]
    return paged(request, [_told(twin, zone) for zone in found])


@routes.post("/zones")
async def create(request: web.Request) -> web.Response:
    """Add a domain to the account."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if any(zone.name == name for zone in twin.store.all(Zone)):
        raise refusals.zone_exists(name)
    now = twin.clock.now()
    settings = {setting: values[0] for setting, values in _SETTINGS.items()}
    zone = Zone(uuid.uuid4().hex, name, now, now, settings)
    twin.store.save(zone)
    return success(_told(twin, zone))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a zone."""
    return success(_told(twin_of(request), find(request)))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a domain with its records."""
    zone = find(request)
    twin_of(request).store.remove(zone)
    return success({"id": zone.id})


@routes.get(_ONE + "/settings/{setting}")
async def setting(request: web.Request) -> web.Response:
    """Return a setting."""
    return success(_setting(find(request), request.match_info["setting"]))


@routes.patch(_ONE + "/settings/{setting}")
async def change_setting(request: web.Request) -> web.Response:
    """Set a setting."""
    twin, name = twin_of(request), request.match_info["setting"]
    _setting(find(request), name)
    value = bodies.required(await bodies.json_object(request), "value", str)
    if value not in _SETTINGS[name]:
        raise refusals.body_invalid(f"value is none of {', '.join(_SETTINGS[name])}")
    zone = find(request)
    settings = zone.settings | {name: value}
    changed = replace(zone, settings=settings, modified_on=twin.clock.now())
    twin.store.save(changed)
    return success(_setting(changed, name))


@routes.get(_ONE + "/dns_records")
async def records(request: web.Request) -> web.Response:
    """List the DNS records, all or those of a name or a type."""
    zone, query = find(request), request.query
    name, kind = query.get("name.exact", query.get("name")), query.get("type")
    found = [
        _record(zone, record)
        for record in twin_of(request).store.all(DnsRecord, zone.id)
        if name in (None, record.name) and kind in (None, record.type)
    ]
    return paged(request, found, 100, 5000)


@routes.post(_ONE + "/dns_records")
async def create_record(request: web.Request) -> web.Response:
    """Add a DNS record."""
    twin, zone = twin_of(request), find(request)
    body = await bodies.json_object(request)
    record = DnsRecord(
        id=uuid.uuid4().hex,
        zone=zone.id,
        type=bodies.required(body, "type", str),
        name=bodies.required(body, "name", str),
        content=bodies.required(body, "content", str),
        ttl=bodies.optional(body, "ttl", _AUTOMATIC_TTL),
        proxied=bodies.optional(body, "proxied", False),
        created_on=twin.clock.now(),
    )
    twin.store.save(record)
    return success(_record(zone, record))


@routes.delete(_ONE + "/dns_records/{record}")
async def delete_record(request: web.Request) -> web.Response:
    """Remove a DNS record."""
    zone, wanted = find(request), request.match_info["record"]
    store = twin_of(request).store
    record = store.require(DnsRecord, wanted, refusals.record_not_found, zone.id)
    store.remove(record)
    return success({"id": record.id})


def find(request: web.Request) -> Zone:
    """Return the zone that the path names; refuse an unknown one."""
    name, missing = request.match_info["zone"], refusals.zone_not_found
    return twin_of(request).store.require(Zone, name, missing)


def _told(twin: Twin, zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.id,
        "name": zone.name,
        "status": "active",
        "paused": False,
        "type": "full",
        "created_on": zone.created_on,
        "modified_on": zone.modified_on,
        "account": {"id": twin.account.id},
        "development_mode": 0,
        "meta": {},
        "name_servers": ["ns1.localhost", "ns2.localhost"],
        "owner": {"id": twin.account.id, "type": "organization"},
        "plan": {"id": "free", "name": "Free Website"},
    }


def _setting(zone: Zone, name: str) -> dict[str, Any]:
    if name not in zone.settings:
        raise refusals.zone_setting_unknown(name)
    value, modified = zone.settings[name], zone.modified_on
    return {"id": name, "value": value, "editable": True, "modified_on": modified}


def _record(zone: Zone, record: DnsRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "zone_name": zone.name,
        "type": record.type,
        "name": record.name,
        "content": record.content,
        "ttl": record.ttl,
        "proxied": record.proxied,
        "proxiable": record.type in ("A", "AAAA", "CNAME"),
        "meta": {},
        "created_on": record.created_on,
        "modified_on": record.created_on,
    }
