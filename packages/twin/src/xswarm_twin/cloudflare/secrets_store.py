"""The Secrets Store: secrets of the account, which Workers are bound to one by one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import SecretStore, StoredSecret
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_STORES = "/accounts/{account}/secrets_store/stores"
_STORE = _STORES + "/{store}"
_SECRETS = _STORE + "/secrets"
_SECRET = _SECRETS + "/{secret}"


@routes.get(_STORES)
async def stores(request: web.Request) -> web.Response:
    """List the stores."""
    return paged(request, [_told_store(one) for one in twin_of(request).store.all(SecretStore)])


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


@routes.delete(_STORE)
async def delete_store(request: web.Request) -> web.Response:
    """Remove a store with its secrets."""
    twin_of(request).store.remove(_store(request))
    return success(None)


@routes.get(_SECRETS)
async def index(request: web.Request) -> web.Response:
    """List the secrets of a store, without their texts."""
    store = _store(request)
    return paged(
        request, [_told(one) for one in twin_of(request).store.all(StoredSecret, store.id)]
    )


@routes.post(_SECRETS)
async def create(request: web.Request) -> web.Response:
    """Put secrets into a store."""
    twin, store = twin_of(request), _store(request)
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


@routes.get(_SECRET)
async def show(request: web.Request) -> web.Response:
    """Return a secret without its text."""
    return success(_told(_find(request)))


@routes.patch(_SECRET)
async def change(request: web.Request) -> web.Response:
    """Change a secret."""
    found, body = _find(request), await bodies.json_object(request)
    changed = replace(
        found,
        text=bodies.optional(body, "value", found.text),
        comment=bodies.optional(body, "comment", found.comment),
        scopes=bodies.texts(body, "scopes") or found.scopes,
    )
    twin_of(request).store.save(changed)
    return success(_told(changed))


@routes.delete(_SECRET)
async def delete(request: web.Request) -> web.Response:
    """Remove a secret."""
    twin_of(request).store.remove(_find(request))
    return success(None)


def find(twin: Twin, store: str, name: str) -> StoredSecret | None:
    """Return a store's secret of a name."""
    return next((one for one in twin.store.all(StoredSecret, store) if one.name == name), None)


def _store(request: web.Request) -> SecretStore:
    name, missing = request.match_info["store"], refusals.store_not_found
    return twin_of(request).store.require(SecretStore, name, missing)


def _find(request: web.Request) -> StoredSecret:
    store, wanted = _store(request), request.match_info["secret"]
    missing = refusals.stored_secret_not_found
    return twin_of(request).store.require(StoredSecret, wanted, missing, store.id)


def _told_store(store: SecretStore) -> dict[str, Any]:
    return {
        "id": store.id,
        "name": store.name,
        "created": store.created_on,
        "modified": store.created_on,
    }


def _told(secret: StoredSecret) -> dict[str, Any]:
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
