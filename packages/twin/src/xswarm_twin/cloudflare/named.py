"""What the twin knows by its name alone: Vectorize indexes, mTLS certificates, pipelines' streams.

They are there to be bound, made and listed; nothing is kept in them. A Worker that is bound to one
that is not there is refused, as Cloudflare does. Reference: Cloudflare's API, "Vectorize",
"mTLS Certificates", "Pipelines".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import Refusal, success
from xswarm_twin.cloudflare.records import NamedOnly
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
INDEXES: Final = "vectorize"
CERTIFICATES: Final = "mtls_certificate"
STREAMS: Final = "pipelines"
_OF_A_STREAM: Final = ("format", "schema", "http", "worker_binding")
_INDEXES: Final = "/accounts/{account}/vectorize/v2/indexes"
_CERTIFICATES: Final = "/accounts/{account}/mtls_certificates"
_STREAMS: Final = "/accounts/{account}/pipelines/v1/streams"


def is_there(twin: Twin, product: str, id_: str) -> bool:
    """Return whether the account has one.

    Args:
        twin: the parts.
        product: the type of the binding to one.
        id_: what a binding names; an index is named by its name.
    """
    return twin.store.find(NamedOnly, id_, product) is not None


def made(twin: Twin, product: str, id_: str, told: Mapping[str, Any]) -> NamedOnly:
    """Return one as it is stored; what is secret of it was left out before."""
    return NamedOnly(id_, product, twin.clock.now(), dict(told))


def _told(one: NamedOnly) -> dict[str, Any]:
    return one.told | {"created_on": one.created_on, "modified_on": one.created_on}


def _offer(path: str, product: str, missing: Callable[[], Refusal]) -> None:
    listed = Collection(
        *(NamedOnly, path, "one", missing, _told),
        owner=lambda _request: product,
    )
    listed.offer(routes)


_offer(_INDEXES, INDEXES, refusals.index_not_found)
_offer(_CERTIFICATES, CERTIFICATES, refusals.certificate_not_found)
_offer(_STREAMS, STREAMS, refusals.stream_not_found)


@routes.post(_INDEXES)
async def create_index(request: web.Request) -> web.Response:
    """Make an index of Vectorize."""
    body = await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if is_there(twin_of(request), INDEXES, name):
        raise refusals.index_exists(name)
    told = {
        "name": name,
        "description": bodies.optional(body, "description", ""),
        "config": bodies.required(body, "config", dict),
    }
    return _kept(request, INDEXES, name, told)


@routes.post(_CERTIFICATES)
async def upload_certificate(request: web.Request) -> web.Response:
    """Take a certificate in; its key is not kept."""
    body = await bodies.json_object(request)
    id_ = str(uuid.uuid4())
    told = {
        "id": id_,
        "name": bodies.optional(body, "name", ""),
        "ca": bodies.optional(body, "ca", False),
        "certificates": bodies.required(body, "certificates", str),
        "issuer": "CN=local",
        "signature": "SHA256WithRSA",
        "serial_number": uuid.uuid4().hex,
        "uploaded_on": twin_of(request).clock.now(),
        "expires_on": "2099-01-01T00:00:00Z",
    }
    return _kept(request, CERTIFICATES, id_, told)


@routes.post(_STREAMS)
async def create_stream(request: web.Request) -> web.Response:
    """Make a stream of Pipelines."""
    body, id_ = await bodies.json_object(request), uuid.uuid4().hex
    given = {key: body[key] for key in _OF_A_STREAM if key in body}
    told = given | {"id": id_, "name": bodies.required(body, "name", str), "version": 1}
    return _kept(request, STREAMS, id_, told)


def _kept(request: web.Request, product: str, id_: str, told: Mapping[str, Any]) -> web.Response:
    twin = twin_of(request)
    one = made(twin, product, id_, told)
    twin.store.save(one)
    return success(_told(one))
