"""Request header transform rules of a zone: what is set in a request before a Worker gets it.

The rules of all owners stand in one ruleset, the zone's entry point of the phase; one of ours is
found by its description, and the others are never written. Source: Cloudflare's Rulesets API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.services.settle import settled
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from xswarm_deploy.services.http import Http

PHASE: Final = "http_request_late_transform"


class _Rule(Wire):
    id: str
    description: str | None = None
    expression: str | None = None
    enabled: bool | None = None
    action_parameters: dict[str, object] | None = None


class _Ruleset(Wire):
    id: str
    rules: tuple[_Rule, ...] | None = None


class Setting(NamedTuple):
    """What a rule sets, and for which requests: two expressions of Cloudflare's rules language."""

    when: str
    header: str
    value: str


class HeaderRules:
    """The request header transform rules of one zone.

    Args:
        http: the way to the API.
        zone: its id.
    """

    def __init__(self, http: Http, zone: str) -> None:
        self._http = http
        self._path = f"/zones/{quote(zone, safe='')}/rulesets"

    def find(self, description: str) -> Setting | None:
        """Return what the rule of that description sets; None where there is none."""
        rule = self._rule(description)
        if rule is None:
            return None
        parameters: dict[str, Any] = dict(rule.action_parameters or {})
        headers: dict[str, dict[str, Any]] = dict(parameters.get("headers") or {})
        header, told = next(iter(headers.items()), ("", {"expression": ""}))
        when = rule.expression if rule.enabled is not False else ""
        return Setting(when or "", header, str(told.get("expression") or ""))

    def put(self, description: str, wanted: Setting) -> None:
        """Create the rule of that description, or change it."""
        ruleset, rule = self._ruleset(), self._rule(description)
        body = _body(description, wanted)
        if ruleset is None:
            path = f"{self._path}/phases/{PHASE}/entrypoint"
            self._http.put(path, json={"rules": [body]})
        elif rule is None:
            settled(
                lambda: self._http.post(f"{self._path}/{ruleset.id}/rules", json=body),
                lambda: self._rule(description),
            )
        else:
            self._http.patch(f"{self._path}/{ruleset.id}/rules/{rule.id}", json=body, safe=True)

    def delete(self, description: str) -> None:
        """Delete the rule of that description; one that is not there is right as well."""
        ruleset, rule = self._ruleset(), self._rule(description)
        if ruleset is None or rule is None:
            return
        try:
            self._http.delete(f"{self._path}/{ruleset.id}/rules/{rule.id}")
        except NotFound:
            return

    def _ruleset(self) -> _Ruleset | None:
        path = f"{self._path}/phases/{PHASE}/entrypoint"
        try:
            return unwrap(self._http.get(path), _Ruleset)
        except NotFound:  # nobody has made a rule of this phase yet
            return None

    def _rule(self, description: str) -> _Rule | None:
        found = self._ruleset()
        rules = (found.rules or ()) if found else ()
        return next((one for one in rules if one.description == description), None)


def _body(description: str, wanted: Setting) -> dict[str, Any]:
    set_ = {wanted.header: {"operation": "set", "expression": wanted.value}}
    return {
        "action": "rewrite",
        "action_parameters": {"headers": set_},
        "description": description,
        "enabled": True,
        "expression": wanted.when,
    }
