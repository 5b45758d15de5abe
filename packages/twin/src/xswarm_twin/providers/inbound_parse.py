"""SendGrid's inbound parse: which mail is delivered to which URL, and signed by which policy.

Source: SendGrid's OpenAPI document tsg_webhooks_v3.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from aiohttp import web

from xswarm_twin.providers import answers, signatures
from xswarm_twin.providers.records import Records

_PATH: Final = "/v3/user/webhooks/parse/settings"
_POLICIES: Final = "/v3/user/webhooks/security/policies"


class InboundParse:
    """Keep the parse settings of one account, and the policies that sign alone, without OAuth.

    Args:
        records: where they and the policies' signing keys are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._parse = records.table("parse_settings")
        self._policies = records.table("security_policies")
        self._signing = records.table("policy_signing_keys")

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_PATH, self._list),
            web.post(_PATH, self._create),
            web.get(f"{_PATH}/{{hostname}}", self._get),
            web.patch(f"{_PATH}/{{hostname}}", self._update),
            web.delete(f"{_PATH}/{{hostname}}", self._delete),
            web.get(_POLICIES, self._list_policies),
            web.post(_POLICIES, self._create_policy),
            web.get(f"{_POLICIES}/{{id}}", self._get_policy),
            web.delete(f"{_POLICIES}/{{id}}", self._delete_policy),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"result": list(self._parse.values())})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await answers.body(request)
        problem = self._problem(wanted, required=("url", "hostname"))
        if problem:
            return problem
        hostname = wanted["hostname"]
        if hostname in self._parse:
            return answers.error(400, "duplicate entry for hostname", "hostname")
        entry = {"url": "", "hostname": "", "spam_check": False, "send_raw": False} | wanted
        self._parse[hostname] = entry
        self._records.save()
        return web.json_response(entry, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        entry = self._parse.get(request.match_info["hostname"])
        return web.json_response(entry) if entry else answers.error(404, "not found")

    async def _update(self, request: web.Request) -> web.Response:
        entry, wanted = self._parse.get(request.match_info["hostname"]), await answers.body(request)
        if not entry:
            return answers.error(404, "not found")
        problem = self._problem(wanted, required=())
        if problem:
            return problem
        entry.update({name: value for name, value in wanted.items() if name != "hostname"})
        self._records.save()
        return web.json_response(entry)

    async def _delete(self, request: web.Request) -> web.Response:
        if not self._parse.pop(request.match_info["hostname"], None):
            return answers.error(404, "not found")
        self._records.save()
        return web.Response(status=204)

    async def _list_policies(self, _request: web.Request) -> web.Response:
        return web.json_response({"policies": list(self._policies.values())})

    async def _create_policy(self, request: web.Request) -> web.Response:
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

    async def _get_policy(self, request: web.Request) -> web.Response:
        policy = self._policies.get(request.match_info["id"])
        return web.json_response({"policy": policy}) if policy else answers.error(404, "not found")

    async def _delete_policy(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if not self._policies.pop(identity, None):
            return answers.error(404, "not found")
        self._signing.pop(identity, None)
        self._records.save()
        return web.Response(status=204)

    def _problem(self, wanted: dict[str, Any], required: tuple[str, ...]) -> web.Response | None:
        problem, policy = _parse_problem(wanted, required), wanted.get("security_policy")
        if not problem and policy and policy not in self._policies:
            return answers.error(400, "security policy not found", "security_policy")
        return problem


def _parse_problem(wanted: dict[str, Any], required: tuple[str, ...]) -> web.Response | None:
    for name in required:
        if not wanted.get(name):
            return answers.error(400, f"{name} is required", name)
    for name in ("url", "hostname", "security_policy"):
        if not isinstance(wanted.get(name, ""), str):
            return answers.error(400, f"{name} must be a string", name)
    if "url" in wanted and not answers.is_url(wanted["url"]):
        return answers.error(400, f"'{wanted['url']}' is not a valid url", "url")
    for name in ("spam_check", "send_raw"):
        if not isinstance(wanted.get(name, False), bool):
            return answers.error(400, f"{name} must be a bool", name)
    return None
