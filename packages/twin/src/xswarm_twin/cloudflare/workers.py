"""Workers: made by a script's direct upload, listed, set, and deleted."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import (
    bodies,
    deployments,
    durable_objects,
    queues,
    refusals,
    settings,
    uploads,
    versions,
)
from xswarm_twin.cloudflare.deployments import DeploymentRequest
from xswarm_twin.cloudflare.durable_objects import Migrated
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import Version, Worker, WorkerDomain, WorkerRoute
from xswarm_twin.cloudflare.twin import Twin, source_of, twin_of
from xswarm_twin.cloudflare.uploads import Upload

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/workers/scripts"
_ONE = _ALL + "/{worker}"
_SERVICE = "/accounts/{account}/workers/services/{worker}"

_API_DATE = "Cloudflare-Workers-Script-Api-Date"
"""With it, preview URLs that nobody speaks of are as the Worker's own address is."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
MAXIMUM_WORKERS = 500
MAXIMUM_CRONS = 250
"""Of an account (Workers, "Limits")."""


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the Workers."""
    return success([_told(worker) for worker in twin_of(request).store.all(Worker)])


@routes.put(_ONE)
async def upload(request: web.Request) -> web.Response:
    """Take a script in and serve all traffic by it; makes the Worker when it is the first."""
    twin, name = twin_of(request), request.match_info["worker"]
    if not _NAME.fullmatch(name):
        raise refusals.worker_name_invalid(name)
    form = await uploads.read(request, twin.blobs)
    async with twin.lock(name):
        worker, migrated, asked = _judged(twin, name, form)
        version = await versions.make(request, name, form, "upload", migrated)
        worker = replace(worker, settings=worker.settings | asked, migration_tag=migrated.tag)
        wish = DeploymentRequest({version.id: 100}, source_of(request), version.annotations)
        with durable_objects.applied(twin, migrated):
            await deployments.deploy(twin, worker, wish, version)
    await twin.edge.preview(versions.served(twin, version))
    return success(
        _told(worker)
        | {
            "deployment_id": version.id,
            "startup_time_ms": version.startup_time_ms,
            "compatibility_date": version.compatibility_date,
        }
    )


@routes.get(_SERVICE)
async def service(request: web.Request) -> web.Response:
    """Return a Worker as the older API calls it."""
    worker = versions.find_worker(request, code=10090)
    environment = {"environment": "production", "script": _told(worker)}
    return success({"id": worker.name, "default_environment": environment})


@routes.delete(_ONE)
@routes.delete(_SERVICE)
async def delete(request: web.Request) -> web.Response:
    """Delete a Worker with all its versions; the edge serves it no longer."""
    twin, worker = twin_of(request), versions.find_worker(request)
    async with twin.lock(worker.name):
        await twin.edge.remove(worker.name)
        routed = [one for one in twin.store.all(WorkerRoute) if one.script == worker.name]
        named = [one for one in twin.store.all(WorkerDomain) if one.service == worker.name]
        twin.store.remove(worker, *routed, *named)
    await queues.forget(twin, worker.name)
    return success(None)


@routes.get(_ONE + "/subdomain")
async def subdomain(request: web.Request) -> web.Response:
    """Return whether a Worker's own host and its versions' hosts answer."""
    return success(_subdomain(versions.find_worker(request)))


@routes.post(_ONE + "/subdomain")
async def change_subdomain(request: web.Request) -> web.Response:
    """Let a Worker's own host, and its versions' hosts, answer or not."""
    twin, worker = twin_of(request), versions.find_worker(request)
    body = await bodies.json_object(request)
    enabled = bodies.required(body, "enabled", bool)
    async with twin.lock(worker.name):
        worker = versions.find_worker(request)
        default = enabled if _API_DATE in request.headers else worker.previews_enabled
        previews = bodies.optional(body, "previews_enabled", default)
        worker = replace(worker, enabled=enabled, previews_enabled=previews)
        twin.store.save(worker)
        await deployments.restore(twin, worker.name)
    return success(_subdomain(worker))


@routes.get(_ONE + "/schedules")
async def schedules(request: web.Request) -> web.Response:
    """Return a Worker's cron triggers."""
    return success({"schedules": versions.find_worker(request).schedules})


@routes.put(_ONE + "/schedules")
async def change_schedules(request: web.Request) -> web.Response:
    """Let a Worker be told by these cron triggers, and by no others."""
    twin, worker = twin_of(request), versions.find_worker(request)
    listed = [bodies.checked(each, dict, "a schedule") for each in await bodies.json_list(request)]
    crons = [bodies.required(each, "cron", str) for each in listed]
    async with twin.lock(worker.name):
        worker = versions.find_worker(request)
        _require_few(twin, worker, crons)
        try:
            await twin.edge.schedule(worker.name, crons)
        except ValueError as error:
            raise refusals.cron_invalid(str(error)) from None
        now = twin.clock.now()
        before = {each["cron"]: each["created_on"] for each in worker.schedules}
        told = [_schedule(cron, before.get(cron, now), now) for cron in dict.fromkeys(crons)]
        twin.store.save(replace(worker, schedules=told))
    return success({"schedules": told})


@routes.get("/accounts/{account}/workers/workers/{worker}")
async def show(request: web.Request) -> web.Response:
    """Return a Worker with the addresses that it answers at."""
    return success(_with_addresses(twin_of(request), versions.find_worker(request)))


@routes.get("/accounts/{account}/workers/workers")
async def all_with_addresses(request: web.Request) -> web.Response:
    """List the Workers with their addresses."""
    twin = twin_of(request)
    return paged(request, [_with_addresses(twin, worker) for worker in twin.store.all(Worker)])


async def serve_all(twin: Twin, worker: Worker) -> None:
    """Bring the edge to what is stored of a Worker; raises Refusal when it does not start."""
    for version in twin.store.newest(Version, worker.name, versions.DEPLOYABLE):
        await twin.edge.preview(versions.served(twin, version))
    await deployments.restore(twin, worker.name)
    await twin.edge.schedule(worker.name, [each["cron"] for each in worker.schedules])


def _with_addresses(twin: Twin, worker: Worker) -> dict[str, Any]:
    addresses = {
        "url": f"http://{twin.addresses.worker_host(worker.name)}",
        "preview_url_suffix": twin.addresses.preview_suffix(worker.name),
    }
    return {
        "id": worker.tag,
        "name": worker.name,
        "created_on": worker.created_on,
        "updated_on": worker.modified_on,
        "subdomain": _subdomain(worker) | addresses,
    }


def _new(twin: Twin, name: str) -> Worker:
    if not deployments.account_subdomain(twin):
        raise refusals.subdomain_required()
    if len(twin.store.all(Worker)) >= MAXIMUM_WORKERS:
        raise refusals.too_many_workers(MAXIMUM_WORKERS)
    now = twin.clock.now()
    return Worker(name, uuid.uuid4().hex, now, now)


def _require_few(twin: Twin, worker: Worker, crons: list[str]) -> None:
    """Refuse more cron triggers than an account may have: they count together."""
    others = [one for one in twin.store.all(Worker) if one.name != worker.name]
    there = sum(len(one.schedules) for one in others)
    if there + len(set(crons)) > MAXIMUM_CRONS:
        raise refusals.too_many_crons(MAXIMUM_CRONS)


def _judged(twin: Twin, name: str, form: Upload) -> tuple[Worker, Migrated, dict[str, Any]]:
    """Return the Worker of a direct upload, and what becomes of its objects and settings."""
    metadata = form.metadata or {}
    try:
        worker = twin.store.find(Worker, name) or _new(twin, name)
        asked = settings.of(twin, name, metadata)
        return worker, durable_objects.migrate(twin, worker, metadata), asked
    except BaseException:
        twin.blobs.discard(form.received)
        raise


def _schedule(cron: str, created: str, modified: str) -> dict[str, str]:
    return {"cron": cron, "created_on": created, "modified_on": modified}


def _subdomain(worker: Worker) -> dict[str, bool]:
    return {"enabled": worker.enabled, "previews_enabled": worker.previews_enabled}


def _told(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.name,
        "tag": worker.tag,
        "tags": worker.settings.get("tags") or [],
        "created_on": worker.created_on,
        "modified_on": worker.modified_on,
        "usage_model": "standard",
        **({"migration_tag": worker.migration_tag} if worker.migration_tag else {}),
        "last_deployed_from": "wrangler",  # wrangler asks before it overwrites another's work
    }
