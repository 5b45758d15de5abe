"""A Worker's settings: those of no version, and those that make a new version when they change.

Reference: Cloudflare API, "Workers", "Script And Version Settings" and "Settings".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import (
    bindings,
    bodies,
    deployments,
    durable_objects,
    refusals,
    resources,
    strictness,
    uploads,
    versions,
)
from xswarm_twin.cloudflare.deployments import DeploymentRequest
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Version, Worker
from xswarm_twin.cloudflare.twin import Twin, source_of, twin_of

routes = web.RouteTableDef()
_AT: Final = "/accounts/{account}/workers/scripts/{worker}"
_KINDS: Final[Mapping[str, type]] = {
    "logpush": bool,
    "observability": dict,
    "tags": list,
    "tail_consumers": list,
}
"""The settings that belong to no version, with their types."""
_OF_A_VERSION: Final = frozenset(
    (
        *("bindings", "compatibility_date", "compatibility_flags", "limits", "placement"),
        *("usage_model", "annotations", "migrations"),
    )
)


@routes.get(_AT + "/settings")
async def show(request: web.Request) -> web.Response:
    """Return what the latest version is bound to, and the Worker's own settings."""
    return success(_told(twin_of(request), versions.find_worker(request)))


@routes.patch(_AT + "/settings")
async def change(request: web.Request) -> web.Response:
    """Change settings of both kinds; what belongs to a version makes a new one, deployed at once.

    As with a secret's edit, the latest version must have all of the traffic (10214).
    """
    twin, worker = twin_of(request), versions.find_worker(request)
    body = await _read(request)
    strictness.require_known(body, {*_KINDS, *_OF_A_VERSION})
    if body.get("migrations"):
        raise refusals.not_offered("migrations of Durable Objects by a change of settings")
    async with twin.lock(worker.name):
        worker = versions.find_worker(request)
        worker = replace(worker, settings=worker.settings | of(twin, worker.name, body))
        if body.keys() & _OF_A_VERSION:
            await _deploy(request, worker, body)
        else:
            twin.store.save(worker)
    return success(_told(twin, worker))


@routes.get(_AT + "/script-settings")
async def show_own(request: web.Request) -> web.Response:
    """Return the settings that belong to no version."""
    return success(versions.find_worker(request).settings)


@routes.patch(_AT + "/script-settings")
async def change_own(request: web.Request) -> web.Response:
    """Change the settings that belong to no version."""
    twin, worker = twin_of(request), versions.find_worker(request)
    body = await bodies.json_object(request)
    strictness.require_known(body, _KINDS)
    changes = of(twin, worker.name, body)
    async with twin.lock(worker.name):
        worker = versions.find_worker(request)
        worker = replace(worker, settings=worker.settings | changes)
        twin.store.save(worker)
    return success(worker.settings)


def of(twin: Twin, worker: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of no version that a body names.

    Raises:
        Refusal: one cannot be, or the tail is for a Worker that is not there.
    """
    found: dict[str, Any] = {
        name: bodies.checked(body[name], kind, name)
        for name, kind in _KINDS.items()
        if body.get(name) is not None
    }
    strictness.require_settings(found)
    for consumer in found.get("tail_consumers") or ():
        name = consumer["service"]
        if name != worker and twin.store.find(Worker, name) is None:
            raise refusals.tail_worker_not_found()
    return found


async def _read(request: web.Request) -> dict[str, Any]:
    """Return the form's part ``settings``; a file's name does not matter."""
    found: dict[str, Any] | None = None
    async for part in uploads.parts_of(request):
        raw = await uploads.whole(part, uploads.MAXIMUM_METADATA_BYTES)
        if part.name == "settings":
            found = bodies.checked(bodies.parsed(raw), dict, "settings")
    if found is None:
        raise refusals.body_invalid("settings is missing")
    return found


async def _deploy(request: web.Request, worker: Worker, body: dict[str, Any]) -> None:
    """Make the version that the settings ask for, and let it serve; the caller holds the lock."""
    twin, source = twin_of(request), source_of(request)
    latest = versions.latest_of(twin, worker.name)
    if not deployments.deployed_alone(twin, worker.name, latest):
        raise refusals.latest_not_deployed(code=10214)
    strictness.require_sound({key: body[key] for key in body.keys() - _KINDS}, bindings.kinds())
    version = _changed(twin, versions.derive(twin, latest, {}, source, "settings"), latest, body)
    wish = DeploymentRequest({version.id: 100}, source, version.annotations)
    await deployments.deploy(twin, worker, wish, version)
    await twin.edge.preview(versions.served(twin, version))


def _changed(twin: Twin, version: Version, latest: Version, body: dict[str, Any]) -> Version:
    """Return the version with what the settings name; the bindings that they name are all."""
    told = bodies.annotations_of(body)
    named = replace(version, annotations=version.annotations | strictness.cut(told))
    if body.get("compatibility_date") is not None:
        named = replace(named, compatibility_date=uploads.compatibility_date(body))
    if body.get("compatibility_flags") is not None:
        flags = bodies.texts(body, "compatibility_flags")
        named = replace(named, compatibility_flags=flags)
    if body.get("bindings") is None:
        return named
    worker = twin.store.require(Worker, version.worker, refusals.worker_not_found)
    objects = durable_objects.migrate(twin, worker, {})
    declared = bodies.required(body, "bindings", list)
    found = bindings.resolve(declared, (), latest, lambda _: None, strict=True)
    bound = [resources.found(twin, worker.name, objects.after, one) for one in found]
    return replace(named, bindings=bound)


def _told(twin: Twin, worker: Worker) -> dict[str, Any]:
    latest = versions.latest_of(twin, worker.name)
    return {
        "bindings": bindings.public(latest.bindings),
        "compatibility_date": latest.compatibility_date,
        "compatibility_flags": latest.compatibility_flags,
        "usage_model": "standard",
    } | worker.settings
