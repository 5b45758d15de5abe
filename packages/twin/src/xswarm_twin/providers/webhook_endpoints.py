"""Stripe's webhook endpoints: made, listed, changed, deleted, and delivered to.

Source: Stripe API reference, "Webhook Endpoints" and "Pagination".
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from xswarm_twin.providers.records import Records


def _names(file: str) -> list[str]:
    return (Path(__file__).parent / file).read_text(encoding="utf-8").split()


_MOST: Final = 16
EVENTS: Final = frozenset(_names("stripe_events.txt"))
VERSIONS: Final = frozenset(_names("stripe_versions.txt"))
"""What the official SDK knows of; its version is the one of the tests' requirements."""
_CREATE: Final = (
    "url",
    "enabled_events",
    "api_version",
    "connect",
    "description",
    "metadata",
)
_UPDATE: Final = ("url", "enabled_events", "disabled", "description", "metadata")
_PATH: Final = "/v1/webhook_endpoints"


class Invalid(Exception):
    """A request the service refuses.

    Args:
        message: what a developer reads.
        status: the HTTP status.
        code: the short code that programs read.
        param: the parameter at fault.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message, status, code, param


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
        _refuse_unknown(wanted, _CREATE)
        for name in ("enabled_events", "url"):
            if not wanted.get(name):
                raise Invalid(
                    f"Missing required param: {name}.", code="parameter_missing", param=name
                )
        _check(wanted, live=live)
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
        known = list(reversed(self._table.values()))
        limit = _limit(query.get("limit", "10"))
        begin, end = self._window(known, query)
        window = known[begin:end]
        page = window[-limit:] if "ending_before" in query else window[:limit]
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
        _refuse_unknown(wanted, _UPDATE)
        _check(wanted, live=live)
        if "metadata" in wanted:
            wanted["metadata"] = _merged(endpoint["metadata"], wanted["metadata"])
        if "disabled" in wanted:
            disabled = str(wanted.pop("disabled")).lower() == "true"
            endpoint["status"] = "disabled" if disabled else "enabled"
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

    def _find(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self._table.get(identity)
        if found is None:
            raise Invalid(
                f"No such webhook endpoint: '{identity}'",
                status=404,
                code="resource_missing",
                param="id",
            )
        return found

    def _window(self, known: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, int]:
        """Find where a page begins and ends in the list."""
        ids = [endpoint["id"] for endpoint in known]
        begin, end = 0, len(known)
        if "starting_after" in query:
            begin = ids.index(self._find(query["starting_after"])["id"]) + 1
        if "ending_before" in query:
            end = ids.index(self._find(query["ending_before"])["id"])
        return begin, end


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


def _refuse_unknown(wanted: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in wanted:
        if name not in known:
            raise Invalid(
                f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )


def _check(wanted: dict[str, Any], *, live: bool) -> None:
    """Refuse values the service refuses."""
    if "url" in wanted:
        _check_url(str(wanted["url"]), live=live)
    if "api_version" in wanted and wanted["api_version"] not in VERSIONS:
        message = f"Invalid Stripe API version: {wanted['api_version']}"
        raise Invalid(message, param="api_version")
    if "enabled_events" in wanted:
        _check_events(wanted["enabled_events"])
    if not isinstance(wanted.get("metadata", {}), dict | str):
        raise Invalid("Invalid object", param="metadata")


def _check_url(url: str, *, live: bool) -> None:
    """Refuse what is no URL, and in live mode one without TLS: but for this machine's own."""
    parts = urlsplit(url)
    message = ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
    elif live and parts.scheme == "http" and not _is_loopback(parts.hostname):
        message = "Invalid URL: The URL must begin with https in live mode."
    if message:
        raise Invalid(message, code="url_invalid", param="url")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check_events(events: Any) -> None:
    if not isinstance(events, list) or not events:
        raise Invalid("Invalid array", param="enabled_events")
    for index, event in enumerate(events):
        if event != "*" and event not in EVENTS:
            where = f"enabled_events[{index}]"
            raise Invalid(f"Invalid {where}: must be one of the event types", param=where)


def _merged(before: dict[str, str], wanted: Any) -> dict[str, str]:
    """Merge metadata; an empty value unsets its key, an empty string unsets all."""
    if not isinstance(wanted, dict):
        return {}
    merged = {**before, **{name: str(value) for name, value in wanted.items()}}
    return {name: value for name, value in merged.items() if value}


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise Invalid(f"Invalid limit: {text}; it must be from 1 to 100", param="limit")
    return int(text)
