"""SendGrid's sender identities: who may send.

Source: SendGrid's OpenAPI documents tsg_verified_senders_v3 and
tsg_domain_authentication_v3.
"""

from __future__ import annotations

import secrets
from typing import Final

from aiohttp import web

from xswarm_twin.providers import answers
from xswarm_twin.providers.records import Records

_DOMAIN: Final = "xswarm.ai"  # authenticated from the start
_FIRST_SENDER: Final = {
    "id": 1,
    "nickname": "xSwarm Boss",
    "from_email": f"boss@{_DOMAIN}",
    "from_name": "xSwarm Boss",
    "reply_to": f"boss@{_DOMAIN}",
    "verified": True,
    "locked": False,
}


class Senders:
    """Keep the senders of one account; its first domain is authenticated.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._senders = records.table("verified_senders", {"1": _FIRST_SENDER})

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/v3/verified_senders", self._list),
            web.post("/v3/verified_senders", self._create),
            web.delete("/v3/verified_senders/{id}", self._delete),
            web.get("/v3/whitelabel/domains", _domains),
        ]

    def may_send(self, address: str) -> bool:
        """Return whether mail from an address is taken."""
        domain = address.rpartition("@")[2].lower()
        if domain == _DOMAIN or domain.endswith(f".{_DOMAIN}"):
            return True
        return any(
            sender["verified"] and sender["from_email"] == address
            for sender in self._senders.values()
        )

    async def _list(self, request: web.Request) -> web.Response:
        """List a page: ``limit`` senders, those behind the one that was seen last."""
        ids, seen = list(self._senders), request.query.get("lastSeenID", "")
        begin = ids.index(seen) + 1 if seen in ids else 0
        page = list(self._senders.values())[begin:][: answers.limit(request)]
        return web.json_response({"results": page})

    async def _create(self, request: web.Request) -> web.Response:
        """Take a sender; it is not verified, because nobody opens its mail here."""
        wanted = await answers.body(request)
        for name in ("nickname", "from_email", "reply_to"):
            if not isinstance(wanted.get(name), str) or not wanted[name]:
                return _sender_error(f"{name} is required", name)
        if any(sender["from_email"] == wanted["from_email"] for sender in self._senders.values()):
            return _sender_error("already exists", "from_email")
        identity = secrets.randbelow(10**7) + 1
        sender = {**wanted, "id": identity, "verified": False, "locked": False}
        self._senders[str(identity)] = sender
        self._records.save()
        return web.json_response(sender, status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        if not self._senders.pop(request.match_info["id"], None):
            return answers.error(404, "not found")
        self._records.save()
        return web.Response(status=204)


async def _domains(request: web.Request) -> web.Response:
    offset = request.query.get("offset", "0")
    domain = {"id": 1, "domain": _DOMAIN, "subdomain": "em1", "valid": True, "default": True}
    begin = int(offset) if offset.isdecimal() else 0
    return web.json_response([domain][begin:][: answers.limit(request)])


def _sender_error(message: str, field: str) -> web.Response:
    entry = {"field": field, "message": message, "error_id": field}
    return web.json_response({"errors": [entry]}, status=400)
