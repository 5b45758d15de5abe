"""Where Workers answer beside workers.dev: routes of zones, and custom domains.

The edge knows no such hosts: a Worker that has one answers at its own port, as with workers.dev.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, deployments, refusals, versions, zones
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import DnsRecord, Worker, WorkerDomain, WorkerRoute, Zone
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_ROUTES = "/zones/{zone}/workers/routes"
_DOMAINS = "/accounts/{account}/workers/domains"
_OF_WORKER = "/accounts/{account}/workers/scripts/{worker}"


@routes.get(_ROUTES)
async def index(request: web.Request) -> web.Response:
    """List the routes of a zone."""
    zone = zones.find(request)
    return success([_route(one) for one in twin_of(request).store.all(WorkerRoute, zone.id)])


@routes.post(_ROUTES)
async def create(request: web.Request) -> web.Response:
    """Let a Worker answer at a pattern of a zone."""
    twin, zone, body = twin_of(request), zones.find(request), await bodies.json_object(request)
    pattern = bodies.required(body, "pattern", str)
    made = _new_route(twin, zone, pattern, bodies.required(body, "script", str))
    twin.store.save(made)
    await deployments.restore(twin, made.script)
    return success(_route(made))


@routes.delete(_ROUTES + "/{route}")
async def delete(request: web.Request) -> web.Response:
    """Remove a route."""
    twin, zone = twin_of(request), zones.find(request)
    wanted, missing = request.match_info["route"], refusals.route_not_found
    route = twin.store.require(WorkerRoute, wanted, missing, zone.id)
    twin.store.remove(route)
    await deployments.restore(twin, route.script)
    return success({"id": route.id})


@routes.put(_OF_WORKER + "/routes")
async def replace_routes(request: web.Request) -> web.Response:
    """Let a Worker answer at these patterns, and at no others."""
    twin, worker = twin_of(request), versions.find_worker(request)
    asked = [bodies.checked(one, dict, "a route") for one in await bodies.json_list(request)]
    before = [one for one in twin.store.all(WorkerRoute) if one.script == worker.name]
    twin.store.remove(*before)
    try:
        made = [
            _new_route(twin, _zone_of(twin, one), bodies.required(one, "pattern", str), worker.name)
            for one in asked
        ]
    except BaseException:
        twin.store.save(*before)
        raise
    twin.store.save(*made)
    await deployments.restore(twin, worker.name)
    return success([one.pattern for one in made])


@routes.get(_DOMAINS)
async def domains(request: web.Request) -> web.Response:
    """List the custom domains, all or those of a host or a Worker."""
    asked = {key: request.query.get(key) for key in ("hostname", "service", "zone_id")}
    listed = [_domain(twin_of(request), one) for one in twin_of(request).store.all(WorkerDomain)]
    return success(
        [one for one in listed if all(value in (None, one[key]) for key, value in asked.items())]
    )


@routes.put(_DOMAINS)
async def attach(request: web.Request) -> web.Response:
    """Let a host lead to a Worker."""
    twin, body = twin_of(request), await bodies.json_object(request)
    service = bodies.required(body, "service", str)
    made = _new_domain(twin, _zone_of(twin, body), body, service, overwrite=False)
    twin.store.save(made)
    await deployments.restore(twin, service)
    return success(_domain(twin, made))


@routes.delete(_DOMAINS + "/{domain}")
async def detach(request: web.Request) -> web.Response:
    """Let a host lead to no Worker."""
    twin, wanted = twin_of(request), request.match_info["domain"]
    found = next((one for one in twin.store.all(WorkerDomain) if one.id == wanted), None)
    if found is None:
        raise refusals.domain_not_found()
    twin.store.remove(found)
    await deployments.restore(twin, found.service)
    return success(None)


@routes.post(_OF_WORKER + "/domains/changeset")
async def changeset(request: web.Request) -> web.Response:
    """Return what putting custom domains would change."""
    twin, worker = twin_of(request), versions.find_worker(request)
    listed = [bodies.checked(one, dict, "an origin") for one in await bodies.json_list(request)]
    asked = {bodies.required(one, "hostname", str) for one in listed}
    known = {one.hostname: one for one in twin.store.all(WorkerDomain)}
    return success(
        {
            "added": [{"hostname": name} for name in asked - known.keys()],
            "removed": [
                _domain(twin, one)
                for name, one in known.items()
                if one.service == worker.name and name not in asked
            ],
            "updated": [
                _domain(twin, known[name]) | {"modified": known[name].service != worker.name}
                for name in asked & known.keys()
            ],
            "conflicting": [],
        }
    )


@routes.put(_OF_WORKER + "/domains/records")
async def replace_domains(request: web.Request) -> web.Response:
    """Let these hosts lead to a Worker, and no others, as wrangler asks for it."""
    twin, worker = twin_of(request), versions.find_worker(request)
    body = await bodies.json_object(request)
    overwrite = bodies.optional(body, "override_existing_dns_record", False)
    asked = [
        bodies.checked(one, dict, "an origin") for one in bodies.required(body, "origins", list)
    ]
    before = [one for one in twin.store.all(WorkerDomain) if one.service == worker.name]
    made = [
        _new_domain(twin, _zone_of(twin, one), one, worker.name, overwrite=overwrite)
        for one in asked
    ]
    kept = {one.hostname for one in made}
    twin.store.remove(*(one for one in before if one.hostname not in kept))
    twin.store.save(*made)
    await deployments.restore(twin, worker.name)
    return success([_domain(twin, one) for one in made])


def _new_route(twin: Twin, zone: Zone, pattern: str, script: str) -> WorkerRoute:
    twin.store.require(Worker, script, refusals.worker_not_found)
    if not _is_entered(twin, zone, _host(pattern)):
        raise refusals.route_invalid(pattern)
    for known in twin.store.all(WorkerRoute, zone.id):
        if known.pattern == pattern:
            raise refusals.route_exists(pattern, known.script)
    return WorkerRoute(uuid.uuid4().hex, zone.id, pattern, script)


def _is_entered(twin: Twin, zone: Zone, host: str) -> bool:
    """Return whether requests for a host may enter a zone: its own, and custom hostnames.

    Which custom hostnames a zone has (Cloudflare for SaaS) is not known here, so that a host of no
    zone is one; ``*/*`` is every host.

    Source: Cloudflare for SaaS, Workers as your fallback origin; workers-sdk issues 2861, 3662.
    """
    zones = [one.id for one in twin.store.all(Zone) if _is_within(host, one.name)]
    return not host or not zones or zone.id in zones


def _new_domain(
    twin: Twin, zone: Zone, body: Mapping[str, Any], service: str, *, overwrite: bool
) -> WorkerDomain:
    hostname = bodies.required(body, "hostname", str)
    twin.store.require(Worker, service, refusals.worker_not_found)
    if not _is_within(hostname, zone.name):
        raise refusals.route_invalid(hostname)
    records = [one for one in twin.store.all(DnsRecord, zone.id) if one.name == hostname]
    if records and not overwrite:
        raise refusals.domain_taken(hostname)
    known = (one for one in twin.store.all(WorkerDomain, zone.id) if one.hostname == hostname)
    identifier = next((one.id for one in known), uuid.uuid4().hex)
    return WorkerDomain(identifier, zone.id, hostname, service)


def _zone_of(twin: Twin, body: Mapping[str, Any]) -> Zone:
    """Return the zone that is named, or the one that the host lies in."""
    host = _host(str(body.get("hostname") or body.get("pattern") or ""))
    for zone in twin.store.all(Zone):
        named = body.get("zone_id") or body.get("zone_name")
        if named in (zone.id, zone.name) or (named is None and _is_within(host, zone.name)):
            return zone
    raise refusals.zone_not_found()


def _host(pattern: str) -> str:
    return pattern.split("://", 1)[-1].split("/", 1)[0].removeprefix("*").removeprefix(".")


def _is_within(host: str, zone: str) -> bool:
    return host == zone or host.endswith(f".{zone}")


def _route(route: WorkerRoute) -> dict[str, Any]:
    return {"id": route.id, "pattern": route.pattern, "script": route.script}


def _domain(twin: Twin, domain: WorkerDomain) -> dict[str, Any]:
    zone = twin.store.find(Zone, domain.zone)
    return {
        "id": domain.id,
        "cert_id": domain.id,
        "zone_id": domain.zone,
        "zone_name": zone.name if zone else "",
        "hostname": domain.hostname,
        "service": domain.service,
        "environment": "production",
        "enabled": True,
        "previews_enabled": False,
    }
