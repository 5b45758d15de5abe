"""What bindings name: looked for when a version is uploaded, and resolved when it is served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xswarm_twin.cloudflare import named, r2, refusals, secrets_store
from xswarm_twin.cloudflare.bindings import Binding
from xswarm_twin.cloudflare.records import (
    Database,
    DispatchNamespace,
    Hyperdrive,
    KvNamespace,
    ObjectNamespace,
    Queue,
    Worker,
)
from xswarm_twin.cloudflare.twin import Twin
from xswarm_twin.objects.errors import BucketMissing


def found(twin: Twin, worker: str, objects: Iterable[ObjectNamespace], binding: Binding) -> Binding:
    """Return a binding whose resource is there, with its Durable Objects' namespace.

    Args:
        twin: the parts.
        worker: whose binding it is; it need not be stored yet.
        objects: the Worker's own namespaces.
        binding: the binding.

    Raises:
        Refusal: the resource is not there.
    """
    kind = binding["type"]
    if kind == "durable_object_namespace":
        return _with_namespace(twin, worker, objects, binding)
    if kind == "r2_bucket":
        _require_bucket(twin, binding)
    named_by = _named_by(binding)
    if named_by is not None and not _is_there(twin, worker, binding, named_by):
        raise refusals.bound_not_found(binding["name"], kind, named_by)
    return binding


def resolved(twin: Twin, binding: Binding) -> Binding:
    """Return a binding with what the edge needs of its resource: an origin, a secret's text."""
    if binding["type"] == "hyperdrive":
        config = twin.store.find(Hyperdrive, binding["id"])
        return binding | {"origin": config.origin if config else dict[str, Any]()}
    if binding["type"] == "secrets_store_secret":
        secret = secrets_store.find(twin, binding["store_id"], binding["secret_name"])
        return binding | {"text": secret.text if secret else ""}
    return binding


def _named_by(binding: Binding) -> str | None:
    """Return the name or id of what a binding is to; None where nothing need be there."""
    fields = {
        "kv_namespace": "namespace_id",
        "d1": "id",
        "queue": "queue_name",
        "service": "service",
        "hyperdrive": "id",
        "dispatch_namespace": "namespace",
        "secrets_store_secret": "secret_name",
        "vectorize": "index_name",
        "mtls_certificate": "certificate_id",
        "pipelines": "stream" if "stream" in binding else "pipeline",
    }
    field = fields.get(binding["type"])
    return None if field is None else str(binding.get(field, ""))


def _is_there(twin: Twin, worker: str, binding: Binding, id_: str) -> bool:
    store = twin.store
    match binding["type"]:
        case "kv_namespace":
            return store.find(KvNamespace, id_) is not None
        case "d1":
            return store.find(Database, id_) is not None
        case "queue":
            return any(queue.name == id_ for queue in store.all(Queue))
        case "service":
            return id_ == worker or store.find(Worker, id_) is not None
        case "hyperdrive":
            return store.find(Hyperdrive, id_) is not None
        case named.INDEXES | named.CERTIFICATES | named.STREAMS:
            return named.is_there(twin, binding["type"], id_)
        case "dispatch_namespace":
            return store.find(DispatchNamespace, id_) is not None
    return secrets_store.find(twin, str(binding["store_id"]), id_) is not None


def _with_namespace(
    twin: Twin, worker: str, objects: Iterable[ObjectNamespace], binding: Binding
) -> Binding:
    script = binding.get("script_name") or worker
    held = objects if script == worker else twin.store.all(ObjectNamespace, script)
    for namespace in held:
        if namespace.class_name == binding["class_name"]:
            return binding | {"namespace_id": namespace.id}
    if script != worker and twin.store.find(Worker, script) is None:
        raise refusals.class_of_no_worker(script)
    raise refusals.class_not_configured(str(binding["class_name"]))


def _require_bucket(twin: Twin, binding: Binding) -> None:
    name, within = str(binding["bucket_name"]), binding.get("jurisdiction") or "default"
    try:
        twin.objects.bucket(name)
    except BucketMissing:
        raise refusals.bucket_of_binding_not_found(name) from None
    if r2.jurisdiction_of(twin, name) != within:
        raise refusals.bucket_of_binding_not_found(name)
