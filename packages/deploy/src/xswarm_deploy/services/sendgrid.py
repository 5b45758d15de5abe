"""SendGrid: the key's scopes, the verified senders, the event webhook, the inbound parse.

A PATCH of an event webhook without its id would edit the oldest one, so every call here
names one. A 403 may be a temporary block of the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.settle import settled
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xswarm_deploy.settings.settings import Settings

EVENTS = "/v3/user/webhooks/event"
PARSE = "/v3/user/webhooks/parse/settings"
POLICIES = "/v3/user/webhooks/security/policies"
EVENT_NAMES = (
    "processed",
    "deferred",
    "delivered",
    "bounce",
    "dropped",
    "open",
    "click",
    "spam_report",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
)


class _Scopes(Wire):
    scopes: frozenset[str]


class _Sender(Wire):
    from_email: str
    verified: bool = False


class _Senders(Wire):
    results: tuple[_Sender, ...]


class _Domain(Wire):
    domain: str
    valid: bool = False


class _EventWebhook(Wire):
    id: str
    url: str | None = None
    enabled: bool | None = None
    friendly_name: str | None = None
    processed: bool | None = None
    deferred: bool | None = None
    delivered: bool | None = None
    bounce: bool | None = None
    dropped: bool | None = None
    open: bool | None = None
    click: bool | None = None
    spam_report: bool | None = None
    unsubscribe: bool | None = None
    group_unsubscribe: bool | None = None
    group_resubscribe: bool | None = None


class _EventWebhooks(Wire):
    webhooks: tuple[_EventWebhook, ...]
    max_allowed: int | None = None


class _PublicKey(Wire):
    public_key: str | None = None


class _ParseSetting(Wire):
    hostname: str
    url: str
    spam_check: bool | None = None
    send_raw: bool | None = None
    security_policy: str | None = None


class _ParseSettings(Wire):
    result: tuple[_ParseSetting, ...]


class _Policy(Wire):
    id: str
    name: str | None = None
    signature: _PublicKey | None = None


class _Policies(Wire):
    policies: tuple[_Policy, ...] | None = None


class _CreatedPolicy(Wire):
    policy: _Policy


class EventWebhook(NamedTuple):
    """Where SendGrid tells of deliveries, and of which events."""

    id: str
    url: str
    enabled: bool
    events: tuple[str, ...]
    name: str = ""


class ParseSetting(NamedTuple):
    """Where SendGrid posts the mail that arrives for a host.

    Args:
        hostname: the mail's.
        url: where it is posted.
        spam_check: whether it is looked at for spam first.
        send_raw: whether the raw message is posted.
        policy: the id of the security policy by which it is signed; empty: not at all.
    """

    hostname: str
    url: str
    spam_check: bool = False
    send_raw: bool = False
    policy: str = ""


class SecurityPolicy(NamedTuple):
    """How SendGrid signs the mail it hands in: by a key of its own, whose public half is here."""

    id: str
    name: str
    public_key: str = ""


class SendGrid:
    """SendGrid's API, as far as a deployment needs it."""

    @classmethod
    def of(cls, settings: Settings) -> SendGrid:
        """Return the client of an environment."""
        headers = {"Authorization": bearer(settings.secret("SENDGRID_API_KEY"))}
        return cls(Http("SendGrid", settings.text("SENDGRID_API_BASE"), headers))

    def __init__(self, http: Http) -> None:
        self.http = http

    def open_ahead(self) -> None:
        """Begin to open a connection."""
        self.http.open_ahead(1)

    def scopes(self) -> frozenset[str]:
        """Return what the key may do."""
        return self.http.get("/v3/scopes").read(_Scopes).scopes

    def sender_is_verified(self, address: str) -> bool:
        """Return whether mail may go out from an address: itself, or its whole domain."""
        senders = self.http.get("/v3/verified_senders").read(_Senders).results
        if any(one.from_email.lower() == address.lower() and one.verified for one in senders):
            return True
        return self.host_is_authenticated(address.rpartition("@")[2])

    def host_is_authenticated(self, host: str) -> bool:
        """Return whether a host belongs to an authenticated domain of the account."""
        domains = self.http.get("/v3/whitelabel/domains").read(list[_Domain])
        return any(one.valid and _covers(one.domain.lower(), host.lower()) for one in domains)

    def event_webhooks_allowed(self) -> int:
        """Return how many event webhooks the plan allows; 0: it is not said."""
        return self.http.get(f"{EVENTS}/settings/all").read(_EventWebhooks).max_allowed or 0

    def event_webhooks(self) -> list[EventWebhook]:
        """List all event webhooks."""
        listed = self.http.get(f"{EVENTS}/settings/all").read(_EventWebhooks)
        return [_event_webhook(item) for item in listed.webhooks]

    def create_event_webhook(self, url: str, events: Iterable[str], name: str) -> EventWebhook:
        """Create an event webhook; a lost reply is settled by looking for its name and URL."""
        wanted = {**_settings(url, events, True), "friendly_name": name}

        def look() -> EventWebhook | None:
            found = (hook for hook in self.event_webhooks() if (hook.url, hook.name) == (url, name))
            return next(found, None)

        def make() -> EventWebhook:
            reply = self.http.post(f"{EVENTS}/settings", json=wanted)
            return _event_webhook(reply.read(_EventWebhook))

        return settled(make, look)

    def update_event_webhook(
        self, webhook_id: str, url: str, events: Iterable[str], enabled: bool = True
    ) -> EventWebhook:
        """Set an event webhook's URL, events and state."""
        path = f"{EVENTS}/settings/{_named(webhook_id)}"
        wanted = _settings(url, events, enabled)
        return _event_webhook(self.http.patch(path, json=wanted, safe=True).read(_EventWebhook))

    def delete_event_webhook(self, webhook_id: str) -> None:
        """Delete an event webhook; one that is not there is deleted already."""
        _unless_gone(self.http, f"{EVENTS}/settings/{_named(webhook_id)}")

    def public_key(self, webhook_id: str) -> str:
        """Return the key that an event webhook's signatures are checked with; "": not signed."""
        path = f"{EVENTS}/settings/signed/{_named(webhook_id)}"
        return self.http.get(path).read(_PublicKey).public_key or ""

    def sign_event_webhook(self, webhook_id: str, enabled: bool = True) -> str:
        """Switch an event webhook's signatures on or off; return the public key."""
        path = f"{EVENTS}/settings/signed/{_named(webhook_id)}"
        reply = self.http.patch(path, json={"enabled": enabled}, safe=True)
        return reply.read(_PublicKey).public_key or ""

    def parse_settings(self) -> list[ParseSetting]:
        """List all inbound parse settings."""
        return [_parse_setting(item) for item in self.http.get(PARSE).read(_ParseSettings).result]

    def create_parse_setting(self, setting: ParseSetting) -> None:
        """Create the inbound parse setting of a host; settled by looking when in doubt."""

        def look() -> ParseSetting | None:
            return next((one for one in self.parse_settings() if one == setting), None)

        def make() -> ParseSetting:
            reply = self.http.post(PARSE, json=_parse_json(setting))
            return _parse_setting(reply.read(_ParseSetting))

        settled(make, look)

    def update_parse_setting(self, setting: ParseSetting) -> None:
        """Set where the mail of a host goes."""
        wanted = {key: value for key, value in _parse_json(setting).items() if key != "hostname"}
        self.http.patch(f"{PARSE}/{quote(setting.hostname, safe='')}", json=wanted, safe=True)

    def delete_parse_setting(self, hostname: str) -> None:
        """Delete the inbound parse setting of a host; one that is not there is deleted already."""
        _unless_gone(self.http, f"{PARSE}/{quote(hostname, safe='')}")

    def security_policies(self) -> list[SecurityPolicy]:
        """List the security policies of inbound mail."""
        return [_policy(item) for item in self.http.get(POLICIES).read(_Policies).policies or ()]

    def create_security_policy(self, name: str) -> SecurityPolicy:
        """Create a policy that signs; settled by looking for its name when in doubt."""
        wanted = {"name": name, "signature": {"enabled": True}}

        def look() -> SecurityPolicy | None:
            return next((one for one in self.security_policies() if one.name == name), None)

        def make() -> SecurityPolicy:
            return _policy(self.http.post(POLICIES, json=wanted).read(_CreatedPolicy).policy)

        return settled(make, look)

    def delete_security_policy(self, policy_id: str) -> None:
        """Delete a security policy; one that is not there is deleted already."""
        _unless_gone(self.http, f"{POLICIES}/{_named(policy_id)}")


def _named(webhook_id: str) -> str:
    if not webhook_id:
        raise ValueError("without an id SendGrid edits the oldest event webhook")
    return quote(webhook_id, safe="")


def _unless_gone(http: Http, path: str) -> None:
    try:
        http.delete(path)
    except NotFound:  # SendGrid gives no codes; the path is the API's own
        return


def _settings(url: str, events: Iterable[str], enabled: bool) -> dict[str, Any]:
    wanted = set(events)
    return {"url": url, "enabled": enabled, **{name: name in wanted for name in EVENT_NAMES}}


def _event_webhook(item: _EventWebhook) -> EventWebhook:
    return EventWebhook(
        id=item.id,
        url=item.url or "",
        enabled=bool(item.enabled),
        events=tuple(sorted(name for name in EVENT_NAMES if getattr(item, name))),
        name=item.friendly_name or "",
    )


def _parse_setting(item: _ParseSetting) -> ParseSetting:
    return ParseSetting(
        hostname=item.hostname,
        url=item.url,
        spam_check=bool(item.spam_check),
        send_raw=bool(item.send_raw),
        policy=item.security_policy or "",
    )


def _policy(item: _Policy) -> SecurityPolicy:
    key = item.signature.public_key if item.signature else ""
    return SecurityPolicy(item.id, item.name or "", key or "")


def _parse_json(setting: ParseSetting) -> dict[str, Any]:
    return {
        "hostname": setting.hostname,
        "url": setting.url,
        "spam_check": setting.spam_check,
        "send_raw": setting.send_raw,
        "security_policy": setting.policy,
    }


def _covers(domain: str, host: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
