"""A version's bindings as workerd's configuration has them.

What one process cannot hold alone (KV, D1, queues, rate limits) is in the process of
:mod:`xswarm_twin.edge.simulators`, and other Workers are in processes of their own: both are
reached through the service ``remote``, which :mod:`xswarm_twin.edge.configuration` adds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xswarm_twin.model import ScriptInvalid, WorkerVersion

Binding = Mapping[str, Any]
Bound = dict[str, object]


@dataclass(frozen=True)
class Place:
    """Where a version runs.

    Args:
        version: the version.
        service: the name of its service.
        home: the name of the service that has the Worker's Durable Objects.
        simulators: the address of the simulators' process.
    """

    version: WorkerVersion
    service: str
    home: str
    simulators: str


def bound(place: Place) -> list[Bound]:
    """Return the bindings of a version; raises ScriptInvalid for a type that is not offered."""
    bindings = place.version.bindings
    unknown = [one for one in bindings if one["type"] not in _OFFERED]
    if unknown:
        raise ScriptInvalid(refusal(unknown))
    return [{"name": one["name"], **_OFFERED[one["type"]](one, place)} for one in bindings]


def refusal(unknown: list[Binding]) -> str:
    """Name the bindings that are not offered here."""
    named = ", ".join(
        sorted((f"{one['name']} ({one['type']})" for one in unknown), key=lambda name: name)
    )
    return f"the local twin does not support {named}"


def version_metadata(version: WorkerVersion) -> dict[str, str]:
    """Return what the version metadata binding tells."""
    return {
        "id": version.id,
        "tag": version.annotations.get("workers/tag", ""),
        "timestamp": version.created_on,
    }


def remote(**told: object) -> Bound:
    """Name the service that stands for one in another process; what it is told is in remote.js."""
    return {"name": "remote", "props": {"json": json.dumps(told)}}


def standing_class(worker: str, class_name: str) -> str:
    """Name the class that stands for another Worker's Durable Objects."""
    return "Of_" + f"{worker}\0{class_name}".encode().hex()


def absent(what: str) -> Bound:
    """Name the service that says what the twin does not have."""
    return {"name": "values", "entrypoint": "Absent", "props": {"json": json.dumps({"what": what})}}


def _simulated(place: Place, service: str, **props: object) -> Bound:
    return remote(address=place.simulators, service=service, props=props)


def _wrapped(module: str, fetcher: Bound) -> Bound:
    inner = [{"name": "fetcher", "service": fetcher}]
    return {"wrapped": {"moduleName": f"cloudflare-internal:{module}", "innerBindings": inner}}


def _text(binding: Binding, _: Place) -> Bound:
    return {"text": str(binding["text"])}


def _json(binding: Binding, _: Place) -> Bound:
    return {"json": json.dumps(binding["json"])}


def _metadata(_: Binding, place: Place) -> Bound:
    return {"json": json.dumps(version_metadata(place.version))}


def _bucket(binding: Binding, _: Place) -> Bound:
    return {"r2Bucket": f"r2:{binding['bucket_name']}"}


def _assets(_: Binding, place: Place) -> Bound:
    return {"service": f"assets:{place.version.id}"}


def _kv(binding: Binding, place: Place) -> Bound:
    return {"kvNamespace": _simulated(place, "kv", namespace=binding["namespace_id"])}


def _d1(binding: Binding, place: Place) -> Bound:
    return _wrapped("d1-api", _simulated(place, "d1", database=binding["id"]))


def _queue(binding: Binding, place: Place) -> Bound:
    return {"queue": _simulated(place, "queues", queue=binding["queue_name"])}


def _limit(binding: Binding, place: Place) -> Bound:
    simple = binding["simple"]
    props = {"namespace": binding["namespace_id"], **simple}
    return {"service": _simulated(place, "limits", **props)}


def _object(binding: Binding, place: Place) -> Bound:
    worker, name = binding.get("script_name", place.version.worker), binding["class_name"]
    own = worker == place.version.worker
    where = (name, place.home) if own else (standing_class(worker, name), "remote")
    return {"durableObjectNamespace": dict(zip(("className", "serviceName"), where, strict=True))}


def _service(binding: Binding, place: Place) -> Bound:
    given = {key: binding[key] for key in ("entrypoint", "props") if binding.get(key)}
    if binding["service"] != place.version.worker:
        return {"service": remote(worker=binding["service"], **given)}
    props = {"props": {"json": json.dumps(given["props"])}} if "props" in given else {}
    return {"service": {"name": place.service, **given, **props}}


def _workflow(binding: Binding, place: Place) -> Bound:
    worker = binding.get("script_name") or place.version.worker
    entrypoint, props = "WorkflowBinding", {"workflow": binding["workflow_name"]}
    if worker != place.version.worker or not place.version.workflows:  # or at its preview host
        told = remote(worker=worker, at="workflows", entrypoint=entrypoint, props=props)
        return _wrapped("workflows-api", told)
    told = {"name": "workflows", "entrypoint": entrypoint, "props": {"json": json.dumps(props)}}
    return _wrapped("workflows-api", told)


def _events(_: Binding, __: Place) -> Bound:
    return {"analyticsEngine": "events"}


def _mail(binding: Binding, _: Place) -> Bound:
    one = binding.get("destination_address")
    allowed = [one] if one else list(binding.get("allowed_destination_addresses") or ())
    props = {"json": json.dumps({"allowed": allowed})}
    return {"service": {"name": "values", "entrypoint": "Mail", "props": props}}


def _stored_secret(binding: Binding, _: Place) -> Bound:
    props = {"json": json.dumps({"text": binding["text"]})}
    return {"service": {"name": "values", "entrypoint": "StoredSecret", "props": props}}


def _hyperdrive(binding: Binding, _: Place) -> Bound:
    origin = binding["origin"]
    told = {name: str(origin[name]) for name in ("database", "user", "password", "scheme")}
    return {"hyperdrive": {"designator": f"hyperdrive:{binding['id']}", **told}}


def _loader(_: Binding, __: Place) -> Bound:
    return {"workerLoader": {}}


def _intelligence(_: Binding, __: Place) -> Bound:
    return _wrapped("ai-api", {"name": "values", "entrypoint": "Intelligence"})


def _no(what: str, module: str = "") -> Callable[[Binding, Place], Bound]:
    def make(_: Binding, __: Place) -> Bound:
        return _wrapped(module, absent(what)) if module else {"service": absent(what)}

    return make


_OFFERED: Final[Mapping[str, Callable[[Binding, Place], Bound]]] = {
    "plain_text": _text,
    "secret_text": _text,
    "json": _json,
    "version_metadata": _metadata,
    "assets": _assets,
    "r2_bucket": _bucket,
    "kv_namespace": _kv,
    "d1": _d1,
    "queue": _queue,
    "durable_object_namespace": _object,
    "workflow": _workflow,
    "service": _service,
    "analytics_engine": _events,
    "ratelimit": _limit,
    "send_email": _mail,
    "secrets_store_secret": _stored_secret,
    "hyperdrive": _hyperdrive,
    "worker_loader": _loader,
    "ai": _intelligence,
    "vectorize": _no("Vectorize", "vectorize-api"),
    "images": _no("Cloudflare Images", "images-api"),
    "browser": _no("Browser Rendering"),
    "pipelines": _no("Pipelines"),
    "mtls_certificate": _no("mTLS certificates"),
    "dispatch_namespace": _no("dispatch namespaces"),
}
"""What is offered, by the type of the upload; the last ones only say that they are not here."""
