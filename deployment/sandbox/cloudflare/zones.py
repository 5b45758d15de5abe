"""Zones: the account's domains, their TLS mode and their DNS records."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from deployment.sandbox.cloudflare import bodies, refusals
from deployment.sandbox.cloudflare.envelope import page_of, success
from deployment.sandbox.cloudflare.records import DnsRecord, Zone
from deployment.sandbox.cloudflare.twin import Twin, twin_of

_SSL_MODES = ("off", "flexible", "full", "strict", "origin_pull")
_AUTOMATIC_TTL = 1

routes = web.RouteTableDef()
_ONE = "/zones/{zone}"


@routes.get("/zones")
async def index(request: web.Request) -> web.Response:
    """List the zones, all or those of a name."""
    twin, name = twin_of(request), request.query.get("name")
    found = [zone for zone in twin.store.all(Zone) if name in (None, zone.name)]
    return _list([_told(twin, zone) for zone in found])


@routes.post("/zones")
async def create(request: web.Request) -> web.Response:
    """Add a domain to the account."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if any(zone.name == name for zone in twin.store.all(Zone)):
        raise refusals.zone_exists(name)
    now = twin.clock.now()
    zone = Zone(uuid.uuid4().hex, name, now, now)
    twin.store.save(zone)
    return success(_told(twin, zone))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Give a zone."""
    return success(_told(twin_of(request), _find(request)))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a domain with its records."""
    zone = _find(request)
    twin_of(request).store.remove(zone)
    return success({"id": zone.id})


@routes.get(_ONE + "/settings/ssl")
async def ssl(request: web.Request) -> web.Response:
    """Give the TLS mode."""
    return success(_ssl(_find(request)))


@routes.patch(_ONE + "/settings/ssl")
async def change_ssl(request: web.Request) -> web.Response:
    """Set the TLS mode."""
    twin, zone = twin_of(request), _find(request)
    mode = bodies.required(await bodies.json_object(request), "value", str)
    if mode not in _SSL_MODES:
        raise refusals.body_invalid(f"value is none of {', '.join(_SSL_MODES)}")
    changed = replace(zone, ssl=mode, modified_on=twin.clock.now())
    twin.store.save(changed)
    return success(_ssl(changed))


@routes.get(_ONE + "/dns_records")
async def records(request: web.Request) -> web.Response:
    """List the DNS records, all or those of a name or a type."""
    zone = _find(request)
    name, kind = request.query.get("name"), request.query.get("type")
    return _list(
        [
            _record(zone, record)
            for record in twin_of(request).store.all(DnsRecord, zone.id)
            if name in (None, record.name) and kind in (None, record.type)
        ]
    )


@routes.post(_ONE + "/dns_records")
async def create_record(request: web.Request) -> web.Response:
    """Add a DNS record."""
    twin, zone = twin_of(request), _find(request)
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
    zone, wanted = _find(request), request.match_info["record"]
    record = twin_of(request).store.find(DnsRecord, wanted, zone.id)
    if record is None:
        raise refusals.record_not_found()
    twin_of(request).store.remove(record)
    return success({"id": record.id})


def _find(request: web.Request) -> Zone:
    zone = twin_of(request).store.find(Zone, request.match_info["zone"])
    if zone is None:
        raise refusals.zone_not_found()
    return zone


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
    }


def _ssl(zone: Zone) -> dict[str, Any]:
    return {"id": "ssl", "value": zone.ssl, "editable": True, "modified_on": zone.modified_on}


def _record(zone: Zone, record: DnsRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "zone_name": zone.name,
        "type": record.type,
        "name": record.name,
        "content": record.content,
        "ttl": record.ttl,
        "proxied": record.proxied,
        "created_on": record.created_on,
    }


def _list(items: list[dict[str, Any]]) -> web.Response:
    return success(items, page_of(1, max(len(items), 20), len(items), len(items)))
