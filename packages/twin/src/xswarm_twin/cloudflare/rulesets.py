"""Request header transform rules of zones: kept, and obeyed by the edge for the version key.

Of Cloudflare's rules language the edge understands what gives a key: a cookie, a header, the
caller's address; another expression is refused.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, zones
from xswarm_twin.cloudflare.envelope import Refusal, success
from xswarm_twin.cloudflare.records import HeaderRules, Zone
from xswarm_twin.cloudflare.twin import Twin, twin_of

PHASE: Final = "http_request_late_transform"
KEY: Final = "Cloudflare-Workers-Version-Key"
_ENTRY: Final = f"/zones/{{zone}}/rulesets/phases/{PHASE}/entrypoint"
_RULES: Final = "/zones/{zone}/rulesets/{ruleset}/rules"
_COOKIE: Final = re.compile(r'http\.request\.cookies\["([^"]+)"\]\[0\]')
_HEADER: Final = re.compile(r'http\.request\.headers\["([^"]+)"\]\[0\]')
_CALLER: Final = re.compile(r"to_string\(ip\.src\)|ip\.src")

routes = web.RouteTableDef()


@routes.get(_ENTRY)
async def show(request: web.Request) -> web.Response:
    """Return the rules of a zone; 404 where nobody has made any."""
    return success(_told(_found(request)))


@routes.put(_ENTRY)
async def replace_all(request: web.Request) -> web.Response:
    """Let these be the rules of a zone, and no others."""
    zone, body = zones.find(request), await bodies.json_object(request)
    listed = bodies.required(body, "rules", list)
    known = twin_of(request).store.find(HeaderRules, zone.id)
    made = HeaderRules(
        known.id if known else uuid.uuid4().hex, zone.id, [_new(one) for one in listed]
    )
    return _keep(request, made)


@routes.post(_RULES)
async def add(request: web.Request) -> web.Response:
    """Add a rule behind the others."""
    found, rule = _found(request), _new(await bodies.json_object(request))
    return _keep(request, replace(found, rules=[*found.rules, rule]))


@routes.patch(_RULES + "/{rule}")
async def change(request: web.Request) -> web.Response:
    """Change a rule."""
    found, wanted = _found(request), request.match_info["rule"]
    changed = _new(await bodies.json_object(request)) | {"id": wanted}
    _require(found, wanted)
    rules = [changed if one["id"] == wanted else one for one in found.rules]
    return _keep(request, replace(found, rules=rules))


@routes.delete(_RULES + "/{rule}")
async def delete(request: web.Request) -> web.Response:
    """Remove a rule."""
    found, wanted = _found(request), request.match_info["rule"]
    _require(found, wanted)
    return _keep(request, replace(found, rules=[r for r in found.rules if r["id"] != wanted]))


def publish(twin: Twin) -> None:
    """Let the edge obey the account's rules.

    Every port of the edge stands for every host, so that a rule of any zone counts.
    """
    twin.edge.key_of = partial(_value, _expression(twin))


def _expression(twin: Twin) -> str:
    for kept in twin.store.all(HeaderRules):
        for rule in kept.rules:
            headers = rule["action_parameters"].get("headers", {})
            expression = str(headers.get(KEY, {}).get("expression") or "")
            if rule.get("enabled", True) and expression:
                return expression
    return ""


def _value(expression: str, request: web.Request) -> str:
    """Return the version key of a request; empty: it has none."""
    if not expression:
        return ""
    if found := _COOKIE.fullmatch(expression):
        return request.cookies.get(found[1], "")
    if found := _HEADER.fullmatch(expression):
        return request.headers.get(found[1], "")
    return request.remote or ""


def _new(body: Any) -> dict[str, Any]:
    rule = bodies.checked(body, dict, "a rule")
    if bodies.required(rule, "action", str) != "rewrite":
        raise refusals.body_invalid("the action of this phase is rewrite")
    bodies.required(rule, "expression", str)
    headers = bodies.required(rule, "action_parameters", dict).get("headers") or {}
    for named in headers.values():
        expression = str(named.get("expression") or "")
        if expression and not any(p.fullmatch(expression) for p in (_COOKIE, _HEADER, _CALLER)):
            raise Refusal(400, 20127, f"the twin cannot evaluate {expression!r}")
    return {"enabled": True, "description": "", **rule, "id": uuid.uuid4().hex}


def _found(request: web.Request) -> HeaderRules:
    zone: Zone = zones.find(request)
    found = twin_of(request).store.find(HeaderRules, zone.id)
    if found is None or request.match_info.get("ruleset", found.id) != found.id:
        message = f"could not find entrypoint ruleset in the {PHASE!r} phase"
        raise Refusal(404, 10003, message)
    return found


def _require(found: HeaderRules, rule: str) -> None:
    if all(one["id"] != rule for one in found.rules):
        raise Refusal(404, 10013, "could not find the rule")


def _keep(request: web.Request, rules: HeaderRules) -> web.Response:
    twin_of(request).store.save(rules)
    publish(twin_of(request))
    return success(_told(rules))


def _told(rules: HeaderRules) -> dict[str, Any]:
    return {"id": rules.id, "kind": "zone", "phase": PHASE, "version": "1", "rules": rules.rules}
