"""What a process of workerd is told: the versions that it serves, and what they are bound to.

The configuration's schema is workerd.capnp of the same npm package as the binary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from xswarm_twin.edge.bound import Place, bound, remote, standing_class
from xswarm_twin.edge.capnp import Embed
from xswarm_twin.edge.services import CACHE, TAIL, Access
from xswarm_twin.model import Module, ScriptInvalid, WorkerVersion

CF_HEADER = "X-Twin-Cf"
"""The request header by which the edge tells workerd the value of ``request.cf``."""

DATE: Final = "2026-01-01"
"""The compatibility date of the twin's own Workers."""
JAVASCRIPT: Final = Path(__file__).parent / "javascript"
PYTHON: Final = ("python_workers_development", "disable_python_dedicated_snapshot")
"""The flags by which workerd takes bundle and snapshot of :mod:`xswarm_twin.edge.pyodide`."""
CONTROL: Final = "control"
"""The socket by which the edge calls what no request of a client reaches."""

_KINDS = {
    "application/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "commonJsModule",
    "text/plain": "text",
    "application/octet-stream": "data",
    "application/wasm": "wasm",
    "application/json": "json",
    "text/x-python": "pythonModule",
    "text/x-python-requirement": "pythonRequirement",
}
_NOT_LOADED = {"application/source-map"}
_PORT: Final = {"name": "PORT", "workerdDebugPort": None}
_STORED: Final = {"durableObjectStorage": {"localDisk": "storage"}}
WORKFLOWS: Final = "miniflare-workflows-"
"""What workerd's name of the objects that a Workflow's instances are begins with."""


@dataclass(frozen=True)
class Process:
    """A process that serves versions of one Worker.

    Args:
        versions: they are served side by side, each at a socket named by its id.
        home: the version by which its Durable Objects and Workflows run.
        access: how the process reaches the edge.
        simulators: the address of the simulators' process.
        storage: the folder of the Worker's objects, where it has any.
    """

    versions: Sequence[WorkerVersion]
    home: WorkerVersion
    access: Access
    simulators: str
    storage: Path | None = None
    worker: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "worker", self.home.worker)

    @property
    def bindings(self) -> list[Mapping[str, Any]]:
        """Return the bindings of all versions."""
        return [binding for version in self.versions for binding in version.bindings]


def config(process: Process, newest: str = "") -> dict[str, object]:
    """Return the configuration of a process, a Workerd.Config.

    Args:
        process: what it serves.
        newest: the compatibility date that later ones run as, where workerd knows none of them.

    Raises:
        ScriptInvalid: a binding or module is of a type that is not offered.
    """
    sockets = [
        {**socket(version.id, service_of(version)), "http": {"cfBlobHeader": CF_HEADER}}
        for version in process.versions
    ]
    workers = _workers(process, newest)
    return {
        "services": [*workers, *_own(process, set(_texts(workers))), *_outside(process)],
        "sockets": [*sockets, socket(CONTROL, CONTROL)],
        "extensions": [{"modules": [_email()]}],
    }


def python_flags(given: Iterable[str]) -> list[str]:
    """Return the flags of a Python Worker as workerd is told them here: Pyodide is our own."""
    kept = [flag for flag in given if flag != "python_dedicated_snapshot"]
    return [*kept, *PYTHON] if "python_workers" in kept else kept


def service_of(version: WorkerVersion) -> str:
    """Name the service of a version."""
    return f"worker:{version.id}"


def socket(name: str, service: str) -> dict[str, object]:
    """Return a socket of loopback at a free port."""
    return {"name": name, "address": "127.0.0.1:0", "service": service}


def own_worker(name: str, file: str, *bindings: object, **more: object) -> dict[str, object]:
    """Return a service of the twin's own code."""
    module = {"name": file, "esModule": (JAVASCRIPT / file).read_text()}
    return _service(name, [module], bindings, **more)


def bundled_worker(name: str, *bindings: object, **more: object) -> dict[str, object]:
    """Return a service whose code comes with workerd."""
    module = {"name": f"{name}.js", "bundled": f"/workerd/{name}.js"}
    return _service(name, [module], bindings, **more)


def control(token: str, services: Iterable[str] = ()) -> dict[str, object]:
    """Return the entrance for the edge; it tells some services of events."""
    bound = ({"name": service, "service": service} for service in services)
    return own_worker(CONTROL, "control.js", _PORT, {"name": "TOKEN", "text": token}, *bound)


def external(name: str, access: Access, resource: str) -> dict[str, object]:
    """Return a service of the edge, which a Worker reaches without knowing the token."""
    headers = [
        {"name": header, "value": value} for header, value in access.headers(resource).items()
    ]
    told = {"address": access.address, "http": {"injectRequestHeaders": headers}}
    return {"name": name, "external": told}


def remotes(access: Access, standing: Iterable[tuple[str, str, str]] = ()) -> list[object]:
    """Return the services by which other processes are reached.

    Args:
        access: how the edge is asked where they are.
        standing: Worker, class and namespace of Durable Objects that others have.
    """
    told = list(standing)
    lines = ['export { default } from "./remote.js";', 'import { standing } from "./remote.js";']
    lines += [
        f"export const {standing_class(worker, name)} ="
        f" standing({json.dumps(worker)}, {json.dumps(name)});"
        for worker, name, _ in told
    ]
    modules = [
        {"name": "main.js", "esModule": "\n".join(lines)},
        {"name": "remote.js", "esModule": (JAVASCRIPT / "remote.js").read_text()},
    ]
    namespaces = [
        {"className": standing_class(worker, name), "uniqueKey": namespace}
        for worker, name, namespace in told
    ]
    more = {"durableObjectNamespaces": namespaces, "durableObjectStorage": {"inMemory": None}}
    bindings = [_PORT, {"name": "EDGE", "service": "edge"}]
    return [
        _service("remote", modules, bindings, **(more if told else {})),
        external("edge", access, "/workers"),
    ]


def _service(
    name: str, modules: object, bindings: Iterable[object], **more: object
) -> dict[str, object]:
    flags = ["service_binding_extra_handlers"]
    worker = {"modules": modules, "compatibilityDate": DATE, "compatibilityFlags": flags}
    return {"name": name, "worker": {**worker, "bindings": list(bindings), **more}}


def _email() -> dict[str, object]:
    code = (JAVASCRIPT / "email.js").read_text()
    return {"name": "cloudflare-internal:email", "internal": True, "esModule": code}


def run_as(date: str, newest: str) -> str:
    """Return the compatibility date by which a workerd runs what has a date.

    One in the future stays, and is refused. Source: Miniflare, which falls back likewise.
    """
    is_late = bool(newest) and newest < date <= f"{datetime.now(UTC):%Y-%m-%d}"
    return newest if is_late else date


def _workers(process: Process, newest: str) -> list[dict[str, object]]:
    home = service_of(process.home)
    made: list[dict[str, object]] = []
    for number, version in enumerate(process.versions):
        place = Place(version, service_of(version), home, process.simulators)
        worker = {
            "modules": _modules(number, version),
            "compatibilityDate": run_as(version.compatibility_date, newest),
            "compatibilityFlags": _flags(version),
            "bindings": bound(place),
            "cacheApiOutbound": {"name": "cache"},
            "tails": [
                {"name": "tail"},
                *(remote(worker=consumer) for consumer in version.tail_consumers),
            ],
            **(_stateful(process) if version is process.home else {}),
        }
        made.append({"name": place.service, "worker": worker})
    return made


def _flags(version: WorkerVersion) -> Iterable[str]:
    given = version.compatibility_flags
    return python_flags(given) if version.is_python else given


def _stateful(process: Process) -> dict[str, object]:
    """Return what makes a version the home of its Worker's objects."""
    namespaces = [
        {"className": one.class_name, "uniqueKey": one.id, "enableSql": one.sqlite}
        for one in process.home.objects
    ]
    workflows = [
        {
            "className": flow.class_name,
            "name": flow.name,
            "bindingService": {
                "name": "workflows",
                "entrypoint": "WorkflowBinding",
                "props": {"json": json.dumps({"workflow": flow.name})},
            },
        }
        for flow in process.home.workflows
    ]
    engine = {"name": "workflows", "entrypoint": "Engine"}
    return {
        **({"durableObjectNamespaces": namespaces} if namespaces else {}),
        **(_STORED if namespaces else {}),
        **(
            {"workflowsEngine": {"actorClass": engine, "workflows": workflows}} if workflows else {}
        ),
    }


def _texts(value: object) -> Iterator[str]:
    """Return every text of a configuration, the names of services among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(value.values())
    elif isinstance(value, Iterable):
        for one in value:
            yield from _texts(one)


def _own(process: Process, used: Set[str]) -> list[object]:
    """Return the twin's services of a process, of which each costs memory: those that are used."""
    standing = {
        (one["script_name"], one["class_name"], one["namespace_id"])
        for one in process.bindings
        if one["type"] == "durable_object_namespace"
        and one.get("script_name", process.worker) != process.worker
    }
    made: list[object] = [
        control(process.access.token, map(service_of, process.versions)),
        own_worker("tail", "tail.js", {"name": "EDGE", "service": "logs"}),
    ]
    if "values" in used:
        made += [own_worker("values", "values.js", {"name": "MAIL", "service": "mail"})]
    if "remote" in used:
        made += remotes(process.access, sorted(standing))
    return [*made, _workflows(process)] if process.home.workflows else made


def _workflows(process: Process) -> dict[str, object]:
    home = service_of(process.home)
    instances = [
        {
            "name": f"workflow:{flow.name}",
            "durableObjectNamespace": {
                "className": f"{WORKFLOWS}{flow.name}",
                "serviceName": home,
            },
        }
        for flow in process.home.workflows
    ]
    return bundled_worker("workflows", *instances, **_STORED)


def _outside(process: Process) -> list[object]:
    """Return what is outside of the process: the edge's services, folders, databases, networks."""
    access = process.access
    buckets = sorted(access.buckets)
    tls = {"trustBrowserCas": True}
    folder = {"path": str(process.storage), "writable": True}
    return [
        {"name": "internet", "network": {"allow": ["public", "private"], "tlsOptions": tls}},
        external("mail", access, "/mail"),
        external("events", access, "/events"),
        external("logs", access, TAIL),
        external("cache", access, CACHE),
        *(external(f"r2:{bucket}", access, f"/r2/{bucket}") for bucket in buckets),
        *(external(f"assets:{one.id}", access, f"/assets/{one.id}") for one in process.versions),
        *_databases(process),
        *([] if process.storage is None else [{"name": "storage", "disk": folder}]),
    ]


def _databases(process: Process) -> list[object]:
    found = {
        one["id"]: f"{one['origin']['host']}:{one['origin']['port']}"
        for one in process.bindings
        if one["type"] == "hyperdrive"
    }
    return [
        {"name": f"hyperdrive:{id_}", "external": {"address": address, "tcp": {}}}
        for id_, address in found.items()
    ]


def module_file(process: int, number: int) -> str:
    """Name the file of a module, beside the configuration."""
    return f"modules/{process}-{number}"


def _modules(index: int, version: WorkerVersion) -> list[dict[str, object]]:
    """Return the modules, the main one first."""
    numbered = [
        (number, module)
        for number, module in enumerate(version.modules)
        if module.media_type not in _NOT_LOADED
    ]
    if version.main_module not in {module.name for _, module in numbered}:
        raise ScriptInvalid(f"the main module {version.main_module} is not among the modules")
    numbered.sort(key=lambda pair: pair[1].name != version.main_module)
    return [_module(module_file(index, number), module) for number, module in numbered]


def _module(file: str, module: Module) -> dict[str, object]:
    kind = _KINDS.get(module.media_type)
    if kind is None:
        raise ScriptInvalid(f"module {module.name} is of the unknown type {module.media_type}")
    return {"name": module.name.removeprefix("./"), kind: Embed(file)}
