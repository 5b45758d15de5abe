"""What a version is bound to: declared, kept or inherited; and what of it may be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xswarm_twin.cloudflare import refusals, strictness
from xswarm_twin.cloudflare.records import Version

Binding = dict[str, Any]

MAXIMUM_VARIABLE_BYTES = 5 * 1024
"""Cloudflare's limit of one variable or secret (Workers, "Limits")."""

MAXIMUM_VARIABLES = 128
"""Cloudflare's limit of variables and secrets of a Worker (Workers, "Limits")."""

_TEXT = (str,)
_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "plain_text": {"text": _TEXT},
    "secret_text": {"text": _TEXT},
    "json": {"json": (dict, list, str, int, float, bool, type(None))},
    "r2_bucket": {"bucket_name": _TEXT},
    "version_metadata": {},
    "assets": {},
    "kv_namespace": {"namespace_id": _TEXT},
    "d1": {"id": _TEXT},
    "queue": {"queue_name": _TEXT},
    "durable_object_namespace": {"class_name": _TEXT},
    "workflow": {"workflow_name": _TEXT, "class_name": _TEXT},
    "service": {"service": _TEXT},
    "analytics_engine": {},
    "ratelimit": {"namespace_id": _TEXT, "simple": (dict,)},
    "send_email": {},
    "secrets_store_secret": {"store_id": _TEXT, "secret_name": _TEXT},
    "hyperdrive": {"id": _TEXT},
    "worker_loader": {},
    "ai": {},
    "vectorize": {"index_name": _TEXT},
    "images": {},
    "browser": {},
    "pipelines": {},
    "mtls_certificate": {"certificate_id": _TEXT},
    "dispatch_namespace": {"namespace": _TEXT},
}
"""The types of bindings that the edge serves, each with the fields that it needs."""

_VARIABLES = ("plain_text", "secret_text", "json")


def resolve(
    declared: Sequence[Any],
    keep: Iterable[str],
    previous: Version | None,
    version_of: Callable[[str], Version | None],
    *,
    strict: bool,
) -> list[Binding]:
    """Return the bindings of a new version, in the order of their names' first mention.

    Args:
        declared: the upload's ``bindings``, as they came.
        keep: the types whose bindings of the previous version are carried over.
        previous: the latest version, when there is one.
        version_of: finds another version by its id, for ``inherit`` with ``version_id``.
        strict: refuse, instead of leaving out, what has nothing to inherit from.

    Raises:
        Refusal: a binding is malformed, unknown, twice there, or too large.
    """
    found: dict[str, Binding] = {}
    for binding in declared:
        _require_named(binding)
        if binding["name"] in found:
            raise refusals.binding_in_use(binding["name"])
        taken = _inherited(binding, previous, version_of, strict=strict)
        if taken is not None:
            found[binding["name"]] = taken
    for kept in _kept(keep, previous):
        found.setdefault(kept["name"], kept)
    check_limits(found.values())
    return list(found.values())


def with_changes(
    bindings: Iterable[Binding], changes: Mapping[str, Binding | None]
) -> list[Binding]:
    """Return bindings with some set and others (None) removed."""
    found: dict[str, Binding | None] = {binding["name"]: binding for binding in bindings}
    changed = [binding for binding in (found | dict(changes)).values() if binding is not None]
    for name, binding in changes.items():
        if binding is not None:
            strictness.require_name(name)
    check_limits(changed)
    return changed


def check_limits(bindings: Iterable[Binding]) -> None:
    """Refuse a variable that is too large, or too many of them."""
    variables = [binding for binding in bindings if binding["type"] in _VARIABLES]
    if len(variables) > MAXIMUM_VARIABLES:
        raise refusals.too_many_variables(MAXIMUM_VARIABLES)
    for variable in variables:
        if len(_written(variable).encode()) > MAXIMUM_VARIABLE_BYTES:
            raise refusals.variable_too_large(variable["name"], MAXIMUM_VARIABLE_BYTES)


def public(bindings: Iterable[Binding]) -> list[Binding]:
    """Return bindings as replies show them: a secret's name and type only."""
    return [
        {"name": binding["name"], "type": binding["type"]}
        if binding["type"].startswith("secret_")
        else dict(binding)
        for binding in bindings
    ]


def kinds() -> Iterable[str]:
    """Return the types of bindings that there are."""
    return _FIELDS


def valid(binding: Binding) -> Binding:
    """Return a named binding that the edge can serve; refuse another."""
    if binding.get("type") not in _FIELDS:
        raise _invalid(binding)
    for field, kinds in _FIELDS[binding["type"]].items():
        if field not in binding or not isinstance(binding[field], kinds):
            raise _invalid(binding)
    return binding


def _written(variable: Binding) -> str:
    return str(variable["text"]) if "text" in variable else json.dumps(variable["json"])


def _require_named(binding: Any) -> None:
    if not isinstance(binding, dict):
        raise refusals.body_invalid("a binding is not an object")
    if not isinstance(binding.get("name"), str) or not binding["name"]:
        raise refusals.binding_unnamed()
    strictness.require_name(binding["name"])


def _inherited(
    binding: Binding,
    previous: Version | None,
    version_of: Callable[[str], Version | None],
    *,
    strict: bool,
) -> Binding | None:
    if binding.get("type") != "inherit":
        return valid(binding)
    wanted = binding.get("version_id", "latest")
    version = previous if wanted == "latest" else version_of(str(wanted))
    name = binding.get("old_name", binding["name"])
    for candidate in version.bindings if version is not None else ():
        if candidate["name"] == name:
            return {**candidate, "name": binding["name"]}
    if strict:
        raise refusals.inherit_invalid(binding["name"])
    return None


def _kept(types: Iterable[str], previous: Version | None) -> list[Binding]:
    wanted = set(types)
    return [b for b in (previous.bindings if previous else ()) if b["type"] in wanted]


def _invalid(binding: Binding) -> Exception:
    """Name the binding as Cloudflare does, and never what it holds."""
    kind = binding.get("type")
    if kind in _FIELDS:
        return refusals.script_invalid(f"binding {binding['name']} of type {kind} is invalid")
    return refusals.script_invalid(f"the local twin does not support {kind}: {binding['name']}")
