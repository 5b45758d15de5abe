"""Resources by the ids that a project's own configuration names: what no real account lets choose.

A KV namespace or a database is made once, and its id is written into the configuration. The twin
begins empty, so whoever starts it for a project has what the configuration takes for granted made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from xswarm_twin.cloudflare import bodies, hyperdrive, named, refusals, secrets_store
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import (
    Database,
    Hyperdrive,
    KvNamespace,
    Record,
    SecretStore,
    StoredSecret,
)
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()


@routes.put("/accounts/{account}/__sandbox/{kind}/{id}")
async def provide(request: web.Request) -> web.Response:
    """Make a resource of this id, unless there is one; what is there is left as it is."""
    twin, told = twin_of(request), await bodies.json_object(request)
    kind, id_ = request.match_info["kind"], request.match_info["id"]
    if kind not in _MADE:
        raise refusals.body_invalid(f"there are {', '.join(sorted(_MADE))}")
    for record in _MADE[kind](twin, id_, told):
        if twin.store.find(type(record), record.key, record.owner) is None:
            twin.store.save(record)
    return success(None)


def _namespace(_: Twin, id_: str, told: Mapping[str, Any]) -> list[Record]:
    return [KvNamespace(id_, bodies.optional(told, "name", id_))]


def _database(twin: Twin, id_: str, told: Mapping[str, Any]) -> list[Record]:
    return [Database(id_, bodies.optional(told, "name", id_), twin.clock.now())]


def _hyperdrive(twin: Twin, id_: str, told: Mapping[str, Any]) -> list[Record]:
    """Take where the database is from a connection string, as ``wrangler dev`` does."""
    url = urlsplit(bodies.required(told, "url", str))
    try:
        port = url.port
    except ValueError:
        raise refusals.body_invalid("url has no port that is a number") from None
    origin = {
        "scheme": url.scheme,
        "host": url.hostname,
        "database": url.path.removeprefix("/"),
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        **({"port": port} if port else {}),
    }
    return [Hyperdrive(id_, id_, twin.clock.now(), hyperdrive.origin(origin))]


def _secret(twin: Twin, id_: str, told: Mapping[str, Any]) -> list[Record]:
    """Make a store of this id, and in it a secret."""
    name, now = bodies.required(told, "name", str), twin.clock.now()
    store = SecretStore(id_, id_, now)
    if secrets_store.find(twin, id_, name) is not None:
        return [store]
    text = bodies.required(told, "text", str)
    return [store, StoredSecret(f"{id_}-{name}", id_, name, text, now)]


def _index(twin: Twin, id_: str, _: Mapping[str, Any]) -> list[Record]:
    config = {"dimensions": 768, "metric": "cosine"}
    told = {"name": id_, "description": "", "config": config}
    return [named.made(twin, named.INDEXES, id_, told)]


def _certificate(twin: Twin, id_: str, _: Mapping[str, Any]) -> list[Record]:
    return [named.made(twin, named.CERTIFICATES, id_, {"id": id_, "name": id_, "ca": False})]


def _stream(twin: Twin, id_: str, _: Mapping[str, Any]) -> list[Record]:
    return [named.made(twin, named.STREAMS, id_, {"id": id_, "name": id_, "version": 1})]


_MADE: Mapping[str, Callable[[Twin, str, Mapping[str, Any]], list[Record]]] = {
    "kv": _namespace,
    "d1": _database,
    "hyperdrive": _hyperdrive,
    "secrets": _secret,
    "vectorize": _index,
    "certificates": _certificate,
    "streams": _stream,
}
