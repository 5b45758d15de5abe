"""Who one is: tokens, the user, the accounts."""

from __future__ import annotations

import hashlib

from aiohttp import web

from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.twin import Account, twin_of

_EMAIL = "sandbox@localhost"
_NAME = "Sandbox"

_GOOD = {"code": 10000, "message": "This API Token is valid and active", "type": None}
routes = web.RouteTableDef()


@routes.get("/user/tokens/verify")
@routes.get("/accounts/{account}/tokens/verify")
async def verify(request: web.Request) -> web.Response:
    """Report that the token is good; a bad one did not come this far."""
    account = twin_of(request).account
    token_id = hashlib.sha256(account.token.encode()).hexdigest()[:32]
    return success({"id": token_id, "status": "active"}, messages=[_GOOD])


@routes.get("/user")
async def user(request: web.Request) -> web.Response:
    """Return the user."""
    account = twin_of(request).account
    return success({"id": account.id, "email": _EMAIL, "two_factor_authentication_enabled": True})


@routes.get("/accounts")
async def accounts(request: web.Request) -> web.Response:
    """List the one account."""
    return paged(request, [_account(twin_of(request).account)])


@routes.get("/accounts/{account}")
async def account(request: web.Request) -> web.Response:
    """Return the account."""
    return success(_account(twin_of(request).account))


@routes.get("/memberships")
async def memberships(request: web.Request) -> web.Response:
    """List the user's one membership."""
    mine = twin_of(request).account
    roles = ["Super Administrator - All Privileges"]
    member = {"id": mine.id, "account": _account(mine), "roles": roles, "status": "accepted"}
    return paged(request, [member])


def _account(mine: Account) -> dict[str, str]:
    return {"id": mine.id, "name": _NAME, "type": "standard"}
