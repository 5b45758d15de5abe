"""Signed webhooks on a real database: each is carried out once, however often it comes."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.events import event, stripe
from tests.support.signatures import SendGrid, twilio_header
from tests.worker.isolate import SECRETS, Answer, Isolate
from xswarm_deploy.database.client import Database

Start = Callable[..., Isolate]


@pytest.fixture
def user(database: Database) -> str:
    database.execute("INSERT INTO users (id, email, handle) VALUES ('u', 'u@example.org', 'boss')")
    return "u"


def count(database: Database, table: str) -> int:
    return int(database.query(f"SELECT count(*) AS n FROM {table}")[0].integer("n"))


# Stripe


CHECKOUT = event(
    "checkout.session.completed",
    customer="cus_1",
    subscription="sub_1",
    client_reference_id="u",
    metadata={"tier": "personal"},
)


def subscription(status: str, created: int, **more: Any) -> dict[str, Any]:
    price = {"metadata": {"tier": "professional"}}
    items = {"data": [{"price": price}]}
    kind = "customer.subscription.updated"
    return event(kind, created, id="sub_1", customer="cus_1", status=status, items=items, **more)


def tier(database: Database) -> object:
    return database.query("SELECT subscription_tier FROM users")[0]["subscription_tier"]


def test_the_end_of_a_call_is_taken_once(service: Isolate, database: Database) -> None:
    fields = {"CallSid": "CA1", "CallStatus": "completed", "From": "+15005550006"}
    answers = [twilio(service, "/voice/zoe/status", fields).status for _ in range(2)]
    assert answers == [200, 200]
    assert count(database, "webhook_events") == 1
    assert service.ask("POST", "/voice/zoe/status", b"CallSid=CA1").status == 401


def test_an_event_is_taken_once(service: Isolate, database: Database, user: str) -> None:
    answers = [stripe(service, CHECKOUT).json() for _ in range(3)]
    assert answers == [{"received": True, "new": new} for new in (True, False, False)]
    assert count(database, "webhook_events") == 1
    assert tier(database) == "personal"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", "professional"),
        ("trialing", "professional"),
        ("past_due", "professional"),
        ("unpaid", "free"),
        ("incomplete", "free"),
        ("canceled", "free"),
        ("incomplete_expired", "free"),
    ],
)
def test_a_subscription_gives_its_tier_while_it_is_paid_for(
    service: Isolate, database: Database, user: str, status: str, expected: str
) -> None:
    stripe(service, CHECKOUT)
    assert stripe(service, subscription(status, 1_700_000_001)).status == 200
    assert tier(database) == expected


def test_an_older_event_that_comes_late_changes_nothing(
    service: Isolate, database: Database, user: str
) -> None:
    stripe(service, CHECKOUT)
    stripe(service, subscription("canceled", 1_700_000_100))
    stripe(service, subscription("active", 1_700_000_050))
    assert tier(database) == "free"


def test_a_subscription_may_be_told_before_its_checkout(
    service: Isolate, database: Database, user: str
) -> None:
    stripe(service, subscription("active", 1_700_000_050, metadata={"user_id": "u"}))
    stripe(service, CHECKOUT)
    assert tier(database) == "professional"


@pytest.mark.parametrize(
    "told",
    [
        event("customer.created", id="cus_1"),
        event("checkout.session.completed", customer="cus_1", client_reference_id="nobody"),
        event("customer.subscription.updated", customer="cus_9", status="active", items=None),
        event("invoice.payment_failed", amount_due=1250, currency="usd", customer="cus_1"),
    ],
)
def test_what_concerns_nobody_here_is_received_all_the_same(
    service: Isolate, database: Database, told: dict[str, Any]
) -> None:
    assert stripe(service, told).json() == {"received": True, "new": True}
    assert count(database, "subscriptions") == 0


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"id":1,"type":2}', b"{"])
def test_a_signed_body_that_is_no_event_is_refused(service: Isolate, body: bytes) -> None:
    answer = stripe(service, body)
    assert (answer.status, answer.error()) == (400, "invalid_event")


def test_a_failing_database_is_told_so_that_stripe_repeats(start: Start) -> None:
    assert stripe(start(), CHECKOUT).status == 503


def test_an_event_that_cannot_be_carried_out_is_not_noted(
    service: Isolate, database: Database, user: str
) -> None:
    database.execute("INSERT INTO users (id, email) VALUES ('v', 'v@example.org')")
    stripe(service, CHECKOUT)
    same_customer = event(
        "checkout.session.completed", 1_700_000_500, customer="cus_1", client_reference_id="v"
    )
    assert stripe(service, same_customer).status == 500
    assert count(database, "webhook_events") == 1


# Twilio

SMS = {"MessageSid": "SM1", "From": "+15551234567", "Body": "Hello & bye, Zoë <b>"}
CALL = {"CallSid": "CA1", "From": "+15551234567"}


def twilio(
    service: Isolate, path: str, fields: dict[str, str], origin: str = "https://boss.example"
) -> Answer:
    token = SECRETS["TWILIO_AUTH_TOKEN"]
    header = twilio_header(f"{origin}{path}", list(fields.items()), token)
    headers = {
        "x-twilio-signature": header,
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    return service.ask("POST", path, urllib.parse.urlencode(fields).encode(), headers)


def verbs(answer: Answer) -> list[str]:
    assert answer.header("content-type") == "text/xml; charset=utf-8"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "Response"
    return [child.tag for child in root]


def test_a_text_message_is_kept_once_and_answered(
    service: Isolate, database: Database, user: str
) -> None:
    answers = [twilio(service, "/sms/boss", SMS) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert verbs(answers[0]) == ["Message"]
    row = database.query("SELECT * FROM messages")
    assert len(row) == 1
    assert (row[0]["body"], row[0]["sender"], row[0]["channel"]) == (
        SMS["Body"],
        SMS["From"],
        "sms",
    )


def test_a_call_is_greeted_recorded_and_ended(
    service: Isolate, database: Database, user: str
) -> None:
    assert verbs(twilio(service, "/voice/boss", CALL)) == ["Say", "Record"]
    recorded = {**CALL, "RecordingSid": "RE1", "RecordingUrl": "https://api.example/RE1"}
    assert verbs(twilio(service, "/voice/boss", recorded)) == ["Say", "Hangup"]
    bodies = [row["body"] for row in database.query("SELECT body FROM messages ORDER BY body")]
    assert bodies == ["", "https://api.example/RE1"]


@pytest.mark.parametrize(
    "origin",
    ["https://boss.example", "https://boss.example:443", "https://example", "https://api.example"],
)
def test_any_of_our_public_origins_may_be_signed(service: Isolate, user: str, origin: str) -> None:
    assert twilio(service, "/sms/boss", SMS, origin).status == 200


def test_another_origin_is_refused(service: Isolate, user: str) -> None:
    answer = twilio(service, "/sms/boss", SMS, "https://evil.example")
    assert (answer.status, answer.error()) == (401, "invalid_signature")


def test_nobody_of_that_handle_is_a_404(service: Isolate, database: Database) -> None:
    assert twilio(service, "/sms/nobody", SMS).status == 404
    assert count(database, "webhook_events") == 0


def test_a_message_without_its_id_is_refused(service: Isolate, user: str) -> None:
    answer = twilio(service, "/sms/boss", {"From": "+1"})
    assert list(answer.json()["error"]["fields"]) == ["MessageSid"]


def test_what_is_switched_off_is_not_taken(start: Start, database: Database, user: str) -> None:
    service = start(TURSO_DATABASE_URL=database.url, VOICE_ENABLED="false", SMS_ENABLED="false")
    assert verbs(twilio(service, "/voice/boss", CALL)) == ["Reject"]
    assert verbs(twilio(service, "/sms/boss", SMS)) == []
    assert count(database, "messages") == 0


# SendGrid


def test_with_email_switched_off_neither_letters_nor_events_are_kept(
    start: Start, database: Database, sendgrid: SendGrid, postman: SendGrid
) -> None:
    off = start(
        TURSO_DATABASE_URL=database.url,
        SENDGRID_WEBHOOK_PUBLIC_KEY=sendgrid.public_key,
        SENDGRID_PARSE_PUBLIC_KEY=postman.public_key,
        EMAIL_ENABLED="false",
    )
    told = json.dumps([news("bounce", sg_event_id="off")]).encode()
    for answer in (deliver(off, sendgrid, told), deliver(off, postman, *letter("a"))):
        assert answer.json() == {"received": True, "new": 0}
    assert count(database, "webhook_events") == count(database, "email_suppressions") == 0


@pytest.fixture(scope="module")
def sendgrid() -> SendGrid:
    return SendGrid()


@pytest.fixture
def postman() -> SendGrid:
    """Return who signs inbound mail: by another key than the events."""
    return SendGrid()


@pytest.fixture
def mailed(start: Start, database: Database, sendgrid: SendGrid, postman: SendGrid) -> Isolate:
    return start(
        TURSO_DATABASE_URL=database.url,
        SENDGRID_WEBHOOK_PUBLIC_KEY=sendgrid.public_key,
        SENDGRID_PARSE_PUBLIC_KEY=postman.public_key,
    )


def deliver(
    service: Isolate, signer: SendGrid, body: bytes, content_type: str = "application/json"
) -> Answer:
    stamp = str(int(time.time()))
    headers = {
        "content-type": content_type,
        "x-twilio-email-event-webhook-signature": signer.sign(body, stamp),
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    return service.ask("POST", "/email/inbound", body, headers)


def news(kind: str, **more: Any) -> dict[str, Any]:
    address = {"email": "Zoe@example.org", "sg_message_id": "mid.filter0001.1"}
    return {"sg_event_id": f"e-{kind}", "event": kind, **address, **more}


def letter(boundary: str, to: str = "Boss <boss@in.example>") -> tuple[bytes, str]:
    fields = {"from": "Zoë <zoe@example.org>", "to": to, "subject": "Grüße", "text": "Hallo\r\n--x"}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="attachment1"; filename="a.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = (
        "".join(parts).encode() + file.encode() + b"\x00\xff\r\n" + f"--{boundary}--\r\n".encode()
    )
    return body, f"multipart/form-data; boundary={boundary}"


def test_events_are_taken_once_each(
    mailed: Isolate, database: Database, sendgrid: SendGrid
) -> None:
    body = json.dumps([news("bounce"), news("delivered"), news("bounce")]).encode()
    assert deliver(mailed, sendgrid, body).json() == {"received": True, "new": 2}
    assert deliver(mailed, sendgrid, body).json() == {"received": True, "new": 0}
    assert count(database, "webhook_events") == 2


@pytest.mark.parametrize(
    ("told", "reasons"),
    [
        (news("bounce"), ["bounced"]),
        (news("bounce", type="blocked"), []),
        (news("spamreport"), ["complained"]),
        (news("unsubscribe"), ["unsubscribed"]),
        (news("open"), []),
        (news("bounce", email=None), []),
    ],
)
def test_an_address_that_refuses_us_is_written_to_no_more(
    mailed: Isolate,
    database: Database,
    sendgrid: SendGrid,
    told: dict[str, Any],
    reasons: list[str],
) -> None:
    deliver(mailed, sendgrid, json.dumps([told]).encode())
    rows = database.query("SELECT email, reason FROM email_suppressions")
    assert [(row["email"], row["reason"]) for row in rows] == [
        ("zoe@example.org", reason) for reason in reasons
    ]


def test_news_of_a_letter_only_lead_forward(
    mailed: Isolate, database: Database, sendgrid: SendGrid, user: str
) -> None:
    database.execute(
        "INSERT INTO email_campaigns (id, name, subject, body) VALUES ('c','n','s','')"
    )
    database.execute(
        "INSERT INTO email_sends (campaign_id, user_id, provider_id) VALUES ('c', 'u', 'mid')"
    )
    found: list[object] = []
    for kind in ("open", "delivered", "click", "open"):
        deliver(
            mailed, sendgrid, json.dumps([news(kind, sg_event_id=f"{kind}{len(found)}")]).encode()
        )
        found.append(database.query("SELECT status FROM email_sends")[0]["status"])
    assert found == ["opened", "opened", "clicked", "clicked"]


def test_a_letter_is_kept_once_as_a_message_and_whole(
    mailed: Isolate, database: Database, postman: SendGrid, user: str
) -> None:
    first, again = letter("one"), letter("two")
    assert deliver(mailed, postman, *first).json() == {"received": True, "new": 1}
    assert deliver(mailed, postman, *again).json() == {"received": True, "new": 0}
    rows = database.query("SELECT * FROM messages")
    assert len(rows) == 1
    assert (rows[0]["subject"], rows[0]["channel"]) == ("Grüße", "email")
    assert str(rows[0]["body"]).splitlines() == ["Hallo", "--x"]
    assert list(mailed.bucket.objects) == ["letters/" + rows[0].text("provider_id")]


def test_a_letter_to_nobody_is_received_but_not_kept(
    mailed: Isolate, database: Database, postman: SendGrid
) -> None:
    told = deliver(mailed, postman, *letter("b", "stranger@in.example"))
    assert (told.status, told.json()["new"]) == (200, 0)
    assert count(database, "messages") == 0
    assert not mailed.bucket.objects


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'[{"event":"open"}]', "application/json", 400),
        (b"not a form", "multipart/form-data; boundary=x", 400),
        (b"not a form", "multipart/form-data", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_signed_body_that_is_neither_is_refused(
    mailed: Isolate,
    sendgrid: SendGrid,
    postman: SendGrid,
    body: bytes,
    content_type: str,
    status: int,
) -> None:
    signer = postman if content_type.startswith("multipart/") else sendgrid
    assert deliver(mailed, signer, body, content_type).status == status


def test_a_letter_needs_the_key_of_letters(
    mailed: Isolate, sendgrid: SendGrid, postman: SendGrid
) -> None:
    assert deliver(mailed, sendgrid, *letter("b")).status == 401
    assert deliver(mailed, postman, json.dumps([news("open")]).encode()).status == 401


def test_an_old_delivery_cannot_be_played_again(mailed: Isolate, sendgrid: SendGrid) -> None:
    stamp = str(int(time.time()) - 3600)
    headers = {
        "content-type": "application/json",
        "x-twilio-email-event-webhook-signature": sendgrid.sign(b"[]", stamp),
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    answer = mailed.ask("POST", "/email/inbound", b"[]", headers)
    assert (answer.status, answer.error()) == (401, "invalid_signature")


def test_the_public_key_is_der_as_sendgrid_gives_it(sendgrid: SendGrid) -> None:
    assert base64.b64decode(sendgrid.public_key)[0] == 0x30
