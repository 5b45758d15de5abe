"""Stripe's webhook endpoints: made, listed, changed, deleted, and delivered to.

Source: Stripe API reference, "Webhook Endpoints" and "Pagination".
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from xswarm_twin.providers import stripe_parameters as parameters
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.stripe_parameters import Check, Invalid


def _names(file: str) -> list[str]:
    return (Path(__file__).parent / file).read_text(encoding="utf-8").split()


_MOST: Final = 16
EVENTS: Final = frozenset(_names("stripe_events.txt"))
VERSIONS: Final = frozenset(_names("stripe_versions.txt"))
"""What the official SDK knows of; its version is the one of the tests' requirements."""
_PATH: Final = "/v1/webhook_endpoints"
_LIST: Final[Mapping[str, Check]] = {
    "limit": parameters.limit,
    "starting_after": parameters.text,
    "ending_before": parameters.text,
    "expand": parameters.nothing_to_expand,
}


class Endpoints:
    """Keep the endpoints of one account, and tell localstripe where events go.

    Args:
        records: where they are kept, signing secrets included.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._table = records.table("webhook_endpoints")

    def connect(self) -> None:
        """Inform localstripe of the endpoints that were kept."""
        for endpoint in self._table.values():
            _deliver(endpoint)

    def create(self, wanted: dict[str, Any], *, live: bool = False) -> dict[str, Any]:
        """Make an endpoint, by a key of live mode or not; only this answer holds its secret."""
        known = _known(live=live) | {"api_version": _version, "connect": parameters.flag}
        wanted = parameters.checked(wanted, known, required=("enabled_events", "url"))
        if len(self._table) >= _MOST:
            raise Invalid(f"You have reached the maximum of {_MOST} test webhook endpoints.")
        endpoint = _made(wanted)
        self._table[endpoint["id"]] = endpoint
        self._changed(endpoint)
        return endpoint

    def get(self, identity: str) -> dict[str, Any]:
        """Return one endpoint."""
        return _shown(self._find(identity))

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of endpoints, newest first."""
        asked = parameters.checked(query, _LIST)
        known, limit = list(reversed(self._table.values())), asked.get("limit", 10)
        begin, end = self._window(known, asked)
        window = known[begin:end]
        page = window[-limit:] if "ending_before" in asked else window[:limit]
        return {
            "object": "list",
            "data": [_shown(endpoint) for endpoint in page],
            "has_more": len(window) > limit,
            "url": _PATH,
        }

    def update(
        self, identity: str, wanted: dict[str, Any], *, live: bool = False
    ) -> dict[str, Any]:
        """Change an endpoint, by a key of live mode or not."""
        endpoint = self._find(identity)
        wanted = parameters.checked(wanted, _known(live=live) | {"disabled": parameters.flag})
        if "metadata" in wanted:
            wanted["metadata"] = _merged(endpoint["metadata"], wanted["metadata"])
        if "disabled" in wanted:
            endpoint["status"] = "disabled" if wanted.pop("disabled") else "enabled"
        wanted.pop("expand", None)
        endpoint.update(wanted)
        self._changed(endpoint)
        return _shown(endpoint)

    def delete(self, identity: str) -> dict[str, Any]:
        """Delete an endpoint; nothing more is delivered to it."""
        endpoint = self._find(identity)
        del self._table[identity]
        endpoint["status"] = "disabled"
        self._changed(endpoint)
        return {"id": identity, "object": "webhook_endpoint", "deleted": True}

    def _changed(self, endpoint: dict[str, Any]) -> None:
        self._records.save()
        _deliver(endpoint)

    def _find(self, identity: str, *, status: int = 404, param: str = "id") -> dict[str, Any]:
        found: dict[str, Any] | None = self._table.get(identity)
        if found is None:
            message = f"No such webhook endpoint: '{identity}'"
            raise Invalid(message, status=status, code="resource_missing", param=param)
        return found

    def _window(self, known: list[dict[str, Any]], asked: dict[str, Any]) -> tuple[int, int]:
        """Find where a page begins and ends in the list."""
        if {"starting_after", "ending_before"} <= asked.keys():
            message = "Received both starting_after and ending_before parameters."
            raise Invalid(f"{message} Please pass in only one.")
        ids = [endpoint["id"] for endpoint in known]
        places = {
            name: ids.index(self._find(asked[name], status=400, param=name)["id"])
            for name in ("starting_after", "ending_before")
            if name in asked
        }
        return places.get("starting_after", -1) + 1, places.get("ending_before", len(known))


def _made(wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"we_{secrets.token_hex(12)}",
        "object": "webhook_endpoint",
        "api_version": wanted.get("api_version"),
        "application": None,
        "created": int(time.time()),
        "description": wanted.get("description"),
        "enabled_events": wanted["enabled_events"],
        "livemode": False,
        "metadata": wanted.get("metadata") or {},
        "secret": f"whsec_{secrets.token_hex(16)}",
        "status": "enabled",
        "url": wanted["url"],
    }


def _shown(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in endpoint.items() if name != "secret"}


def _deliver(endpoint: dict[str, Any]) -> None:
    """Inform localstripe where its events go: one entry an endpoint, none when it is off."""
    from localstripe import webhooks

    events = endpoint["enabled_events"]
    if endpoint["status"] == "disabled":
        events = []
    elif "*" in events:
        events = None
    webhooks.register_webhook(endpoint["id"], endpoint["url"], endpoint["secret"], events)


def _known(*, live: bool) -> dict[str, Check]:
    """Return what is taken when an endpoint is made or changed."""
    return {
        "url": partial(_url, live=live),
        "enabled_events": _events,
        "description": parameters.clearable,
        "metadata": parameters.metadata,
        "expand": parameters.nothing_to_expand,
    }


def _version(name: str, value: Any) -> str:
    if not is_version(str(value)):
        raise Invalid(f"Invalid Stripe API version: {value}", param=name)
    return str(value)


def is_version(text: str) -> bool:
    """Return whether the API has such a version; previews and their features count."""
    version = text.partition(";")[0].strip()
    return version in VERSIONS or version.endswith(".preview")


def _url(name: str, value: Any, *, live: bool) -> str:
    """Refuse what is no URL, what the internet cannot reach, and in live mode one without TLS.

    This machine's own addresses are what a twin delivers to: they are taken.
    """
    url = parameters.text(name, value)
    parts, message = urlsplit(url), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
    elif not (own := _is_loopback(parts.hostname)) and _is_private(parts.hostname):
        message = "Invalid URL: URL must be publicly accessible."
    elif live and parts.scheme == "http" and not own:
        message = "Invalid URL: The URL must begin with https in live mode."
    if message:
        raise Invalid(message, code="url_invalid", param=name)
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal"))


def _events(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise Invalid("Invalid array", param=name)
    for index, event in enumerate(value):
        if event != "*" and event not in EVENTS:
            where = f"{name}[{index}]"
            raise Invalid(f"Invalid {where}: must be one of the event types", param=where)
    return value


def _merged(before: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """Merge metadata; an empty value unsets its key, none at all unsets all."""
    merged = {**before, **wanted} if wanted else {}
    return {name: value for name, value in merged.items() if value}
