"""Stripe's stand-in, judged by the official library."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import pytest
import requests
import stripe
from stripe.params import WebhookEndpointCreateParams

from tests.support.providers import Receiver, Twin
from xswarm_twin.providers import webhook_endpoints

pytestmark = pytest.mark.slow

EVENTS: Any = ["customer.subscription.created", "invoice.payment_failed"]


def client(twin: Twin, key: str = "") -> stripe.StripeClient:
    return stripe.StripeClient(
        key or twin.keys["STRIPE_SECRET_KEY_TEST"],
        base_addresses={"api": twin.url("stripe")},
        max_network_retries=0,
    )


@pytest.fixture
def endpoint(twin: Twin) -> Any:
    """Return an endpoint that is gone afterwards."""
    made = client(twin).v1.webhook_endpoints.create(
        {
            "url": "https://boss.test/stripe/webhook",
            "enabled_events": EVENTS,
            "description": "release",
            "metadata": {"owner": "deployment", "step": "webhooks"},
        }
    )
    yield made
    requests.delete(
        f"{twin.url('stripe')}/v1/webhook_endpoints/{made.id}",
        auth=(twin.keys["STRIPE_SECRET_KEY_TEST"], ""),
        timeout=60,
    )


def test_account_and_balance(twin: Twin) -> None:
    account = client(twin).v1.accounts.retrieve_current()
    assert account.id == twin.keys["STRIPE_ACCOUNT_ID"]
    assert account.charges_enabled
    assert client(twin).v1.balance.retrieve().livemode is False


def test_the_secret_is_told_only_at_creation(twin: Twin, endpoint: Any) -> None:
    assert endpoint.secret.startswith("whsec_")
    assert (endpoint.status, endpoint.livemode) == ("enabled", False)
    again = client(twin).v1.webhook_endpoints.retrieve(endpoint.id)
    assert again.url == "https://boss.test/stripe/webhook"
    assert again.enabled_events == EVENTS
    assert again.metadata.to_dict() == {"owner": "deployment", "step": "webhooks"}
    assert "secret" not in again
    listed = client(twin).v1.webhook_endpoints.list()
    assert [entry.id for entry in listed.data] == [endpoint.id]
    assert "secret" not in listed.data[0]


def test_update_keeps_what_is_not_named(twin: Twin, endpoint: Any) -> None:
    changed = client(twin).v1.webhook_endpoints.update(
        endpoint.id,
        {"url": "https://boss.test/other", "disabled": True, "metadata": {"step": ""}},
    )
    assert (changed.url, changed.status) == ("https://boss.test/other", "disabled")
    assert changed.enabled_events == EVENTS
    assert changed.description == "release"
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"owner": "deployment"}
    assert "secret" not in changed


def test_delete(twin: Twin, endpoint: Any) -> None:
    assert client(twin).v1.webhook_endpoints.delete(endpoint.id).deleted
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(twin).v1.webhook_endpoints.retrieve(endpoint.id)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_pages_go_through_all_newest_first(twin: Twin) -> None:
    service = client(twin).v1.webhook_endpoints
    made = [
        service.create({"url": f"https://boss.test/{index}", "enabled_events": ["*"]}).id
        for index in range(5)
    ]
    try:
        found = [entry.id for entry in service.list({"limit": 2}).auto_paging_iter()]
        assert found == list(reversed(made))
        before = service.list({"limit": 2, "ending_before": made[0]})
        assert [entry.id for entry in before.data] == [made[2], made[1]]
        assert before.has_more
    finally:
        for identity in made:
            service.delete(identity)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"enabled_events": ["*"]}, "parameter_missing", "url"),
        ({"url": "https://boss.test/"}, "parameter_missing", "enabled_events"),
        ({"url": "boss.test", "enabled_events": ["*"]}, "url_invalid", "url"),
        (
            {"url": "https://boss.test/", "enabled_events": ["no event"]},
            None,
            "enabled_events[0]",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["charge.banana"]},
            None,
            "enabled_events[0]",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "api_version": "2011-01-02"},
            None,
            "api_version",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "colour": "red"},
            "parameter_unknown",
            "colour",
        ),
        (
            {"url": "https://10.0.0.8/", "enabled_events": ["*"]},
            "url_invalid",
            "url",
        ),
        ({"url": "https://boss/", "enabled_events": ["*"]}, "url_invalid", "url"),
        ({"url": "", "enabled_events": ["*"]}, "parameter_invalid_empty", "url"),
        ({"url": "https://boss.test/", "enabled_events": "*"}, None, "enabled_events"),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "connect": "banana"},
            None,
            "connect",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "expand": ["account"]},
            None,
            "expand",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "metadata": {"a": "x" * 501}},
            None,
            "metadata[a]",
        ),
        (
            {"url": "https://boss.test/", "enabled_events": ["*"], "description": "x" * 5001},
            None,
            "description",
        ),
    ],
)
def test_bad_parameters_are_named(twin: Twin, params: Any, code: str | None, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(twin).v1.webhook_endpoints.create(params)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert client(twin).v1.webhook_endpoints.list().data == []


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"limit": 0}, "parameter_invalid_integer", "limit"),
        ({"limit": 101}, "parameter_invalid_integer", "limit"),
        ({"limit": "many"}, "parameter_invalid_integer", "limit"),
        ({"starting_after": "we_none"}, "resource_missing", "starting_after"),
        ({"ending_before": ""}, "parameter_invalid_empty", "ending_before"),
        ({"starting_after": "we_1", "ending_before": "we_2"}, None, None),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"expand": ["data.account"]}, None, "expand"),
    ],
)
def test_a_page_that_cannot_be_is_refused(
    twin: Twin, params: Any, code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(twin).v1.webhook_endpoints.list(params)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)


def test_an_error_says_where_more_of_it_is_to_be_read(twin: Twin) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(twin).v1.webhook_endpoints.retrieve("we_none")
    error = caught.value.error
    assert error is not None
    assert error.doc_url == "https://stripe.com/docs/error-codes/resource-missing"
    assert caught.value.request_id
    assert caught.value.request_id in str(error.request_log_url)


def test_json_and_an_unknown_version_are_refused(twin: Twin) -> None:
    address, key = twin.url("stripe") + "/v1/webhook_endpoints", twin.keys["STRIPE_SECRET_KEY_TEST"]
    sent = requests.post(address, json={"url": "https://boss.test/"}, auth=(key, ""), timeout=60)
    assert (sent.status_code, sent.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "application/x-www-form-urlencoded" in sent.json()["error"]["message"]
    old = {"Stripe-Version": "2011-01-02"}
    asked = requests.get(address, headers=old, auth=(key, ""), timeout=60)
    assert (asked.status_code, asked.json()["error"]["message"]) == (
        400,
        "Invalid Stripe API version: 2011-01-02",
    )
    known = {"Stripe-Version": "2025-09-30.clover"}
    again = requests.get(address, headers=known, auth=(key, ""), timeout=60)
    assert again.headers["Stripe-Version"] == "2025-09-30.clover"


def test_the_seventeenth_endpoint_is_refused(twin: Twin) -> None:
    service = client(twin).v1.webhook_endpoints
    made = [
        service.create({"url": f"https://boss.test/{index}", "enabled_events": ["*"]}).id
        for index in range(16)
    ]
    try:
        with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
            service.create({"url": "https://boss.test/17", "enabled_events": ["*"]})
    finally:
        for identity in made:
            service.delete(identity)


def test_live_mode_wants_https(twin: Twin) -> None:
    live = client(twin, twin.keys["STRIPE_SECRET_KEY_LIVE"]).v1.webhook_endpoints
    with pytest.raises(stripe.InvalidRequestError) as caught:
        live.create({"url": "http://boss.test/", "enabled_events": ["*"]})
    assert (caught.value.http_status, caught.value.code) == (400, "url_invalid")
    made = client(twin).v1.webhook_endpoints.create(
        {"url": "http://boss.test/", "enabled_events": ["*"]}
    )
    client(twin).v1.webhook_endpoints.delete(made.id)


def test_events_and_versions_are_those_of_the_official_sdk() -> None:
    """Where this fails after an update, write the SDK's names into stripe_*.txt."""
    wanted = WebhookEndpointCreateParams.__annotations__
    events, versions = (
        _literals(wanted[name]) - {"*"} for name in ("enabled_events", "api_version")
    )
    assert (events, versions) == (webhook_endpoints.EVENTS, webhook_endpoints.VERSIONS)


def _literals(hint: Any) -> frozenset[str]:
    """Return the words that a type allows."""
    if get_origin(hint) is Literal:
        return frozenset(get_args(hint))
    return frozenset[str]().union(*(_literals(inner) for inner in get_args(hint)))


@pytest.mark.parametrize("key", ["sk_test_wrong0123456789", "sk_live_wrong0123456789", "nonsense"])
def test_a_wrong_key_is_401_and_not_repeated_whole(twin: Twin, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided") as caught:
        client(twin, key).v1.webhook_endpoints.list()
    assert caught.value.http_status == 401
    assert key not in str(caught.value)


def test_no_key_is_401(twin: Twin) -> None:
    answer = requests.get(twin.url("stripe") + "/v1/balance", timeout=60)
    assert answer.status_code == 401
    assert "did not provide an API key" in answer.json()["error"]["message"]


def test_a_restricted_key_may_read_the_account_and_no_webhooks(twin: Twin) -> None:
    restricted = client(twin, twin.keys["STRIPE_RESTRICTED_KEY_TEST"])
    assert restricted.v1.balance.retrieve().livemode is False
    assert restricted.v1.accounts.retrieve_current().id
    with pytest.raises(stripe.PermissionError) as caught:
        restricted.v1.webhook_endpoints.list()
    assert caught.value.http_status == 403


def test_an_idempotency_key_makes_one_endpoint(twin: Twin) -> None:
    service = client(twin).v1.webhook_endpoints
    wanted: Any = {"url": "https://boss.test/once", "enabled_events": ["*"]}
    first = service.create(wanted, {"idempotency_key": "release-1"})
    second = service.create(wanted, {"idempotency_key": "release-1"})
    try:
        assert (second.id, second.secret) == (first.id, first.secret)
        assert len(service.list().data) == 1
        with pytest.raises(stripe.IdempotencyError):
            service.create(wanted | {"description": "x"}, {"idempotency_key": "release-1"})
    finally:
        service.delete(first.id)


def test_an_idempotency_key_replays_a_stored_500(twin: Twin) -> None:
    service = client(twin).v1.webhook_endpoints
    wanted: Any = {"url": "https://boss.test/broken", "enabled_events": ["*"]}
    twin.fault("stripe", "status:500")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            service.create(wanted, {"idempotency_key": "release-2"})
        assert caught.value.http_status == 500
    assert service.list().data == []


def test_a_lost_reply_has_made_the_endpoint(twin: Twin) -> None:
    service = client(twin).v1.webhook_endpoints
    wanted: Any = {"url": "https://boss.test/lost", "enabled_events": ["*"]}
    twin.fault("stripe", "reset_after")
    with pytest.raises(stripe.APIConnectionError):
        service.create(wanted, {"idempotency_key": "release-3"})
    listed = service.list().data
    assert [entry.url for entry in listed] == ["https://boss.test/lost"]
    again = service.create(wanted, {"idempotency_key": "release-3"})
    assert again.id == listed[0].id
    assert again.secret
    service.delete(again.id)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("status:429", stripe.RateLimitError),
        ("status:503", stripe.APIError),
        ("revoked", stripe.AuthenticationError),
        ("reset", stripe.APIConnectionError),
        ("bad_json", stripe.APIError),
    ],
)
def test_a_fault_meets_one_request(twin: Twin, kind: str, error: type[Exception]) -> None:
    twin.fault("stripe", kind)
    with pytest.raises(error):
        client(twin).v1.webhook_endpoints.list()
    assert client(twin).v1.webhook_endpoints.list().data == []


def test_an_event_is_delivered_signed(twin: Twin, receiver: Receiver) -> None:
    service = client(twin).v1.webhook_endpoints
    wanted: Any = {"url": receiver.url + "/stripe/webhook", "enabled_events": ["customer.created"]}
    endpoint = service.create(wanted)
    try:
        client(twin).v1.customers.create({"email": "somebody@boss.test"})
        path, headers, payload = receiver.wait()
    finally:
        service.delete(endpoint.id)
    assert path == "/stripe/webhook"
    signature = headers["Stripe-Signature"]
    event = stripe.Webhook.construct_event(payload, signature, endpoint.secret)
    assert event.type == "customer.created"
    assert json.loads(payload)["data"]["object"]["email"] == "somebody@boss.test"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(payload, signature, "whsec_wrong")


def test_the_live_key_is_in_live_mode_and_reaches_the_same_objects(
    twin: Twin, endpoint: Any
) -> None:
    live = client(twin, twin.keys["STRIPE_SECRET_KEY_LIVE"])
    assert live.v1.balance.retrieve().livemode is True
    (found,) = live.v1.webhook_endpoints.list().data
    assert (found.id, found.livemode) == (endpoint.id, True)
