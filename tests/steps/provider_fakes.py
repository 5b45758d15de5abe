"""Stripe, Twilio and SendGrid in memory, for the decisions of the webhooks step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import NamedTuple

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy import permissions
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock
from xswarm_deploy.services.cloudflare import Account, Deployment, Token
from xswarm_deploy.services.errors import Forbidden
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.sendgrid import EventWebhook, ParseSetting, SecurityPolicy
from xswarm_deploy.services.stripe import ATTEMPT, Endpoint
from xswarm_deploy.services.twilio import Number

URLS = {
    "sms_url": "https://old.test/sms",
    "sms_method": "GET",
    "voice_url": "https://old.test/voice",
    "voice_method": "POST",
    "status_callback": "https://old.test/status",
    "status_callback_method": "POST",
}


@dataclass
class FakeStripe:
    kept: dict[str, Endpoint] = field(default_factory=dict)
    made: int = 0

    def add(self, url: str, events: Iterable[str], enabled: bool = True) -> Endpoint:
        self.made += 1
        endpoint = Endpoint(f"we_{self.made}", url, tuple(sorted(events)), enabled)
        self.kept[endpoint.id] = endpoint
        return endpoint

    def endpoints(self) -> list[Endpoint]:
        return list(self.kept.values())

    def create_endpoint(
        self,
        url: str,
        events: Iterable[str],
        attempt: str,
        description: str = "",
        api_version: str = "",
    ) -> Endpoint:
        self.delete_attempt(attempt)
        made = self.add(url, events)
        endpoint = made._replace(metadata={ATTEMPT: attempt}, api_version=api_version)
        self.kept[endpoint.id] = endpoint
        return endpoint._replace(secret=Secret(f"whsec_canary_{endpoint.id}_0", "W"))

    def update_endpoint(
        self, endpoint_id: str, url: str, events: Iterable[str], enabled: bool = True
    ) -> Endpoint:
        before = self.kept[endpoint_id]
        after = before._replace(url=url, events=tuple(sorted(events)), enabled=enabled)
        self.kept[endpoint_id] = after
        return after

    def delete_endpoint(self, endpoint_id: str) -> None:
        self.kept.pop(endpoint_id, None)

    def delete_attempt(self, attempt: str) -> None:
        for endpoint in self.endpoints():
            if endpoint.metadata.get(ATTEMPT) == attempt:
                del self.kept[endpoint.id]


@dataclass
class FakeTwilio:
    owned: Number | None = field(
        default_factory=lambda: Number(
            "PN1", "+15005550006", dict(URLS), capabilities={"sms": True, "voice": True}
        )
    )
    deaf: bool = False

    def number(self, phone_number: str) -> Number | None:
        return self.owned

    def update_number(self, sid: str, urls: Mapping[str, str]) -> Number:
        assert self.owned is not None
        if not self.deaf:
            self.owned = self.owned._replace(urls={**self.owned.urls, **urls})
        return self.owned


@dataclass
class FakeSendGrid:
    hooks: dict[str, EventWebhook] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    parses: dict[str, ParseSetting] = field(default_factory=dict)
    policies: dict[str, SecurityPolicy] = field(default_factory=dict)

    def event_webhooks(self) -> list[EventWebhook]:
        return list(self.hooks.values())

    def create_event_webhook(self, url: str, events: Iterable[str], name: str) -> EventWebhook:
        hook = EventWebhook(f"h{len(self.hooks) + 1}", url, True, tuple(sorted(events)), name)
        self.hooks[hook.id] = hook
        return hook

    def update_event_webhook(
        self, webhook_id: str, url: str, events: Iterable[str], enabled: bool = True
    ) -> EventWebhook:
        before = self.hooks[webhook_id]
        after = before._replace(url=url, events=tuple(sorted(events)), enabled=enabled)
        self.hooks[webhook_id] = after
        return after

    def delete_event_webhook(self, webhook_id: str) -> None:
        self.hooks.pop(webhook_id, None)
        self.keys.pop(webhook_id, None)

    def public_key(self, webhook_id: str) -> str:
        return self.keys.get(webhook_id, "")

    def sign_event_webhook(self, webhook_id: str, enabled: bool = True) -> str:
        if enabled:
            self.keys.setdefault(webhook_id, f"canary-public-key-{webhook_id}")
        else:
            self.keys.pop(webhook_id, None)
        return self.public_key(webhook_id)

    def security_policies(self) -> list[SecurityPolicy]:
        return list(self.policies.values())

    def create_security_policy(self, name: str) -> SecurityPolicy:
        made = SecurityPolicy(f"p{len(self.policies) + 1}", name, "canary-policy-key")
        self.policies[made.id] = made
        return made

    def delete_security_policy(self, policy_id: str) -> None:
        self.policies.pop(policy_id, None)

    def parse_settings(self) -> list[ParseSetting]:
        return list(self.parses.values())

    def create_parse_setting(self, setting: ParseSetting) -> None:
        self.parses[setting.hostname] = setting

    def update_parse_setting(self, setting: ParseSetting) -> None:
        self.parses[setting.hostname] = setting

    def delete_parse_setting(self, hostname: str) -> None:
        self.parses.pop(hostname, None)


class SoundStripe(FakeStripe):
    live = False
    charges = True

    def livemode(self) -> bool:
        return self.live

    def account(self) -> dict[str, object]:
        return {"id": "acct_1", "charges_enabled": self.charges}


class SoundTwilio(FakeTwilio):
    status = "active"

    def account_status(self) -> str:
        return self.status


class SoundSendGrid(FakeSendGrid):
    granted = frozenset(
        {
            "mail.send",
            "user.webhooks.event.settings.read",
            "user.webhooks.event.settings.update",
        }
    )
    verified = True
    authenticated = True
    allowed = 5

    def host_is_authenticated(self, host: str) -> bool:
        return self.authenticated

    def event_webhooks_allowed(self) -> int:
        return self.allowed

    def scopes(self) -> frozenset[str]:
        return self.granted

    def sender_is_verified(self, address: str) -> bool:
        return self.verified


class SoundModels:
    """Anthropic or OpenAI with a key that is accepted."""

    def model(self) -> str:
        return "model-x"


class SoundSlack:
    def verify(self) -> None:
        return


class SoundObjects:
    bucket = "xswarm-boss"

    def open_ahead(self, count: int) -> None:
        """Open nothing: there is no server."""

    def probe(self) -> None:
        return


@dataclass
class FakeClockedHttp:
    """A service's HTTP that tells the time, so many seconds wrong."""

    wrong: float = 0.0
    clock: Clock = SYSTEM_CLOCK

    def get(self, path: str, expect: object = ()) -> Reply:
        dated = formatdate(self.clock.now() + self.wrong, usegmt=True)
        return Reply("Cloudflare", f"GET {path}", 200, {"Date": dated}, b"{}")


class FakeAssets(NamedTuple):
    readable_alone: bool

    def require_permission(self, _worker: str) -> None:
        if self.readable_alone:
            raise Forbidden("Cloudflare", "POST /x", status=403, codes=("10000",))


@dataclass
class SoundCloudflare(FakeCloudflare):
    token: Token = field(default_factory=lambda: Token("t", "active"))
    http: FakeClockedHttp = field(default_factory=FakeClockedHttp)
    readable_alone: bool = False

    @property
    def assets(self) -> FakeAssets:
        return FakeAssets(self.readable_alone)

    reached: list[str] | None = None
    """The accounts that the token reaches, where ours is none of them."""

    def verify_token(self) -> Token:
        return self.token

    def deployments(self, name: str) -> list[Deployment]:
        if self.reached is not None:
            told = permissions.remedy("GET /accounts/0/workers/x", 403, ["10000"], "")
            raise Forbidden("Cloudflare", "GET /x", status=403, codes=("10000",), remedy=told)
        return super().deployments(name)

    def accounts(self) -> list[Account]:
        return [{"id": one, "name": "Acme"} for one in self.reached or ()]
