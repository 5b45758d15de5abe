"""Which Workers depend on a Worker, as ``wrangler delete`` asks before it deletes one.

Source: wrangler's ``checkAndConfirmForceDeleteIfNecessary``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import versions
from xswarm_twin.cloudflare.bindings import Binding
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Version, Worker
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()


@routes.get("/accounts/{account}/workers/scripts/{worker}/references")
async def references(request: web.Request) -> web.Response:
    """Name the Workers whose latest version is bound to this one, or to its objects."""
    twin, worker = twin_of(request), versions.find_worker(request).name
    bound = [*_bindings(twin)]
    return success(
        {
            "services": {
                "incoming": [
                    _told(by) for by, one in bound if _leads(one, "service", "service") == worker
                ]
            },
            "durable_objects": [
                _told(by) | {"durable_object_namespace_name": f"{worker}_{one['class_name']}"}
                for by, one in bound
                if _leads(one, "durable_object_namespace", "script_name") == worker
            ],
            "dispatch_outbounds": [
                _told(by) | {"namespace": one["namespace"]}
                for by, one in bound
                if one["type"] == "dispatch_namespace" and _outbound(one) == worker
            ],
        }
    )


@routes.get("/accounts/{account}/workers/tails/by-consumer/{worker}")
async def tails(request: web.Request) -> web.Response:
    """Name the Workers that send their logs to this one."""
    worker = versions.find_worker(request).name
    found = [
        {"producer": _told(one.name), "consumer": _told(worker)}
        for one in twin_of(request).store.all(Worker)
        if any(told["service"] == worker for told in one.settings.get("tail_consumers") or ())
    ]
    return success(found)


def _bindings(twin: Twin) -> Iterator[tuple[str, Binding]]:
    """Yield what each Worker's latest version is bound to, with the Worker's name."""
    for worker in twin.store.all(Worker):
        latest = twin.store.last(Version, worker.name)
        yield from ((worker.name, one) for one in (latest.bindings if latest else ()))


def _leads(binding: Binding, kind: str, field: str) -> str:
    return str(binding.get(field) or "") if binding["type"] == kind else ""


def _outbound(binding: Binding) -> str:
    return str(((binding.get("outbound") or {}).get("worker") or {}).get("service") or "")


def _told(worker: str) -> dict[str, Any]:
    return {"service": worker, "environment": "production"}
