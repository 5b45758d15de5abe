"""Anthropic, OpenAI, Stripe, Twilio, SendGrid, Slack: asked as documented, believed as due."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from responses import matchers

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.anthropic import Anthropic
from xswarm_deploy.services.errors import (
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from xswarm_deploy.services.http import Http, basic, bearer
from xswarm_deploy.services.openai import OpenAI
from xswarm_deploy.services.sendgrid import ParseSetting, SecurityPolicy, SendGrid
from xswarm_deploy.services.slack import Slack
from xswarm_deploy.services.stripe import Stripe
from xswarm_deploy.services.twilio import Twilio

HOST = "https://provider.test"
NUMBERS = f"{HOST}/2010-04-01/Accounts/AC1/IncomingPhoneNumbers"
STRIPE = f"{HOST}/v1/webhook_endpoints"
EVENTS = f"{HOST}/v3/user/webhooks/event"
POLICIES = f"{HOST}/v3/user/webhooks/security/policies"
PARSE = f"{HOST}/v3/user/webhooks/parse/settings"


@pytest.fixture
def http(fake_time: Any) -> Http:
    return Http("Provider", HOST, clock=fake_time.clock)


def sent(request: Any) -> dict[str, list[str]]:
    return parse_qs(request.body, keep_blank_values=True)


# Anthropic and OpenAI


def test_a_key_is_proved_by_one_free_read(http: Http, api: Any) -> None:
    api.get(
        f"{HOST}/v1/models",
        match=[matchers.query_param_matcher({"limit": 1})],
        json={"data": [{"id": "claude-x"}]},
    )
    assert Anthropic(http).model() == "claude-x"
    api.get(f"{HOST}/v1/models", json={"data": [{"id": "gpt-x"}]})
    assert OpenAI(http).model() == "gpt-x"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorised),
        (402, Invalid),
        (403, Forbidden),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (529, ServiceUnavailable),
    ],
)
@pytest.mark.parametrize("client", [Anthropic, OpenAI])
def test_only_a_refusal_is_a_verdict_on_the_key(
    http: Http, api: Any, client: Any, status: int, kind: type[ServiceError]
) -> None:
    api.get(f"{HOST}/v1/models", status=status, json={"error": {"type": "t", "message": "m"}})
    with pytest.raises(kind):
        client(http).model()


# Stripe


def endpoint(identifier: str, url: str = "https://w.test/stripe/webhook", **more: Any) -> Any:
    return {
        "id": identifier,
        "url": url,
        "enabled_events": ["b", "a"],
        "status": "enabled",
        "livemode": False,
        "metadata": {},
        **more,
    }


def test_stripe_lists_over_pages(http: Http, api: Any) -> None:
    first = {"data": [endpoint("we_1")], "has_more": True}
    api.get(STRIPE, match=[matchers.query_param_matcher({"limit": 100})], json=first)
    next_page = matchers.query_param_matcher({"limit": 100, "starting_after": "we_1"})
    api.get(STRIPE, match=[next_page], json={"data": [endpoint("we_2")], "has_more": False})
    found = Stripe(http).endpoints()
    assert [(one.id, one.events) for one in found] == [("we_1", ("a", "b")), ("we_2", ("a", "b"))]


def test_stripe_tells_livemode_and_lack_of_permission(http: Http, api: Any) -> None:
    api.get(f"{HOST}/v1/balance", json={"livemode": True})
    api.get(f"{HOST}/v1/account", status=403, json={"error": {"message": "no permission"}})
    assert Stripe(http).livemode() is True
    with pytest.raises(Forbidden, match="no permission"):
        Stripe(http).account()


def test_stripe_gives_the_signing_secret_once(http: Http, api: Any) -> None:
    api.get(STRIPE, json={"data": [], "has_more": False})
    post = api.post(STRIPE, json=endpoint("we_1", secret="whsec_canary001"))
    made = Stripe(http).create_endpoint("https://w.test/x", ["b", "a"], "attempt-1", "why")
    assert made.secret is not None
    assert made.secret.reveal() == "whsec_canary001"
    assert "whsec_canary001" not in repr(made)
    form = sent(post.calls[0].request)
    assert form["enabled_events[]"] == ["a", "b"]
    assert (form["url"], form["description"]) == (["https://w.test/x"], ["why"])
    assert "api_version" not in form
    Stripe(http).create_endpoint("https://w.test/x", ["a"], "attempt-2", "", "2026-10-28.endive")
    assert sent(post.calls[1].request)["api_version"] == ["2026-10-28.endive"]


def test_stripe_a_lost_creation_is_asked_for_again_by_its_key(http: Http, api: Any) -> None:
    api.get(STRIPE, json={"data": [], "has_more": False})
    lost = api.post(STRIPE, body=requests.ConnectionError())
    api.post(STRIPE, json=endpoint("we_1", secret="whsec_first001"))
    made = Stripe(http).create_endpoint("u", ["a"], "attempt-1")
    assert made.secret is not None
    assert made.secret.reveal() == "whsec_first001"
    asked = [call.request for call in api.calls if call.request.method == "POST"]
    assert lost.call_count == 1
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1


def test_stripe_a_creation_whose_failure_is_kept_is_made_by_another_key(
    http: Http, api: Any, fake_time: Any
) -> None:
    ours = endpoint("we_1", metadata={"deployment_attempt": "attempt-1"})
    theirs = endpoint("we_0", metadata={"deployment_attempt": "another"})
    api.get(STRIPE, json={"data": [theirs], "has_more": False})
    api.get(STRIPE, json={"data": [theirs, ours], "has_more": False})
    gone = api.delete(f"{STRIPE}/we_1", json={"deleted": True})
    keys: list[str] = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        keys.append(request.headers["Idempotency-Key"])
        if keys[-1] == keys[0]:
            return 500, {}, "{}"
        return 200, {}, json.dumps(endpoint("we_2", secret="whsec_second01"))

    api.add_callback("POST", STRIPE, answer)
    made = Stripe(http).create_endpoint("u", ["a"], "attempt-1")
    assert made.secret is not None
    assert made.secret.reveal() == "whsec_second01"
    assert (len(set(keys)), gone.call_count) == (2, 1)


def test_stripe_updates_and_deletes(http: Http, api: Any) -> None:
    post = api.post(f"{STRIPE}/we_1", json=endpoint("we_1", status="disabled"))
    missing = {"error": {"code": "resource_missing", "message": "no such"}}
    api.delete(f"{STRIPE}/we_1", status=404, json=missing)
    assert not Stripe(http).update_endpoint("we_1", "u", ["a"], enabled=False).enabled
    assert sent(post.calls[0].request)["disabled"] == ["true"]
    Stripe(http).delete_endpoint("we_1")


# Twilio


def number(**more: Any) -> dict[str, Any]:
    return {
        "sid": "PN1",
        "phone_number": "+15551234567",
        "sms_url": "https://old.test/sms",
        "sms_method": "POST",
        "voice_url": None,
        "voice_method": "POST",
        "status_callback": "",
        "status_callback_method": "POST",
        "capabilities": {"sms": True, "voice": True},
        **more,
    }


def test_twilio_identifies_by_basic_authentication(fake_time: Any, api: Any) -> None:
    pair = base64.b64encode(b"AC1:canary-twilio-1").decode()
    api.get(
        f"{HOST}/2010-04-01/Accounts/AC1.json",
        match=[matchers.header_matcher({"Authorization": f"Basic {pair}"})],
        json={"status": "active"},
    )
    headers = {"Authorization": basic("AC1", Secret("canary-twilio-1", "TWILIO_AUTH_TOKEN"))}
    client = Twilio(Http("Twilio", HOST, headers, clock=fake_time.clock), "AC1")
    assert client.account_status() == "active"


def in_services(api: Any, *services: tuple[str, bool, bool]) -> None:
    """Let the account have Messaging Services: sid, whether the number decides, whether in it."""
    listed = [{"sid": sid, "use_inbound_webhook_on_number": own} for sid, own, _ in services]
    api.get(f"{HOST}/v1/Services", json={"services": listed, "meta": {"next_page_url": None}})
    missing = {"code": 20404, "message": "not found", "status": 404}
    for sid, _, within in services:
        path = f"{HOST}/v1/Services/{sid}/PhoneNumbers/PN1"
        api.get(path, status=200 if within else 404, json={"sid": "PN1"} if within else missing)


def test_twilio_finds_exactly_the_number(http: Http, api: Any) -> None:
    in_services(api)
    other = number(sid="PN0", phone_number="+155512345670")
    api.get(f"{NUMBERS}.json", json={"incoming_phone_numbers": [other, number()]})
    found = Twilio(http, "AC1").number("+15551234567")
    assert found is not None
    assert (found.sid, found.urls["sms_url"], found.urls["voice_url"]) == (
        "PN1",
        "https://old.test/sms",
        "",
    )


def test_twilio_owns_no_such_number(http: Http, api: Any) -> None:
    api.get(f"{NUMBERS}.json", json={"incoming_phone_numbers": []})
    assert Twilio(http, "AC1").number("+15551234567") is None


@pytest.mark.parametrize(
    ("more", "overridden"),
    [
        ({}, {}),
        ({"sms_application_sid": "AP1"}, {"sms": "AP1"}),
        ({"voice_application_sid": "AP2"}, {"voice": "AP2", "status": "AP2"}),
        ({"trunk_sid": "TK1", "voice_application_sid": "AP2"}, {"voice": "TK1", "status": "TK1"}),
    ],
)
def test_twilio_says_what_overrides_the_urls(
    http: Http, api: Any, more: dict[str, str], overridden: dict[str, str]
) -> None:
    in_services(api)
    api.get(f"{NUMBERS}.json", json={"incoming_phone_numbers": [number(**more)]})
    found = Twilio(http, "AC1").number("+15551234567")
    assert found is not None
    assert found.overridden_by == overridden


@pytest.mark.parametrize(
    ("services", "overridden"),
    [
        ([("MG1", False, False)], {}),
        ([("MG1", True, True)], {}),
        ([("MG1", True, True), ("MG2", False, True)], {"sms": "MG2"}),
    ],
)
def test_twilio_says_which_messaging_service_takes_the_messages(
    http: Http, api: Any, services: list[tuple[str, bool, bool]], overridden: dict[str, str]
) -> None:
    in_services(api, *services)
    api.get(f"{NUMBERS}.json", json={"incoming_phone_numbers": [number()]})
    found = Twilio(http, "AC1").number("+15551234567")
    assert found is not None
    assert found.overridden_by == overridden


def test_twilio_writes_the_names_it_does_not_read(http: Http, api: Any) -> None:
    post = api.post(f"{NUMBERS}/PN1.json", json=number(sms_url="https://new.test/sms"))
    updated = Twilio(http, "AC1").update_number(
        "PN1", {"sms_url": "https://new.test/sms", "voice_url": ""}
    )
    assert updated.urls["sms_url"] == "https://new.test/sms"
    assert sent(post.calls[0].request) == {"SmsUrl": ["https://new.test/sms"], "VoiceUrl": [""]}


# SendGrid


def test_sendgrid_scopes_and_senders(http: Http, api: Any) -> None:
    api.get(f"{HOST}/v3/scopes", json={"scopes": ["mail.send"]})
    senders = [
        {"from_email": "Boss@xswarm.ai", "verified": True},
        {"from_email": "new@other.test", "verified": False},
    ]
    api.get(f"{HOST}/v3/verified_senders", json={"results": senders})
    domains = [{"domain": "mail.test", "valid": True}, {"domain": "other.test", "valid": False}]
    api.get(f"{HOST}/v3/whitelabel/domains", json=domains)
    client = SendGrid(http)
    assert client.scopes() == {"mail.send"}
    assert client.sender_is_verified("boss@xswarm.ai")
    assert client.sender_is_verified("any@sub.mail.test")
    assert not client.sender_is_verified("new@other.test")
    assert not client.sender_is_verified("any@notmail.test")


def hook(identifier: str, **more: Any) -> dict[str, Any]:
    return {"id": identifier, "url": "u", "enabled": True, "bounce": True, "open": False, **more}


def test_sendgrid_event_webhooks(http: Http, api: Any) -> None:
    api.get(f"{EVENTS}/settings/all", json={"max_allowed": 5, "webhooks": [hook("h1")]})
    api.patch(f"{EVENTS}/settings/h1", json=hook("h1", enabled=False))
    api.patch(f"{EVENTS}/settings/signed/h1", json={"id": "h1", "public_key": "MFk"})
    api.get(f"{EVENTS}/settings/signed/h1", json={"id": "h1", "public_key": "MFk"})
    api.delete(f"{EVENTS}/settings/h1", status=404, json={"errors": [{"message": "gone"}]})
    client = SendGrid(http)
    assert [(one.id, one.events) for one in client.event_webhooks()] == [("h1", ("bounce",))]
    assert not client.update_event_webhook("h1", "u", ["bounce"], enabled=False).enabled
    assert client.sign_event_webhook("h1") == client.public_key("h1") == "MFk"
    client.delete_event_webhook("h1")


def test_sendgrid_without_an_id_nothing_is_edited(http: Http, api: Any) -> None:
    with pytest.raises(ValueError, match="oldest"):
        SendGrid(http).update_event_webhook("", "u", [])
    with pytest.raises(ValueError, match="oldest"):
        SendGrid(http).sign_event_webhook("")
    assert len(api.calls) == 0


def test_sendgrid_a_lost_creation_is_found(http: Http, api: Any) -> None:
    post = api.post(f"{EVENTS}/settings", body=requests.ConnectionError())
    found = hook("h2", friendly_name="boss-ai")
    api.get(f"{EVENTS}/settings/all", json={"webhooks": [hook("h1"), found]})
    assert SendGrid(http).create_event_webhook("u", ["bounce"], "boss-ai").id == "h2"
    assert post.call_count == 1


def test_sendgrid_parse_settings(http: Http, api: Any) -> None:
    setting = ParseSetting("mail.test", "https://w.test/email/inbound", policy="p1")
    json = {"hostname": "mail.test", "url": setting.url, "spam_check": False, "send_raw": False}
    json |= {"security_policy": "p1"}
    api.post(PARSE, match=[matchers.json_params_matcher(json)], json=json)
    api.get(PARSE, json={"result": [json]})
    rest = {key: value for key, value in json.items() if key != "hostname"}
    api.patch(f"{PARSE}/mail.test", match=[matchers.json_params_matcher(rest)], json=json)
    api.delete(f"{PARSE}/mail.test", status=204)
    client = SendGrid(http)
    client.create_parse_setting(setting)
    assert client.parse_settings() == [setting]
    client.update_parse_setting(setting)
    client.delete_parse_setting("mail.test")


def test_sendgrid_security_policies(http: Http, api: Any) -> None:
    policy = {"id": "p1", "name": "boss", "signature": {"public_key": "key"}}
    asked = {"name": "boss", "signature": {"enabled": True}}
    api.post(POLICIES, match=[matchers.json_params_matcher(asked)], json={"policy": policy})
    api.get(POLICIES, json={"policies": [policy, {"id": "p2", "name": "oauth alone"}]})
    api.delete(f"{POLICIES}/p1", status=204)
    client = SendGrid(http)
    assert client.create_security_policy("boss") == SecurityPolicy("p1", "boss", "key")
    assert client.security_policies()[1] == SecurityPolicy("p2", "oauth alone")
    client.delete_security_policy("p1")


def test_a_security_policy_whose_reply_was_lost_is_made_once(http: Http, api: Any) -> None:
    policy = {"id": "p1", "name": "boss", "signature": {"public_key": "key"}}
    post = api.post(POLICIES, status=500)
    api.get(POLICIES, json={"policies": [policy]})
    assert SendGrid(http).create_security_policy("boss").id == "p1"
    assert post.call_count == 1


# Slack


def test_slack_is_proved_without_a_message(http: Http, api: Any) -> None:
    api.post(HOST, match=[matchers.json_params_matcher({})], status=400, body="no_text")
    Slack(http).verify()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(404, "no_service", NotFound), (403, "invalid_token", Forbidden), (400, "other", Invalid)],
)
def test_slack_a_webhook_that_is_gone(
    http: Http, api: Any, status: int, body: str, kind: type[ServiceError]
) -> None:
    api.post(HOST, status=status, body=body)
    with pytest.raises(kind, match=body):
        Slack(http).verify()


def test_slack_sends_once(http: Http, api: Any) -> None:
    post = api.post(HOST, body=requests.ConnectionError())
    with pytest.raises(ServiceUnavailable):
        Slack(http).send("hello", {"blocks": []})
    assert post.call_count == 1


# No provider's error shows its key


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_error_shows_the_key(fake_time: Any, api: Any, status: int) -> None:
    key = Secret("sk_test_canary0099887766", "STRIPE_SECRET_KEY")
    client = Stripe(
        Http("Stripe", HOST, {"Authorization": bearer(key)}, clock=fake_time.clock, retries=0)
    )
    api.get(
        f"{HOST}/v1/balance",
        status=status,
        json={"error": {"message": f"Invalid API Key provided: {key.reveal()}"}},
    )
    with pytest.raises(ServiceError) as caught:
        client.livemode()
    assert "canary" not in caught.value.render()
