"""The shape of a wrangler configuration, as far as a release reads it; wrangler judges the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.services import shape

_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_Table = dict[str, object]
_Tables = list[dict[str, object]] | None


class _Consumer(shape.Wire):
    queue: str


class _Queues(shape.Wire):
    consumers: list[_Consumer] | None = None
    producers: _Tables = None


class _Objects(shape.Wire):
    bindings: _Tables = None


class _Workflow(shape.Wire):
    name: str
    class_name: str
    script_name: str | None = None


class _Export(shape.Wire):
    type: str
    name: str | None = None


class _Migration(shape.Wire):
    tag: str


class _Triggers(shape.Wire):
    crons: object = None


class _Secrets(shape.Wire):
    required: list[str] | None = None


class _Route(shape.Wire):
    pattern: str
    zone_id: str | None = None
    zone_name: str | None = None


class _Database(shape.Wire):
    binding: str
    database_id: str | None = None
    database_name: str | None = None
    migrations_dir: str | None = None
    migrations_pattern: str | None = None
    migrations_table: str | None = None


class _File(shape.Wire):
    main: str | None = None
    triggers: _Triggers | None = None
    queues: _Queues | None = None
    workflows: list[_Workflow] | None = None
    routes: list[object] | None = None
    migrations: list[_Migration] | None = None
    durable_objects: _Objects | None = None
    secrets: _Secrets | None = None
    exports: dict[str, _Export] | None = None
    vars: _Table | None = None
    assets: _Table | None = None
    build: _Table | None = None
    observability: _Table | None = None
    tail_consumers: _Tables = None
    ai: _Table | None = None
    browser: _Table | None = None
    images: _Table | None = None
    media: _Table | None = None
    version_metadata: _Table | None = None
    r2_buckets: _Tables = None
    kv_namespaces: _Tables = None
    d1_databases: list[_Database] | None = None
    services: _Tables = None
    hyperdrive: _Tables = None
    vectorize: _Tables = None
    analytics_engine_datasets: _Tables = None
    dispatch_namespaces: _Tables = None
    mtls_certificates: _Tables = None
    pipelines: _Tables = None
    ratelimits: _Tables = None
    secrets_store_secrets: _Tables = None
    send_email: _Tables = None


def require(content: Mapping[str, Any], name: str) -> None:
    """Refuse a configuration of which a part has not the shape that is relied upon.

    Args:
        content: what is deployed, with what its environment inherits.
        name: of the file.

    Raises:
        Refused: the place is told.
    """
    try:
        _require_texts(content)
        read = shape.read(dict(content), _File, name)
        _require_paths(read)
        _require_named(read)
        for route in [*(content.get("routes") or ()), content.get("route") or ""]:
            _require_route(route, name)
    except shape.Mismatch as error:
        raise Refused(f"{name} cannot be deployed", str(error), "correct it there") from None


def _require_texts(value: object) -> None:
    """Refuse what no name and no path may have: NUL, and half of a surrogate pair."""
    if isinstance(value, str) and _UNWRITABLE.search(value):
        raise shape.Mismatch("a text in it has NUL or half of a surrogate pair")
    inner = value.values() if isinstance(value, Mapping) else value
    for one in inner if isinstance(inner, Iterable) and not isinstance(inner, str) else ():
        _require_texts(one)


def _require_paths(read: _File) -> None:
    """Refuse a path that no file system takes: a name of more than 255 bytes, or 4,096 in all."""
    databases = [(one.migrations_dir, one.migrations_pattern) for one in read.d1_databases or ()]
    asked = [read.main, (read.assets or {}).get("directory"), *chain.from_iterable(databases)]
    for path in map(str, filter(None, asked)):
        if len(path.encode()) > 4096 or any(len(name.encode()) > 255 for name in path.split("/")):
            raise shape.Mismatch(f"{path[:40]}… is too long for a path")


def _require_named(read: _File) -> None:
    for export, one in (read.exports or {}).items():
        if one.type == "workflow" and not one.name:
            raise shape.Mismatch(f"exports.{export} is a workflow without a name")


def _require_route(route: object, name: str) -> None:
    if isinstance(route, Mapping):
        shape.read(dict(route), _Route, f"a route of {name}")
    elif not isinstance(route, str):
        raise shape.Mismatch(f"a route is a pattern or a table, not {route!r}")
