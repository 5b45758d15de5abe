"""The Secrets Store: secrets of the account, which Workers are bound to one by one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import SecretStore, StoredSecret
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_STORES = "/accounts/{account}/secrets_store/stores"
_STORE = _STORES + "/{store}"
_SECRETS = _STORE + "/secrets"
_SECRET = _SECRETS + "/{secret}"


def _told_store(store: SecretStore) -> dict[str, Any]:
    return {
        "id": store.id,
        "name": store.name,
        "created": store.created_on,
        "modified": store.created_on,
    }


def _told(secret: StoredSecret) -> dict[str, Any]:
    """Return what the API tells: not the text."""
    return {
        "id": secret.id,
        "name": secret.name,
        "comment": secret.comment,
        "scopes": secret.scopes,
        "store_id": secret.store,
        "status": "active",
        "created": secret.created_on,
        "modified": secret.created_on,
    }


_stores = Collection(
    *(SecretStore, _STORES, "store", refusals.store_not_found, _told_store),
)
_stores.offer(routes, show=False)
_secrets = Collection(
    *(StoredSecret, _SECRETS, "secret", refusals.stored_secret_not_found, _told),
    owner=lambda request: _stores.find(request).id,
)
_secrets.offer(routes)


@routes.post(_STORES)
async def create_store(request: web.Request) -> web.Response:
    """Make a store; an account has one at most."""
    twin, body = twin_of(request), await bodies.json_object(request)
    if twin.store.all(SecretStore):
        raise refusals.too_many_stores()
    name = bodies.required(body, "name", str)
    made = SecretStore(uuid.uuid4().hex, name, twin.clock.now())
    twin.store.save(made)
    return success(_told_store(made))


@routes.post(_SECRETS)
async def create(request: web.Request) -> web.Response:
    """Put secrets into a store."""
    twin, store = twin_of(request), _stores.find(request)
    made = []
    for one in await bodies.json_list(request):
        given = bodies.checked(one, dict, "a secret")
        name = bodies.required(given, "name", str)
        if find(twin, store.id, name) is not None:
            raise refusals.stored_secret_exists()
        scopes = bodies.texts(given, "scopes")
        text, comment = bodies.required(given, "value", str), bodies.optional(given, "comment", "")
        now = twin.clock.now()
        made.append(StoredSecret(uuid.uuid4().hex, store.id, name, text, now, scopes, comment))
    twin.store.save(*made)
    return paged(request, [_told(one) for one in made])


@routes.patch(_SECRET)
async def change(request: web.Request) -> web.Response:
    """Change a secret."""
    found, body = _secrets.find(request), await bodies.json_object(request)
    changed = replace(
        found,
        text=bodies.optional(body, "value", found.text),
        comment=bodies.optional(body, "comment", found.comment),
        scopes=bodies.texts(body, "scopes") or found.scopes,
    )
    twin_of(request).store.save(changed)
    return success(_told(changed))


def find(twin: Twin, store: str, name: str) -> StoredSecret | None:
    """Return a store's secret of a name."""
    return next((one for one in twin.store.all(StoredSecret, store) if one.name == name), None)
