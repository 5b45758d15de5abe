"""Versions of a Worker: code, bindings and secrets together, made once and never changed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import (
    assets,
    bindings,
    bodies,
    durable_objects,
    handlers,
    refusals,
    resources,
    strictness,
    uploads,
)
from xswarm_twin.cloudflare.bindings import Binding
from xswarm_twin.cloudflare.durable_objects import Migrated
from xswarm_twin.cloudflare.envelope import page_of, success
from xswarm_twin.cloudflare.records import ObjectNamespace, Version, Worker
from xswarm_twin.cloudflare.twin import Twin, new_id, source_of, twin_of
from xswarm_twin.cloudflare.uploads import Upload
from xswarm_twin.model import (
    Assets,
    ClassMissing,
    Module,
    ObjectClass,
    ScriptInvalid,
    WorkerVersion,
    WorkflowClass,
)

MERGE_PATCH = "application/merge-patch+json"
DEPLOYABLE = 100
"""How many of the newest versions Cloudflare lets be deployed."""

routes = web.RouteTableDef()
_AT = "/accounts/{account}/workers/scripts/{worker}/versions"


@routes.get(_AT)
async def index(request: web.Request) -> web.Response:
    """List versions, the newest first; ``deployable=true`` gives all that can be deployed."""
    twin, worker = twin_of(request), find_worker(request)
    page = bodies.number(request, "page", 1, 10**6)
    if request.query.get("deployable") == "true":
        listed = twin.store.newest(Version, worker.name, DEPLOYABLE) if page == 1 else []
        return success({"items": [_summary(version) for version in listed]})
    size = bodies.number(request, "per_page", 10, 100)
    listed = twin.store.newest(Version, worker.name, size, (page - 1) * size)
    return success(
        {"items": [_summary(version) for version in listed]},
        page_of(page, size, len(listed), twin.store.count(Version, worker.name)),
    )


@routes.get(_AT + "/{version}")
async def show(request: web.Request) -> web.Response:
    """Return one version, without the texts of its secrets."""
    twin, worker = twin_of(request), find_worker(request)
    version = find_version(twin, worker.name, request.match_info["version"])
    return success(detail(version, worker))


@routes.post(_AT)
async def upload(request: web.Request) -> web.Response:
    """Take a new version in; it is not deployed."""
    twin, worker = twin_of(request), find_worker(request)
    form = await uploads.read(request, twin.blobs)
    if (form.metadata or {}).get("migrations"):
        twin.blobs.discard(form.received)
        raise refusals.migration_in_version()
    async with twin.lock(worker.name):
        worker = find_worker(request)
        objects = durable_objects.migrate(twin, worker, {})
        version = await make(request, worker.name, form, "version_upload", objects)
        twin.store.save(version)
    await twin.edge.preview(served(twin, version))
    return success(detail(version, worker))


@routes.patch("/accounts/{account}/workers/workers/{worker}/versions/latest")
async def edit_latest(request: web.Request) -> web.Response:
    """Make a version that differs from the latest in variables only; it is not deployed."""
    twin, worker = twin_of(request), find_worker(request)
    if request.content_type != MERGE_PATCH:
        raise refusals.media_type_unsupported(MERGE_PATCH)
    body = await bodies.json_object(request)
    strictness.require_annotations(bodies.annotations_of(body))
    changes = {
        name: None if value is None else _variable(name, value)
        for name, value in bodies.required(body, "env", dict).items()
    }
    async with twin.lock(worker.name):
        version = derive(twin, latest_of(twin, worker.name), changes, source_of(request), "secret")
        version = replace(version, annotations=version.annotations | bodies.annotations_of(body))
        twin.store.save(version)
    await twin.edge.preview(served(twin, version))
    return success(detail(version, worker))


async def make(
    request: web.Request, worker: str, form: Upload, cause: str, objects: Migrated
) -> Version:
    """Make a version of an upload: resolve, keep its bytes, and let the runtime judge it.

    The caller holds the Worker's lock, and stores the version. ``objects`` are the Worker's
    Durable Objects as they are once the version is deployed.

    Raises:
        Refusal: the metadata is wrong, or the script does not start (10021); nothing is stored.
    """
    twin = twin_of(request)
    try:
        version = _of_upload(request, worker, form, cause, objects)
    except BaseException:
        twin.blobs.discard(form.received)
        raise
    await twin.blobs.keep(*form.received)
    try:
        started = await twin.edge.validate(served(twin, version, objects.classes))
    except ClassMissing as error:
        held = {one.class_name for one in objects.before}
        known = str(error) in held
        kind = refusals.class_not_exported if known else refusals.new_class_not_exported
        raise kind(error) from error
    except ScriptInvalid as error:
        raise refusals.script_invalid(str(error)) from error
    found, exported = await asyncio.to_thread(_handlers, twin, version)
    return replace(version, startup_time_ms=started, handlers=found, exports=exported)


def _handlers(twin: Twin, version: Version) -> tuple[list[str], list[str]]:
    """Return the events that a version's main module handles, and what else it exports."""
    main = next((m for m in version.modules if m["name"] == version.main_module), None)
    if main is None:
        return [], []
    text = twin.blobs.path(main["blob"]).read_text(encoding="utf-8", errors="replace")
    python = "python" in main["media_type"]
    if not python and handlers.has_none(text):
        raise refusals.no_handlers()
    return handlers.of(text, python=python), handlers.exported(text, python=python)


def derive(
    twin: Twin, version: Version, changes: dict[str, Binding | None], source: str, cause: str
) -> Version:
    """Return a new version that differs from another in some bindings only."""
    return replace(
        version,
        id=new_id(),
        number=_next_number(twin, version.worker),
        created_on=twin.clock.now(),
        source=source,
        bindings=bindings.with_changes(version.bindings, changes),
        annotations={"workers/triggered_by": cause},
    )


def served(
    twin: Twin, version: Version, objects: Sequence[ObjectClass] | None = None
) -> WorkerVersion:
    """Return a version as the edge takes it, its modules laid out in a folder of its own.

    Args:
        twin: the parts.
        version: the version.
        objects: its Worker's Durable Objects; None: those that are stored.
    """
    if objects is None:
        namespaces = twin.store.all(ObjectNamespace, version.worker)
        objects = durable_objects.classes(namespaces)
    worker = twin.store.find(Worker, version.worker)
    folder = twin.state / "versions" / version.id
    modules = tuple(
        Module(sys.intern(module["name"]), sys.intern(module["media_type"]), folder)
        for module in version.modules
    )
    for module, stored in zip(modules, version.modules, strict=True):
        path = module.path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(twin.blobs.path(stored["blob"]), path)
    return WorkerVersion(
        id=version.id,
        worker=version.worker,
        number=version.number,
        created_on=version.created_on,
        folder=folder,
        main_module=version.main_module,
        modules=modules,
        bindings=tuple(resources.resolved(twin, binding) for binding in version.bindings),
        compatibility_date=version.compatibility_date,
        compatibility_flags=tuple(version.compatibility_flags),
        annotations=version.annotations,
        assets=_served_assets(twin, version),
        objects=tuple(objects),
        workflows=_workflows(version),
        tail_consumers=_tail_consumers(worker),
    )


def find_worker(request: web.Request, code: int = 10007) -> Worker:
    """Return the Worker that the path names, by its name or its tag; refuse an unknown one."""
    store, name = twin_of(request).store, request.match_info["worker"]
    worker = store.find(Worker, name)
    if worker is None:
        worker = next((known for known in store.all(Worker) if known.tag == name), None)
    if worker is None:
        raise refusals.worker_not_found(code=code)
    return worker


def find_version(twin: Twin, worker: str, version: str) -> Version:
    """Return a version of a Worker; refuse an unknown one."""
    missing = partial(refusals.version_not_found, version)
    return twin.store.require(Version, version, missing, worker)


def latest_of(twin: Twin, worker: str) -> Version:
    """Return the latest version of a Worker."""
    latest = twin.store.last(Version, worker)
    if latest is None:
        raise refusals.no_versions()
    return latest


def detail(version: Version, worker: Worker) -> dict[str, Any]:
    """Return all of a version that may be told."""
    return _summary(version) | {
        "resources": {
            "bindings": bindings.public(version.bindings),
            "script": {
                "etag": version.id.replace("-", ""),
                "last_deployed_from": version.source,
                "handlers": version.handlers if version.main_module else [],
                "named_handlers": [{"name": name, "handlers": []} for name in version.exports],
            },
            "script_runtime": {
                "compatibility_date": version.compatibility_date,
                "compatibility_flags": version.compatibility_flags,
                "usage_model": "standard",
                **({"migration_tag": version.migration_tag} if version.migration_tag else {}),
            },
        },
        "startup_time_ms": version.startup_time_ms,
        "worker_tag": worker.tag,
    }


def _summary(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "number": version.number,
        "metadata": {
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "source": version.source,
            "author_email": "sandbox@localhost",
            "has_preview": version.main_module is not None,
        },
        "annotations": version.annotations,
    }


def _workflows(version: Version) -> tuple[WorkflowClass, ...]:
    """Return the workflows that a version defines."""
    return tuple(
        WorkflowClass(binding["class_name"], binding["workflow_name"])
        for binding in version.bindings
        if binding["type"] == "workflow"
        and (binding.get("script_name") or version.worker) == version.worker
    )


def _tail_consumers(worker: Worker | None) -> tuple[str, ...]:
    listed = worker.settings.get("tail_consumers") if worker else None
    return tuple(str(one["service"]) for one in listed or ())


def _of_upload(
    request: web.Request, worker: str, form: Upload, cause: str, objects: Migrated
) -> Version:
    twin, metadata = twin_of(request), form.metadata or {}
    strictness.require_sound(metadata, bindings.kinds())
    strictness.require_small(incoming.file for incoming in form.received)
    previous = twin.store.last(Version, worker)
    main_module = metadata.get("main_module")
    return Version(
        id=new_id(),
        worker=worker,
        number=_next_number(twin, worker),
        created_on=twin.clock.now(),
        source=source_of(request),
        main_module=None if main_module is None else uploads.module_name(main_module),
        modules=form.modules,
        bindings=_bindings_of(request, worker, metadata, previous, objects),
        compatibility_date=uploads.compatibility_date(metadata),
        compatibility_flags=bodies.texts(metadata, "compatibility_flags"),
        annotations={"workers/triggered_by": cause}
        | strictness.cut(bodies.annotations_of(metadata)),
        assets=assets.of_upload(twin, worker, metadata, previous),
        migration_tag=objects.tag,
    )


def _bindings_of(
    request: web.Request,
    worker: str,
    metadata: dict[str, Any],
    previous: Version | None,
    objects: Migrated,
) -> list[Binding]:
    twin = twin_of(request)
    found = bindings.resolve(
        bodies.optional(metadata, "bindings", list[Any]()),
        bodies.texts(metadata, "keep_bindings"),
        previous,
        lambda version: twin.store.find(Version, version, worker),
        strict=request.query.get("bindings_inherit") == "strict",
    )
    return [resources.found(twin, worker, objects.after, binding) for binding in found]


def _served_assets(twin: Twin, version: Version) -> Assets | None:
    if version.assets is None:
        return None
    files = assets.files_of(twin, "workers", version.assets["files"])
    return Assets(files, version.assets["config"])


def _next_number(twin: Twin, worker: str) -> int:
    latest = twin.store.last(Version, worker)
    return 1 if latest is None else latest.number + 1


def _variable(name: str, value: Any) -> Binding:
    given = bodies.checked(value, dict, f"env.{name}")
    if not name or given.get("type") not in ("secret_text", "plain_text"):
        raise refusals.script_invalid(f"binding {name} of type {given.get('type')} is invalid")
    return bindings.valid({"name": name, "type": given["type"], "text": given.get("text")})
