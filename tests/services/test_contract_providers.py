"""The providers' clients against their stand-ins, and each way these can fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.twin import Twin
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import http as way_out
from xswarm_deploy.services.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from xswarm_deploy.services.http import Http, basic
from xswarm_deploy.services.sendgrid import ParseSetting
from xswarm_deploy.services.signatures import stripe_signature
from xswarm_deploy.site import Site

pytestmark = pytest.mark.slow

ASK = {
    "anthropic": lambda site: site.anthropic.model(),
    "openai": lambda site: site.openai.model(),
    "stripe": lambda site: site.stripe.livemode(),
    "sendgrid": lambda site: site.sendgrid.scopes(),
    "twilio": lambda site: site.twilio.account_status(),
    "slack": lambda site: site.slack.verify(),
}


@pytest.fixture
def site(twin: Twin) -> Site:
    return twin.site()


@pytest.mark.parametrize("service", ASK)
def test_a_good_key_is_accepted(site: Site, service: str) -> None:
    ASK[service](site)


SLACK_HAS_NO_JSON = ("slack", "bad_json")
ONE_FAILURE = [
    (service, fault)
    for service in ASK
    for fault in ("status:429", "status:500", "reset", "bad_json")
    if (service, fault) != SLACK_HAS_NO_JSON
]


@pytest.mark.parametrize(("service", "fault"), ONE_FAILURE)
def test_one_failed_read_is_outlived(twin: Twin, site: Site, service: str, fault: str) -> None:
    twin.fault(service, fault)
    ASK[service](site)


@pytest.mark.parametrize("service", ASK)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status:429", RateLimited),
        ("status:500", ServiceUnavailable),
        ("status:503", ServiceUnavailable),
        ("reset", ServiceUnavailable),
    ],
)
def test_a_lasting_failure_is_no_verdict_on_the_key(
    twin: Twin, site: Site, service: str, fault: str, kind: type[ServiceError], monkeypatch: Any
) -> None:
    monkeypatch.setattr(way_out, "LONGEST_WAIT", 0.01)
    twin.fault(service, fault, times=10)
    with pytest.raises(kind):
        ASK[service](site)


@pytest.mark.parametrize("service", ASK)
def test_a_revoked_key_is_a_verdict(twin: Twin, site: Site, service: str) -> None:
    twin.fault(service, "revoked", times=10)
    with pytest.raises((Unauthorised, NotFound)) as caught:
        ASK[service](site)
    assert isinstance(caught.value, NotFound) is (service == "slack")


@pytest.mark.parametrize(
    ("service", "variable", "value"),
    [
        ("anthropic", "ANTHROPIC_API_KEY", "sk-ant-canary-wrong-key-0001"),
        ("openai", "OPENAI_API_KEY", "sk-canary-wrong-key-0001"),
        ("stripe", "STRIPE_SECRET_KEY_TEST", "sk_test_canarywrongkey0001"),
        ("sendgrid", "SENDGRID_API_KEY_TEST", "SG.canary-wrong.key-0001"),
        ("twilio", "TWILIO_AUTH_TOKEN_TEST", "cab1e000cab1e000cab1e000cab1e000"),
    ],
)
def test_a_wrong_key_is_refused_and_not_shown(
    twin: Twin, service: str, variable: str, value: str
) -> None:
    with pytest.raises(Unauthorised) as caught:
        ASK[service](twin.site(**{variable: value}))
    assert value not in caught.value.render()


def test_a_wrong_slack_url_is_refused_and_not_shown(twin: Twin) -> None:
    url = twin.settings().secret("SLACK_WEBHOOK_URL").reveal()
    wrong = url.rsplit("/", 1)[0] + "/canarywrongtoken0001"
    with pytest.raises(Forbidden, match="invalid_token") as caught:
        twin.site(SLACK_WEBHOOK_URL=wrong).slack.verify()
    assert "canarywrong" not in caught.value.render()


def test_slack_takes_a_message(site: Site) -> None:
    site.slack.send("a release", {"blocks": []})


# Stripe


def test_stripe_endpoints_as_the_official_library_sees_them(site: Site) -> None:
    import stripe

    made = site.stripe.create_endpoint("https://w.test/a", ["charge.refunded"], "attempt-a", "why")
    assert made.secret is not None
    judge = stripe.StripeClient(
        site.settings.secret("STRIPE_SECRET_KEY").reveal(),
        base_addresses={"api": site.settings.text("STRIPE_API_BASE")},
    )
    seen = judge.v1.webhook_endpoints.retrieve(made.id)
    assert (seen.url, seen.enabled_events, seen.description) == (
        "https://w.test/a",
        ["charge.refunded"],
        "why",
    )
    changed = site.stripe.update_endpoint(made.id, "https://w.test/b", ["charge.failed"], False)
    assert (changed.enabled, changed.events) == (False, ("charge.failed",))
    assert changed in site.stripe.endpoints()
    site.stripe.delete_endpoint(made.id)
    site.stripe.delete_endpoint(made.id)
    assert made.id not in {endpoint.id for endpoint in site.stripe.endpoints()}


def test_stripe_a_creation_whose_reply_is_lost(twin: Twin, site: Site, monkeypatch: Any) -> None:
    clean = site.stripe.delete_attempt
    faults = iter(["reset_after"])

    def clean_then_lose(attempt: str) -> None:
        clean(attempt)
        for fault in faults:
            twin.fault("stripe", fault)  # meets the creation that comes next

    monkeypatch.setattr(site.stripe, "delete_attempt", clean_then_lose)
    made = site.stripe.create_endpoint("https://w.test/lost", ["charge.refunded"], "attempt-l")
    ours = [one for one in site.stripe.endpoints() if one.url == "https://w.test/lost"]
    assert [one.id for one in ours] == [made.id]
    assert made.secret is not None
    assert made.secret.reveal().startswith("whsec_")
    clean("attempt-l")


def test_stripe_a_key_without_the_permission(twin: Twin) -> None:
    from xswarm_twin import credentials, folder

    key = credentials.load(folder.of(twin.root))["STRIPE_RESTRICTED_KEY_TEST"]
    with pytest.raises(Forbidden):
        twin.site(STRIPE_SECRET_KEY_TEST=key).stripe.endpoints()


def test_our_stripe_signature_is_stripes() -> None:
    import time

    import stripe

    secret = Secret("whsec_canary_signing_1", "W")
    body = b'{"id": "evt_1", "object": "event", "type": "x", "data": {"object": {}}}'
    header = stripe_signature(body, secret, time.time())
    stripe.Webhook.construct_event(body, header, secret.reveal())


# Twilio


def test_twilio_number_urls(site: Site) -> None:
    phone = site.settings.text("TWILIO_PHONE_NUMBER")
    before = site.twilio.number(phone)
    assert before is not None
    wanted = {"sms_url": "https://w.test/sms", "sms_method": "POST"}
    site.twilio.update_number(before.sid, wanted)
    after = site.twilio.number(phone)
    assert after is not None
    assert after.urls == {**before.urls, **wanted}
    site.twilio.update_number(before.sid, {name: before.urls[name] for name in wanted})
    assert site.twilio.number(phone) == before
    assert site.twilio.number("+15550000000") is None


def test_a_twilio_number_in_a_messaging_service(site: Site) -> None:
    phone = site.settings.text("TWILIO_PHONE_NUMBER")
    number = site.twilio.number(phone)
    assert number is not None
    assert number.overridden_by == {}
    base = site.settings.text("TWILIO_API_BASE")
    account, token = site.settings.text("TWILIO_ACCOUNT_SID"), "TWILIO_AUTH_TOKEN"
    credentials = basic(account, site.settings.secret(token))
    services = Http("Stand-in", base, {"Authorization": credentials})
    made = json.loads(services.post("/v1/Services", form={"FriendlyName": "all"}).body)["sid"]
    services.post(f"/v1/Services/{made}/PhoneNumbers", form={"PhoneNumberSid": number.sid})
    found = site.twilio.number(phone)
    assert found is not None
    assert found.overridden_by == {"sms": made}
    services.post(f"/v1/Services/{made}", form={"UseInboundWebhookOnNumber": "true"})
    assert site.twilio.number(phone) == number


# SendGrid


def test_sendgrid_event_webhook_from_birth_to_death(site: Site) -> None:
    client = site.sendgrid
    made = client.create_event_webhook("https://w.test/mail", ["bounce"], "contract")
    assert (made.events, made.enabled) == (("bounce",), True)
    assert client.public_key(made.id) == ""
    key = client.sign_event_webhook(made.id)
    assert key == client.public_key(made.id) != ""
    changed = client.update_event_webhook(made.id, "https://w.test/m", ["open"], enabled=False)
    assert (changed.url, changed.events, changed.enabled) == ("https://w.test/m", ("open",), False)
    assert changed.id in {hook.id for hook in client.event_webhooks()}
    client.delete_event_webhook(made.id)
    client.delete_event_webhook(made.id)
    assert made.id not in {hook.id for hook in client.event_webhooks()}


def test_sendgrid_a_creation_whose_reply_is_lost(twin: Twin, site: Site) -> None:
    twin.fault("sendgrid", "reset_after")
    made = site.sendgrid.create_event_webhook("https://w.test/lost", ["bounce"], "lost one")
    ours = [hook for hook in site.sendgrid.event_webhooks() if hook.name == "lost one"]
    assert [hook.id for hook in ours] == [made.id]
    site.sendgrid.delete_event_webhook(made.id)


def test_sendgrid_parse_setting_from_birth_to_death(site: Site) -> None:
    client = site.sendgrid
    setting = ParseSetting("mail.xswarm.ai", "https://w.test/inbound", send_raw=True)
    client.create_parse_setting(setting)
    assert setting in client.parse_settings()
    moved = ParseSetting("mail.xswarm.ai", "https://w.test/other")
    client.update_parse_setting(moved)
    assert moved in client.parse_settings()
    client.delete_parse_setting(setting.hostname)
    client.delete_parse_setting(setting.hostname)
    assert client.parse_settings() == []


def test_sendgrid_senders(site: Site) -> None:
    assert site.sendgrid.sender_is_verified("boss@xswarm.ai")
    assert not site.sendgrid.sender_is_verified("boss@elsewhere.test")
