"""What a caller may try who has shown nothing yet: each answered, cheaply, and never by a 500."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest
from boss.request import Request
from boss.signatures import InvalidSignature, UnusableKey, check_sendgrid, check_twilio

from tests.support.signatures import SendGrid, twilio_header
from tests.worker.isolate import Isolate
from tests.worker.test_signatures import BODY, FIELDS, NOW
from tests.worker.test_webhooks import deliver, letter, user
from xswarm_deploy.database.client import Database

Start = Callable[..., Isolate]
MEGABYTE = 1024 * 1024
DIGITS = "9" * 5_000
FORM = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "x"}
MAIL = "x-twilio-email-event-webhook-"

__all__ = ["user"]  # the fixture


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/auth/login", {}), ("/api/auth/signup", {}), ("/sms/boss", FORM)],
)
def test_an_unsigned_body_takes_little_memory(
    isolate: Isolate, path: str, headers: dict[str, str]
) -> None:
    body = b"a=1&" * (10 * MEGABYTE // 4)
    tracemalloc.start()
    try:
        answer = isolate.ask("POST", path, body, headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 4 * MEGABYTE


def test_a_form_of_many_fields_is_refused(isolate: Isolate) -> None:
    answer = isolate.ask("POST", "/sms/boss", b"a=1&" * 2_000, FORM)
    assert (answer.status, answer.error()) == (400, "invalid_form")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/stripe/webhook", {"stripe-signature": f"t={DIGITS},v1=00"}),
        (
            "/email/inbound",
            {
                "content-type": "application/json",
                f"{MAIL}signature": "AA==",
                f"{MAIL}timestamp": DIGITS,
            },
        ),
        ("/sms/boss", {**FORM, "host": "127.0.0.1:99999"}),
        ("/sms/boss", {**FORM, "host": "[::1"}),
        ("/sms/boss", {**FORM, "host": "a:b:c@[x]:y"}),
        ("/api/auth/login", {"content-length": DIGITS}),
    ],
)
def test_nobody_makes_a_500(
    start: Start, sendgrid: SendGrid, path: str, headers: dict[str, str]
) -> None:
    isolate = start(SENDGRID_WEBHOOK_PUBLIC_KEY=sendgrid.public_key)
    answer = isolate.ask("POST", path, b"{}", headers)
    assert answer.status in (400, 401)


@pytest.fixture(scope="module")
def sendgrid() -> SendGrid:
    return SendGrid()


@pytest.mark.parametrize("key", ["", "MFkw", "no key!", "-----BEGIN PUBLIC KEY-----"])
def test_a_key_that_is_none_is_told_by_its_name(start: Start, key: str) -> None:
    isolate = start(SENDGRID_WEBHOOK_PUBLIC_KEY=key)
    told = {f"{MAIL}signature": "AA==", f"{MAIL}timestamp": "1"}
    answer = isolate.ask(
        "POST", "/email/inbound", b"[]", {"content-type": "application/json", **told}
    )
    assert answer.status == 503 if not key else answer.status == 401
    with pytest.raises(UnusableKey):
        check_sendgrid(BODY, "AA==", str(NOW), key, NOW)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\\n"])
def test_a_key_may_be_pem(sendgrid: SendGrid, line_end: str) -> None:
    der = sendgrid.public_key
    lines = ["-----BEGIN PUBLIC KEY-----", der[:64], der[64:], "-----END PUBLIC KEY-----", ""]
    check_sendgrid(BODY, sendgrid.sign(BODY, str(NOW)), str(NOW), line_end.join(lines), NOW)


@pytest.mark.parametrize(
    "given",
    ["https://user:pass@boss.example:8443/sms/x?a=1", "https://boss.example:8443/sms/x?a=1"],
)
@pytest.mark.parametrize(
    "signed", ["https://boss.example/sms/x?a=1", "https://boss.example:8443/sms/x?a=1"]
)
def test_twilio_leaves_out_the_user_and_the_port_of_https(given: str, signed: str) -> None:
    check_twilio([given], FIELDS, twilio_header(signed, FIELDS, "token"), "token")
    other = twilio_header("https://evil.example/sms/x?a=1", FIELDS, "token")
    with pytest.raises(InvalidSignature):
        check_twilio([given], FIELDS, other, "token")


@pytest.mark.parametrize(
    ("to", "envelope", "kept"),
    [
        ('"bob@old.example" <boss@in.example>', "", 1),
        ('"boss@old.example" <bob@in.example>', "", 0),
        ("bob@in.example", '{"to":["boss@in.example"],"from":"x"}', 1),
        ("boss@in.example", '{"to":["bob@in.example"]}', 0),
        ("boss@in.example", "[" * 50_000, 1),
        ("no address", "", 0),
    ],
)
def test_a_letter_goes_to_whom_it_was_delivered(
    start: Start, database: Database, user: str, to: str, envelope: str, kept: int
) -> None:
    postman = SendGrid()
    service = start(TURSO_DATABASE_URL=database.url, SENDGRID_PARSE_PUBLIC_KEY=postman.public_key)
    body, kind = letter("b", to)
    field = f'--b\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n{envelope}\r\n'
    body = field.encode() + body if envelope else body
    assert deliver(service, postman, body, kind).json()["new"] == kept


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("iso-8859-1", "Grüße".encode("iso-8859-1")),
        ("UTF-8", "Grüße".encode()),
        ("windows-1252", "Grüße".encode("cp1252")),
        ("no-such-charset", "Grüße".encode()),
        ("rot13", "Grüße".encode()),
    ],
)
def test_a_letter_is_read_in_the_encoding_of_its_sender(
    start: Start, database: Database, user: str, charset: str, written: bytes
) -> None:
    postman = SendGrid()
    service = start(TURSO_DATABASE_URL=database.url, SENDGRID_PARSE_PUBLIC_KEY=postman.public_key)
    body, kind = letter("b")
    told = json.dumps({"subject": charset}).encode()
    field = b'--b\r\nContent-Disposition: form-data; name="charsets"\r\n\r\n' + told + b"\r\n"
    body = body.replace("Grüße".encode(), written)
    body = body.replace(b"--b--\r\n", field + b"--b--\r\n")
    deliver(service, postman, body, kind)
    assert [row["subject"] for row in database.query("SELECT subject FROM messages")] == ["Grüße"]


@pytest.mark.parametrize(
    ("origin", "given"), [("https://evil.example", 0), ("null", 0), ("", 1), ("https://example", 1)]
)
def test_a_page_of_another_site_gets_no_cookie(
    start: Start, database: Database, origin: str, given: int
) -> None:
    service = start(TURSO_DATABASE_URL=database.url)
    person = {"email": "zoe@example.org", "password": "long enough 1"}
    assert service.ask("POST", "/api/auth/signup", person).status == 201
    headers = {"origin": origin} if origin else {}
    answer = service.ask("POST", "/api/auth/login", json.dumps(person).encode(), headers)
    assert answer.status == 200
    assert bool(answer.header("set-cookie")) == bool(given)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("no address", "no address", True),
    ],
)
def test_one_network_of_ipv6_is_one_caller(one: str, other: str, same: bool) -> None:
    def client(address: str) -> str:
        headers = [(b"cf-connecting-ip", address.encode())]
        scope = {"method": "GET", "path": "/", "headers": headers}
        return Request(scope, None, 1).client  # type: ignore[arg-type]

    assert (client(one) == client(other)) is same
