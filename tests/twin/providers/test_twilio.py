"""Twilio's stand-in, judged by the official library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.support.providers import Receiver, Twin
from xswarm_twin.address import address

pytestmark = pytest.mark.slow

REAL = "https://api.twilio.com"
MESSAGING = "https://messaging.twilio.com"


class Local(TwilioHttpClient):  # type: ignore[misc]
    """Send what is meant for the service to its stand-in."""

    def __init__(self, address: str) -> None:
        super().__init__(pool_connections=False, timeout=60)
        self.address = address

    def request(self, method: str, uri: str, *rest: Any, **named: Any) -> Any:
        here = uri.replace(REAL, self.address).replace(MESSAGING, self.address)
        return super().request(method, here, *rest, **named)


def client(twin: Twin, token: str = "") -> Any:
    return Client(
        twin.endpoints["TWILIO_ACCOUNT_SID"],
        token or twin.keys["TWILIO_AUTH_TOKEN_TEST"],
        http_client=Local(twin.url("twilio")),
    )


def number(twin: Twin) -> Any:
    (found,) = client(twin).incoming_phone_numbers.list(
        phone_number=twin.endpoints["TWILIO_PHONE_NUMBER"]
    )
    return found


def test_it_answers_more_than_emulate_allows_an_hour(twin: Twin) -> None:
    account = f"/2010-04-01/Accounts/{twin.endpoints['TWILIO_ACCOUNT_SID']}.json"
    opens = (twin.endpoints["TWILIO_ACCOUNT_SID"], twin.keys["TWILIO_AUTH_TOKEN_TEST"])
    with requests.Session() as behind:
        inner = address(twin.ports["twilio-inner"])
        answers = {behind.get(inner + account, auth=opens).status_code for _ in range(5001)}
    assert answers == {200}
    said = requests.get(twin.url("twilio") + account, auth=opens, timeout=60)
    assert not [name for name in said.headers if name.lower().startswith("x-ratelimit")]


def test_the_account_is_active(twin: Twin) -> None:
    account = client(twin).api.accounts(twin.endpoints["TWILIO_ACCOUNT_SID"]).fetch()
    assert account.status == "active"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"sms_url": "boss.test/sms"}, 21402),
        ({"voice_url": "https://boss.test/" + "x" * 4000}, 21402),
        ({"status_callback": "ftp://boss.test/"}, 21402),
        ({"sms_url": "https://boss.test/", "sms_method": "PATCH"}, 21403),
    ],
)
def test_settings_that_cannot_be_are_refused(twin: Twin, settings: Any, code: int) -> None:
    before = number(twin).sms_url
    with pytest.raises(TwilioRestException) as caught:
        number(twin).update(**settings)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert number(twin).sms_url == before


@pytest.mark.parametrize("token", ["0" * 32, "twilio_test_auth_token"])
def test_a_wrong_token_is_20003(twin: Twin, token: str) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client(twin, token).api.accounts(twin.endpoints["TWILIO_ACCOUNT_SID"]).fetch()
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_a_number_is_found_with_its_capabilities(twin: Twin) -> None:
    found = number(twin)
    assert found.capabilities == {"sms": True, "mms": True, "voice": True}
    assert not found.sms_application_sid
    assert found.trunk_sid is None


def test_a_number_takes_urls_methods_and_status(twin: Twin) -> None:
    updated = number(twin).update(
        sms_url="https://boss.test/sms/boss",
        sms_method="POST",
        voice_url="https://boss.test/voice/boss",
        voice_method="GET",
        status_callback="https://boss.test/status",
        status_callback_method="GET",
    )
    for state in (updated, number(twin), client(twin).incoming_phone_numbers(updated.sid).fetch()):
        assert state.sms_url == "https://boss.test/sms/boss"
        assert (state.voice_url, state.voice_method) == ("https://boss.test/voice/boss", "GET")
        assert state.status_callback == "https://boss.test/status"
        assert state.status_callback_method == "GET"


def test_an_application_that_overrides_the_urls_is_told(twin: Twin) -> None:
    application = "AP" + "1" * 32
    number(twin).update(sms_application_sid=application)
    assert number(twin).sms_application_sid == application
    number(twin).update(sms_application_sid="")
    assert not number(twin).sms_application_sid


def test_a_message_is_taken_and_can_be_looked_at(twin: Twin) -> None:
    before = len(twin.received("twilio"))
    message = client(twin).messages.create(
        to="+15550001111", from_=twin.endpoints["TWILIO_PHONE_NUMBER"], body="service outage"
    )
    assert message.sid.startswith("SM")
    assert [m["body"] for m in twin.received("twilio")[before:]] == ["service outage"]


def test_an_inbound_message_is_delivered_signed(twin: Twin, receiver: Receiver) -> None:
    url = receiver.url + "/sms/boss"
    number(twin).update(sms_url=url, sms_method="POST")
    token = twin.keys["TWILIO_AUTH_TOKEN_TEST"]
    answer = requests.post(
        twin.url("twilio") + "/_twilio/simulate/inbound-message",
        data={"To": number(twin).phone_number, "From": "+15550002222", "Body": "help me & more"},
        auth=(twin.endpoints["TWILIO_ACCOUNT_SID"], token),
        timeout=60,
    )
    assert answer.status_code == 201
    path, headers, body = receiver.wait()
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    signature = {name.lower(): value for name, value in headers.items()}["x-twilio-signature"]
    assert (path, form["Body"]) == ("/sms/boss", "help me & more")
    assert RequestValidator(token).validate(url, form, signature)
    assert not RequestValidator("0" * 32).validate(url, form, signature)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("status:429", 429, 20429), ("status:500", 500, 20500), ("revoked", 401, 20003)],
)
def test_a_fault_meets_one_request(twin: Twin, kind: str, status: int, code: int) -> None:
    account = client(twin).api.accounts(twin.endpoints["TWILIO_ACCOUNT_SID"])
    twin.fault("twilio", kind)
    with pytest.raises(TwilioRestException) as caught:
        account.fetch()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert account.fetch().status == "active"


@pytest.fixture
def services(twin: Twin) -> Iterator[Any]:
    """Return the Messaging Services; none is left."""
    resource = client(twin).messaging.v1.services
    yield resource
    for one in resource.list():
        resource(one.sid).delete()


def test_messaging_services_hold_numbers(twin: Twin, services: Any) -> None:
    service = services.create(friendly_name="all")
    assert service.use_inbound_webhook_on_number is False
    sid = number(twin).sid
    with pytest.raises(TwilioRestException) as missing:
        services(service.sid).phone_numbers(sid).fetch()
    assert missing.value.code == 20404
    service.phone_numbers.create(phone_number_sid=sid)
    assert services(service.sid).phone_numbers(sid).fetch().sid == sid
    service.update(use_inbound_webhook_on_number=True)
    (found,) = services.list()
    assert (found.use_inbound_webhook_on_number, found.friendly_name) == (True, "all")
    assert [one.sid for one in service.phone_numbers.list()] == [sid]
    assert service.phone_numbers(sid).delete()
    assert service.phone_numbers.list() == []


def test_messaging_services_are_refused_what_twilio_refuses(twin: Twin, services: Any) -> None:
    first, second = (services.create(friendly_name=name) for name in ("one", "two"))
    sid = number(twin).sid
    first.phone_numbers.create(phone_number_sid=sid)
    refused: tuple[tuple[Callable[[], object], int, int], ...] = (
        (lambda: services.create(friendly_name=""), 400, 20001),
        (lambda: first.phone_numbers.create(phone_number_sid="PN" + "9" * 32), 400, 21421),
        (lambda: first.phone_numbers.create(phone_number_sid=sid), 409, 21710),
        (lambda: second.phone_numbers.create(phone_number_sid=sid), 409, 21712),
        (lambda: services("MG" + "0" * 32).fetch(), 404, 20404),
        (lambda: client(twin, "0" * 32).messaging.v1.services(first.sid).fetch(), 401, 20003),
    )
    for call, status, code in refused:
        with pytest.raises(TwilioRestException) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (status, code)


def test_messaging_services_are_paged(services: Any) -> None:
    made = [services.create(friendly_name=f"service {index}").sid for index in range(5)]
    assert [one.sid for one in services.list(page_size=2)] == made
    page = services.page(page_size=2)
    assert [one.sid for one in page] == made[:2]
    assert [one.sid for one in page.next_page()] == made[2:4]


def test_a_body_that_is_no_form_changes_nothing(twin: Twin) -> None:
    sid, before = number(twin).sid, number(twin).sms_url
    account, token = twin.endpoints["TWILIO_ACCOUNT_SID"], twin.keys["TWILIO_AUTH_TOKEN_TEST"]
    path = f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json"
    sent = {"SmsUrl": "https://boss.test/json"}
    answer = requests.post(twin.url("twilio") + path, json=sent, auth=(account, token), timeout=60)
    assert (answer.status_code, number(twin).sms_url) == (200, before)
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
