"""SendGrid's stand-in, judged by the official library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from sendgrid.helpers.mail import Mail

from tests.support.providers import Receiver, Twin
from xswarm_twin.providers.allowance import Allowance
from xswarm_twin.providers.sendgrid import SCOPES

pytestmark = pytest.mark.slow


def client(twin: Twin, key: str = "") -> Any:
    made = SendGridAPIClient(
        key or twin.keys["SENDGRID_API_KEY_TEST"], host=twin.endpoints["SENDGRID_API_BASE"]
    )
    return made.client


def read(answer: Any) -> Any:
    return json.loads(answer.body)


def errors(caught: pytest.ExceptionInfo[HTTPError]) -> Any:
    return json.loads(caught.value.body)["errors"]


@pytest.fixture
def settings(twin: Twin) -> Iterator[Any]:
    """Return the event webhooks' resource; no webhook is left."""
    resource = client(twin).user.webhooks.event.settings
    yield resource
    for hook in read(resource.all.get())["webhooks"]:
        resource._(hook["id"]).delete()


def test_scopes_are_listed(twin: Twin) -> None:
    assert read(client(twin).scopes.get()) == {"scopes": list(SCOPES)}


def test_a_wrong_key_is_401(twin: Twin) -> None:
    with pytest.raises(HTTPError) as caught:
        client(twin, "SG.wrong.key").scopes.get()
    assert caught.value.status_code == 401
    assert "invalid, expired, or revoked" in errors(caught)[0]["message"]


def test_an_event_webhook_lives(settings: Any) -> None:
    wanted = {"url": "https://boss.test/email", "enabled": True, "delivered": True}
    created = settings.post(request_body=wanted)
    assert created.status_code == 201
    hook = read(created)
    assert wanted.items() <= hook.items()
    assert hook["bounce"] is False
    changed = read(settings._(hook["id"]).patch(request_body={"bounce": True}))
    assert (changed["bounce"], changed["delivered"]) == (True, True)
    listed = read(settings.all.get())
    assert listed["max_allowed"] == 5
    assert [entry["id"] for entry in listed["webhooks"]] == [hook["id"]]
    assert settings._(hook["id"]).delete().status_code == 204
    assert read(settings.all.get())["webhooks"] == []


def test_without_an_id_the_oldest_is_changed(settings: Any) -> None:
    first, second = (
        read(settings.post(request_body={"url": f"https://boss.test/{name}"}))["id"]
        for name in ("first", "second")
    )
    assert read(settings.patch(request_body={"open": True}))["id"] == first
    hooks = {entry["id"]: entry for entry in read(settings.all.get())["webhooks"]}
    assert (hooks[first]["open"], hooks[second]["open"]) == (True, False)
    with pytest.raises(HTTPError) as caught:
        settings.delete()
    assert caught.value.status_code == 405


def test_a_url_is_taken_once(settings: Any) -> None:
    settings.post(request_body={"url": "https://boss.test/once"})
    with pytest.raises(HTTPError) as caught:
        settings.post(request_body={"url": "https://boss.test/once"})
    assert caught.value.status_code == 400
    assert "already exists" in errors(caught)[0]["message"]


def test_there_are_at_most_five(settings: Any) -> None:
    for index in range(5):
        settings.post(request_body={"url": f"https://boss.test/{index}"})
    with pytest.raises(HTTPError) as caught:
        settings.post(request_body={"url": "https://boss.test/sixth"})
    assert "maximum number of webhooks" in errors(caught)[0]["message"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"url": "boss.test"},
        {"url": "https://boss.test/", "delivered": "yes"},
        {"url": "https://boss.test/", "colour": "red"},
    ],
)
def test_a_bad_webhook_is_refused(settings: Any, wanted: dict[str, Any]) -> None:
    with pytest.raises(HTTPError) as caught:
        settings.post(request_body=wanted)
    assert caught.value.status_code == 400
    assert read(settings.all.get())["webhooks"] == []


def test_events_are_signed_with_the_key_that_was_told(
    twin: Twin, settings: Any, receiver: Receiver
) -> None:
    url = receiver.url + "/email/inbound"
    identity = read(settings.post(request_body={"url": url, "enabled": True}))["id"]
    signed = read(settings.signed._(identity).patch(request_body={"enabled": True}))
    assert signed["id"] == identity
    again = read(settings.signed._(identity).get())
    assert again["public_key"] == signed["public_key"]
    tested = client(twin).user.webhooks.event.test.post(request_body={"id": identity, "url": url})
    assert tested.status_code == 204
    _, headers, payload = receiver.wait()
    found = {name.lower(): value for name, value in headers.items()}
    judge = EventWebhook()
    key = judge.convert_public_key_to_ecdsa(signed["public_key"])
    signature = found[EventWebhookHeader.SIGNATURE.lower()]
    moment = found[EventWebhookHeader.TIMESTAMP.lower()]
    assert judge.verify_signature(payload.decode(), signature, moment, key)
    assert not judge.verify_signature(payload.decode() + " ", signature, moment, key)


def test_signatures_are_switched_off_and_on_with_new_keys(settings: Any) -> None:
    identity = read(settings.post(request_body={"url": "https://boss.test/x"}))["id"]
    resource = settings.signed._(identity)
    first = read(resource.patch(request_body={"enabled": True}))["public_key"]
    assert read(resource.patch(request_body={"enabled": True}))["public_key"] == first
    assert read(resource.patch(request_body={"enabled": False}))["public_key"] == ""
    assert read(resource.patch(request_body={"enabled": True}))["public_key"] not in ("", first)


def test_an_inbound_parse_setting_lives(twin: Twin) -> None:
    parse = client(twin).user.webhooks.parse.settings
    wanted = {"url": "https://boss.test/email", "hostname": "in.xswarm.ai", "spam_check": True}
    created = parse.post(request_body=wanted)
    assert (created.status_code, read(created)) == (201, {**wanted, "send_raw": False})
    with pytest.raises(HTTPError) as caught:
        parse.post(request_body=wanted)
    assert caught.value.status_code == 400
    one = parse._("in.xswarm.ai")
    one.patch(request_body={"url": "https://boss.test/other"})
    assert read(one.get())["url"] == "https://boss.test/other"
    assert [entry["hostname"] for entry in read(parse.get())["result"]] == ["in.xswarm.ai"]
    assert one.delete().status_code == 204
    with pytest.raises(HTTPError) as caught:
        one.get()
    assert caught.value.status_code == 404


@pytest.mark.parametrize("field", ["url", "hostname", "security_policy", "spam_check"])
def test_a_parse_setting_of_a_wrong_type_is_refused(twin: Twin, field: str) -> None:
    wanted: dict[str, Any] = {"url": "https://boss.test/email", "hostname": "in.xswarm.ai"}
    with pytest.raises(HTTPError) as caught:
        client(twin).user.webhooks.parse.settings.post(request_body={**wanted, field: ["x"]})
    assert (caught.value.status_code, errors(caught)[0]["field"]) == (400, field)


def test_answers_say_how_many_requests_are_left(twin: Twin) -> None:
    first, second = (client(twin).verified_senders.get().headers for _ in range(2))
    assert first["X-RateLimit-Limit"] == "600"
    assert int(second["X-RateLimit-Reset"]) >= int(first["X-RateLimit-Reset"])
    assert "X-RateLimit-Limit" not in send(twin).headers


def test_one_request_too_many_is_refused_until_the_minute_ends() -> None:
    now = [100.0]
    allowance = Allowance(clock=lambda: now[0])
    told = [allowance.take("GET /v3/scopes") for _ in range(601)]
    assert [taken for taken, _ in told].index(False) == 600
    assert told[-1][1]["X-RateLimit-Remaining"] == "0"
    assert allowance.take("GET /v3/other")[0]
    now[0] = float(told[0][1]["X-RateLimit-Reset"])
    assert allowance.take("GET /v3/scopes")[1]["X-RateLimit-Remaining"] == "599"
    lifted = Allowance(0, lambda: now[0])
    assert all(lifted.take("GET /v3/scopes")[0] for _ in range(601))


def test_lists_are_paged(twin: Twin) -> None:
    listed = client(twin).verified_senders
    assert read(listed.get(query_params={"limit": 0}))["results"] == []
    assert read(listed.get(query_params={"lastSeenID": 1}))["results"] == []
    assert read(client(twin).whitelabel.domains.get(query_params={"offset": 1})) == []


def test_senders_are_listed_and_a_new_one_is_not_verified(twin: Twin) -> None:
    senders = client(twin).verified_senders
    assert [entry["verified"] for entry in read(senders.get())["results"]] == [True]
    wanted = {"nickname": "new", "from_email": "new@elsewhere.test", "reply_to": "a@b.test"}
    created = read(senders.post(request_body=wanted))
    assert created["verified"] is False
    with pytest.raises(HTTPError) as caught:
        send(twin, sender="new@elsewhere.test")
    assert caught.value.status_code == 403
    assert senders._(created["id"]).delete().status_code == 204


def send(twin: Twin, sender: str = "boss@xswarm.ai") -> Any:
    message = Mail(
        from_email=sender,
        to_emails="admin@boss.test",
        subject="Service outage",
        plain_text_content="The database does not answer.",
    )
    return client(twin).mail.send.post(request_body=message.get())


def test_mail_is_taken_and_can_be_looked_at(twin: Twin) -> None:
    answer = send(twin)
    assert answer.status_code == 202
    assert answer.headers["X-Message-Id"]
    assert twin.received("sendgrid")[-1]["subject"] == "Service outage"


def test_bad_mail_is_refused_with_every_reason(twin: Twin) -> None:
    before = len(twin.received("sendgrid"))
    with pytest.raises(HTTPError) as caught:
        client(twin).mail.send.post(request_body={"personalizations": [{"to": []}]})
    assert caught.value.status_code == 400
    fields = [error["field"] for error in errors(caught)]
    assert fields == ["personalizations.0.to", "from.email", "subject", "content"]
    assert len(twin.received("sendgrid")) == before


@pytest.mark.parametrize(("kind", "status"), [("status:429", 429), ("revoked", 401)])
def test_a_fault_meets_one_request(twin: Twin, kind: str, status: int) -> None:
    twin.fault("sendgrid", kind)
    with pytest.raises(HTTPError) as caught:
        client(twin).scopes.get()
    assert caught.value.status_code == status
    assert client(twin).scopes.get().status_code == 200
