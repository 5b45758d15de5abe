"""SendGrid's security policies: how it signs the mail that it hands in.

Source: SendGrid's OpenAPI document tsg_webhooks_v3.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from aiohttp import web

from xswarm_twin.providers import answers, signatures
from xswarm_twin.providers.records import Records

_PATH: Final = "/v3/user/webhooks/security/policies"


class SecurityPolicies:
    """Keep the security policies of one account; those that sign alone, without OAuth.

    Args:
        records: where they and their signing keys are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._policies = records.table("security_policies")
        self._signing = records.table("policy_signing_keys")

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_PATH, self._list),
            web.post(_PATH, self._create),
            web.get(f"{_PATH}/{{id}}", self._get),
            web.delete(f"{_PATH}/{{id}}", self._delete),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"policies": list(self._policies.values())})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await answers.body(request)
        if not isinstance(wanted.get("name"), str) or not wanted["name"]:
            return answers.error(400, "name is required", "name")
        if not (wanted.get("signature") or {}).get("enabled"):
            return answers.error(400, "one of signature or oauth must be given", "signature")
        private, public = signatures.make()
        policy = {"id": str(uuid.uuid4()), "name": wanted["name"]}
        policy_with_key: dict[str, Any] = {**policy, "signature": {"public_key": public}}
        self._policies[policy["id"]] = policy_with_key
        self._signing[policy["id"]] = private
        self._records.save()
        return web.json_response({"policy": policy_with_key}, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        policy = self._policies.get(request.match_info["id"])
        return web.json_response({"policy": policy}) if policy else answers.error(404, "not found")

    async def _delete(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if not self._policies.pop(identity, None):
            return answers.error(404, "not found")
        self._signing.pop(identity, None)
        self._records.save()
        return web.Response(status=204)
