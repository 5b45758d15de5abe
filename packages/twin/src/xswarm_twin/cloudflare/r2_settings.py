"""What an R2 bucket is set to over the API: who may ask it from a browser, what expires.

It is the same as over S3's API, which keeps it as documents of XML: each name of the one has a name
of the other. Reference: Cloudflare API, "R2 Bucket".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree

from aiohttp import web

from xswarm_twin.cloudflare import bodies, r2, refusals, strictness
from xswarm_twin.cloudflare.envelope import Refusal, success
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.objects import settings
from xswarm_twin.objects.xml import Element, render

_CORS: Final = "/accounts/{account}/r2/buckets/{bucket}/cors"
_LIFECYCLE: Final = "/accounts/{account}/r2/buckets/{bucket}/lifecycle"
_DAY: Final = 86_400  # seconds
_LISTS: Final = {
    ("allowed", "origins"): "AllowedOrigin",
    ("allowed", "methods"): "AllowedMethod",
    ("allowed", "headers"): "AllowedHeader",
    ("exposeHeaders",): "ExposeHeader",
}
_ENDS: Final = {
    "abortMultipartUploadsTransition": "AbortIncompleteMultipartUpload",
    "deleteObjectsTransition": "Expiration",
}
_RARE: Final = ("InfrequentAccess", "STANDARD_IA")

routes = web.RouteTableDef()


@routes.get(_CORS)
async def cors(request: web.Request) -> web.Response:
    """Return the rules of CORS; where there are none, that is refused."""
    document = _document(request, "cors")
    if document is None:
        raise refusals.cors_not_found()
    return success({"rules": [_cors_told(rule) for rule in document.iterfind("{*}CORSRule")]})


@routes.put(_CORS)
async def set_cors(request: web.Request) -> web.Response:
    """Let these be the rules of CORS."""
    return await _set(request, "cors", "CORSRule", _cors_rule)


@routes.delete(_CORS)
async def delete_cors(request: web.Request) -> web.Response:
    """Take the rules of CORS away."""
    twin_of(request).objects.set(r2.bucket_of(request), "cors", None)
    return success({})


@routes.get(_LIFECYCLE)
async def lifecycle(request: web.Request) -> web.Response:
    """Return the rules of what expires; there may be none."""
    document = _document(request, "lifecycle")
    found = document.iterfind("{*}Rule") if document is not None else ()
    return success({"rules": [_lifecycle_told(rule) for rule in found]})


@routes.put(_LIFECYCLE)
async def set_lifecycle(request: web.Request) -> web.Response:
    """Let these be the rules of what expires."""
    return await _set(request, "lifecycle", "Rule", _lifecycle_rule)


async def _set(request: web.Request, kind: str, name: str, rule_of: Any) -> web.Response:
    bucket, body = r2.bucket_of(request), await bodies.json_object(request)
    objects = twin_of(request).objects
    try:
        strictness.require_known(body, ("rules",))
        given = [
            bodies.checked(one, dict, "a rule") for one in bodies.required(body, "rules", list)
        ]
        rules = [(name, rule_of(rule)) for rule in given]
    except Refusal as refusal:  # https://github.com/cloudflare/workers-sdk/issues/8486
        raise refusals.policy_invalid(refusal.message) from None
    if not rules:
        objects.set(bucket, kind, None)
        return success({})
    document = render(settings.ROOTS[kind], rules)
    if why := settings.problem(kind, ElementTree.fromstring(document)):  # noqa: S314 - our own
        raise refusals.policy_invalid(why)
    objects.set(bucket, kind, document)
    return success({})


def _document(request: web.Request, kind: str) -> ElementTree.Element | None:
    document = twin_of(request).objects.setting(r2.bucket_of(request), kind)
    return None if document is None else ElementTree.fromstring(document)  # noqa: S314 - our own


def _cors_rule(rule: dict[str, Any]) -> list[Element]:
    strictness.require_known(rule, ("id", "allowed", "exposeHeaders", "maxAgeSeconds"))
    allowed = bodies.required(rule, "allowed", dict)
    strictness.require_known(allowed, ("origins", "methods", "headers"))
    made: list[Element] = [("ID", bodies.optional(rule, "id", ""))] if rule.get("id") else []
    for path, name in _LISTS.items():
        holder = allowed if len(path) > 1 else rule
        made += [(name, text) for text in bodies.texts(holder, path[-1])]
    if rule.get("maxAgeSeconds") is not None:
        bodies.require_within(rule, "maxAgeSeconds", range(_DAY + 1))
        made.append(("MaxAgeSeconds", rule["maxAgeSeconds"]))
    return made


def _cors_told(rule: ElementTree.Element) -> dict[str, Any]:
    told: dict[str, Any] = {"allowed": {}}
    for path, name in _LISTS.items():
        texts = [found.text or "" for found in rule.iterfind(f"{{*}}{name}")]
        if texts:
            (told["allowed"] if len(path) > 1 else told)[path[-1]] = texts
    age, identity = rule.findtext("{*}MaxAgeSeconds"), rule.findtext("{*}ID")
    told |= {"maxAgeSeconds": int(age)} if age else {}
    return told | ({"id": identity} if identity else {})


def _lifecycle_rule(rule: dict[str, Any]) -> list[Element]:
    strictness.require_known(
        rule, ("id", "enabled", "conditions", "storageClassTransitions", *_ENDS)
    )
    conditions = bodies.optional(rule, "conditions", dict[str, Any]())
    enabled = bodies.required(rule, "enabled", bool)
    made: list[Element] = [
        ("ID", bodies.required(rule, "id", str)),
        ("Filter", [("Prefix", bodies.optional(conditions, "prefix", ""))]),
        ("Status", "Enabled" if enabled else "Disabled"),
    ]
    for field, name in _ENDS.items():
        if rule.get(field) is not None:
            days = "Days" if field == "deleteObjectsTransition" else "DaysAfterInitiation"
            made.append((name, _when(bodies.required(rule, field, dict), days)))
    for one in bodies.optional(rule, "storageClassTransitions", list[Any]()):
        transition = bodies.checked(one, dict, "a transition")
        if transition.get("storageClass") != _RARE[0]:
            raise refusals.policy_invalid(f"storageClass is {_RARE[0]}")
        made.append(("Transition", [*_when(transition, "Days"), ("StorageClass", _RARE[1])]))
    return made


def _when(transition: Mapping[str, Any], days: str) -> list[Element]:
    """Return when something happens: after an age of whole days, or on a date."""
    condition = bodies.required(transition, "condition", dict)
    if condition.get("type") == "Date":
        text = bodies.required(condition, "date", str)
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise refusals.policy_invalid(f"{text!r} is no date") from None
        return [("Date", text)]
    age = bodies.required(condition, "maxAge", int)
    if condition.get("type") != "Age" or age <= 0 or age % _DAY:
        raise refusals.policy_invalid("maxAge is a number of whole days, in seconds")
    return [(days, age // _DAY)]


def _lifecycle_told(rule: ElementTree.Element) -> dict[str, Any]:
    prefix = rule.findtext("{*}Filter/{*}Prefix") or rule.findtext("{*}Prefix") or ""
    told: dict[str, Any] = {
        "id": rule.findtext("{*}ID") or "",
        "enabled": rule.findtext("{*}Status") == "Enabled",
        "conditions": {"prefix": prefix},
    }
    for field, name in _ENDS.items():
        found = rule.find(f"{{*}}{name}")
        if found is not None:
            told[field] = {"condition": _condition(found)}
    rare = [
        {"condition": _condition(found), "storageClass": _RARE[0]}
        for found in rule.iterfind("{*}Transition")
    ]
    return told | ({"storageClassTransitions": rare} if rare else {})


def _condition(element: ElementTree.Element) -> dict[str, Any]:
    date = element.findtext("{*}Date")
    if date:
        return {"type": "Date", "date": date}
    days = element.findtext("{*}Days") or element.findtext("{*}DaysAfterInitiation") or "0"
    return {"type": "Age", "maxAge": int(days) * _DAY}
